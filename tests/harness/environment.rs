use std::env;

/// The URL of the shared PostgreSQL: `DATABASE_URL`.
///
/// # Panics
/// If it isn't set: no test passes because a server is missing.
#[must_use]
pub fn database_url() -> String {
    required("DATABASE_URL")
}

/// The URL of the shared Redis: `REDIS_URL`.
///
/// # Panics
/// If it isn't set.
#[must_use]
pub fn redis_url() -> String {
    required("REDIS_URL")
}

/// The URL of the shared MariaDB: `MARIADB_URL`.
///
/// # Panics
/// If it isn't set.
#[must_use]
pub fn mariadb_url() -> String {
    required("MARIADB_URL")
}

fn required(name: &str) -> String {
    match env::var(name) {
        Ok(url) if !url.is_empty() => url,
        _ => panic!(
            "{name} is not set: run `cargo xtask services` and set what it prints, \
             or `cargo xtask services --fast -- cargo test -p tests`"
        ),
    }
}
