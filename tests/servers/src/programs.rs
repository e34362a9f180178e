use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::Error;

/// Whether a PostgreSQL server is installed.
#[must_use]
pub fn has_postgres() -> bool {
    postgres_bin().is_ok()
}

/// Whether that PostgreSQL server has the extension PostGIS.
#[must_use]
pub fn has_postgis() -> bool {
    has_extension("postgis")
}

/// Whether that PostgreSQL server has the extension hypopg.
#[must_use]
pub fn has_hypopg() -> bool {
    has_extension("hypopg")
}

/// The version in the names of Debian's packages for that PostgreSQL server, if it is one of Debian's.
#[must_use]
pub fn postgres_version() -> Option<String> {
    let bin = postgres_bin().ok()?;
    let version = bin.parent()?.file_name()?.to_str()?;
    version.bytes().all(|c| c.is_ascii_digit()).then(|| version.to_owned())
}

fn has_extension(name: &str) -> bool {
    let Ok(bin) = postgres_bin() else { return false };
    let shared = Command::new(bin.join("pg_config")).arg("--sharedir").output();
    let folder = shared.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    let packaged =
        bin.parent().and_then(Path::file_name).map(|version| Path::new("/usr/share/postgresql").join(version));
    // `pg_config` comes with a package of its own.
    let mut folders = [Some(PathBuf::from(folder.trim())), packaged].into_iter().flatten();
    folders.any(|folder| folder.join(format!("extension/{name}.control")).is_file())
}

/// Whether a MariaDB server is installed, with what prepares its data and what asks it.
#[must_use]
pub fn has_mariadb() -> bool {
    mariadbd().is_ok() && mariadb_install_db().is_ok() && mariadb_program("mariadb", "mariadb-client-core").is_ok()
}

/// Whether a Redis server is installed.
#[must_use]
pub fn has_redis() -> bool {
    redis_server().is_ok()
}

/// Whether Varnish is installed, with the module that finds answers by their tags.
#[must_use]
pub fn has_varnish() -> bool {
    varnishd().is_ok() && has_xkey()
}

/// The folder of `initdb`, `postgres` and `createdb`: from `PATH`, else of the newest version that a package has installed.
pub(crate) fn postgres_bin() -> Result<PathBuf, Error> {
    let mut packaged: Vec<PathBuf> = ["/usr/lib/postgresql", "/usr/local/opt", "/opt/homebrew/opt", "/usr"]
        .iter()
        .filter_map(|parent| fs::read_dir(parent).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| version(bin).is_some())
        .collect();
    packaged.sort_by_key(|bin| std::cmp::Reverse(version(bin)));
    on_path()
        .chain(packaged)
        .find(|bin| ["initdb", "postgres", "createdb"].iter().all(|program| bin.join(program).is_file()))
        .ok_or(Error::Missing { program: "PostgreSQL's server", package: "postgresql" })
}

pub(crate) fn redis_server() -> Result<PathBuf, Error> {
    on_path()
        .chain(["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"].map(PathBuf::from))
        .map(|folder| folder.join("redis-server"))
        .find(|program| program.is_file())
        .ok_or(Error::Missing { program: "redis-server", package: "redis-server" })
}

pub(crate) fn mariadbd() -> Result<PathBuf, Error> {
    mariadb_program("mariadbd", "mariadb-server-core")
}

pub(crate) fn mariadb_install_db() -> Result<PathBuf, Error> {
    mariadb_program("mariadb-install-db", "mariadb-server-core")
}

fn mariadb_program(program: &'static str, package: &'static str) -> Result<PathBuf, Error> {
    // Servers are where only root looks, and with Fedora where nobody does.
    let packaged = ["/usr/bin", "/usr/sbin", "/usr/libexec", "/usr/local/bin", "/opt/homebrew/opt/mariadb/bin"];
    on_path()
        .chain(packaged.map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .ok_or(Error::Missing { program, package })
}

pub(crate) fn varnishd() -> Result<PathBuf, Error> {
    // Debian has it where only root looks.
    on_path()
        .chain(["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"].map(PathBuf::from))
        .map(|folder| folder.join("varnishd"))
        .find(|program| program.is_file())
        .ok_or(Error::Missing { program: "varnishd", package: "varnish" })
}

/// Modules are in `lib/varnish/vmods`, or in that of an architecture: `lib/x86_64-linux-gnu/varnish/vmods`.
fn has_xkey() -> bool {
    let libraries = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/homebrew/lib"].map(PathBuf::from);
    let inner = libraries.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let folders = inner.filter_map(|entry| Some(entry.ok()?.path())).chain(libraries.iter().cloned());
    folders.map(|folder| folder.join("varnish/vmods/libvmod_xkey.so")).any(|module| module.is_file())
}

fn on_path() -> impl Iterator<Item = PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>()).into_iter().flatten()
}

/// The 15 of `/usr/lib/postgresql/15/bin`, `/usr/pgsql-15/bin` and `/opt/homebrew/opt/postgresql@15/bin`.
fn version(bin: &Path) -> Option<u32> {
    let parent = bin.parent()?;
    let name = parent.file_name()?.to_str()?;
    let number = name.strip_prefix("pgsql-").or_else(|| name.strip_prefix("postgresql@")).unwrap_or(name);
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_the_folder_of_each_packager() {
        assert_eq!(version(Path::new("/usr/lib/postgresql/15/bin")), Some(15));
        assert_eq!(version(Path::new("/usr/pgsql-16/bin")), Some(16));
        assert_eq!(version(Path::new("/opt/homebrew/opt/postgresql@17/bin")), Some(17));
        assert_eq!(version(Path::new("/usr/local/bin")), None);
    }
}
