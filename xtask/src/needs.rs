use std::{env, fmt::Write as _, path::Path, process::Command};

use crate::{failure::Failure, runner::Runner};

/// Something outside of Rust that the workspace needs.
struct Need {
    name: &'static str,
    debian: &'static [&'static str],
    is_met: fn() -> bool,
}

/// What to build and run it with.
const TO_RUN: [Need; 6] = [
    Need { name: "a C compiler", debian: &["gcc", "libc6-dev"], is_met: || on_path("cc") },
    Need { name: "a PostgreSQL server", debian: &["postgresql"], is_met: servers::has_postgres },
    Need { name: "a Redis server", debian: &["redis-server"], is_met: servers::has_redis },
    Need { name: "libpq", debian: &["libpq-dev"], is_met: || has_library("libpq", "pq") },
    Need { name: "libmariadb", debian: &["libmariadb-dev"], is_met: || has_library("libmariadb", "mariadb") },
    Need { name: "SQLite", debian: &["libsqlite3-dev"], is_met: || has_library("sqlite3", "sqlite3") },
];

/// What nothing but tests talks to.
const DATABASES: [Need; 3] = [
    Need {
        name: "a MariaDB server",
        // Without the service, which would start one for the whole machine.
        debian: &["mariadb-server-core", "mariadb-client-core"],
        is_met: servers::has_mariadb,
    },
    Need { name: "PostGIS", debian: &["postgresql-postgis"], is_met: servers::has_postgis },
    Need { name: "hypopg", debian: &["postgresql-VERSION-hypopg"], is_met: servers::has_hypopg },
];

/// What only tests need.
const TO_TEST: [Need; 3] = [
    Need { name: "Varnish with xkey", debian: &["varnish", "varnish-modules"], is_met: servers::has_varnish },
    // The driver knows where the browser is that it was packaged with.
    Need { name: "Chromium", debian: &["chromium", "chromium-driver"], is_met: || on_path("chromedriver") },
    Need { name: "Python with venv", debian: &["python3-venv"], is_met: has_python },
];

/// Installs what is missing to run it, where that is possible without asking anybody; elsewhere says what to type.
pub(crate) fn install(runner: &Runner) -> Result<(), Failure> {
    install_all(runner, TO_RUN.iter())
}

/// The same with every database.
pub(crate) fn install_with_databases(runner: &Runner) -> Result<(), Failure> {
    install_all(runner, TO_RUN.iter().chain(&DATABASES))
}

/// The same for tests too.
pub(crate) fn install_for_tests(runner: &Runner) -> Result<(), Failure> {
    install_all(runner, TO_RUN.iter().chain(&DATABASES).chain(&TO_TEST))
}

fn install_all<'n>(runner: &Runner, needs: impl Iterator<Item = &'n Need>) -> Result<(), Failure> {
    let missing: Vec<&Need> = needs.filter(|need| !(need.is_met)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.iter().map(|need| need.name).collect::<Vec<_>>().join(", ");
    // Debian has one of a release, whose server comes along if there is none: apt takes this for an expression.
    let version = servers::postgres_version().unwrap_or_else(|| "[0-9]+".to_owned());
    let packages: Vec<String> =
        missing.iter().flat_map(|need| need.debian).map(|package| package.replace("VERSION", &version)).collect();
    let sudo: &[&str] = match (on_path("apt-get"), rustix::process::geteuid().is_root(), on_path("sudo")) {
        (true, true, _) => &[],
        (true, false, true) if can_sudo() => &["sudo", "--non-interactive"],
        (is_debian, ..) => return Err(Failure::new(advice(is_debian, &names, &packages))),
    };
    println!("missing: {names}; installing {}", packages.join(" "));
    let apt = |arguments: &[&str]| {
        let words = [sudo, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"], arguments].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command
    };
    runner.run(&mut apt(&["update", "-q"]))?;
    runner.run(apt(&["install", "-q", "--yes", "--no-install-recommends"]).args(&packages))?;
    match missing.iter().find(|need| !(need.is_met)()) {
        None => Ok(()),
        Some(need) => Err(Failure::new(format!("{} is still not to be found after its installation", need.name))),
    }
}

fn advice(is_debian: bool, names: &str, packages: &[String]) -> String {
    let mut advice = format!("missing: {names}. To install, type\n");
    // Writing to a string can't fail.
    let _ = if is_debian {
        write!(advice, "    sudo apt-get update && sudo apt-get install --yes {}", packages.join(" "))
    } else {
        write!(
            advice,
            "    brew install postgresql@17 postgis libpq mariadb redis sqlite varnish pkgconf python chromedriver  (macOS)\n    \
             sudo dnf install gcc postgresql-server postgis libpq-devel mariadb-server mariadb-connector-c-devel redis sqlite-devel varnish varnish-modules python3 chromedriver  (Fedora)\n    \
             sudo pacman -S gcc postgresql postgis mariadb mariadb-libs redis sqlite varnish python chromium  (Arch)\n\
             where no package has hypopg or Varnish's module xkey, build github.com/HypoPG/hypopg or github.com/varnish/varnish-modules"
        )
    };
    advice
}

/// Whether sudo works without a password: a chore that stops to ask for one would look as if it hung.
fn can_sudo() -> bool {
    succeeds(Command::new("sudo").args(["--non-interactive", "true"]))
}

/// Debian's python3 has venv without what it needs.
fn has_python() -> bool {
    succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"]))
}

fn on_path(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// Whether a library can be linked: known to pkg-config, or found by the C compiler, or by `pg_config`.
fn has_library(package: &str, library: &str) -> bool {
    let file = if cfg!(target_os = "macos") { format!("lib{library}.dylib") } else { format!("lib{library}.so") };
    let found_by = |command: &mut Command| {
        let output = command.output().ok().filter(|output| output.status.success());
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    succeeds(Command::new("pkg-config").args(["--exists", package]))
        // The compiler echoes the bare name of a file that it can't find.
        || Path::new(&found_by(Command::new("cc").arg(format!("-print-file-name={file}")))).is_absolute()
        || (library == "pq" && Path::new(&found_by(Command::new("pg_config").arg("--libdir"))).join(&file).is_file())
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_nobody_has_is_missing() {
        assert!(!has_library("larder-nonesuch", "larder-nonesuch"));
        assert!(has_library("libc", "c"));
    }

    #[test]
    fn advice_is_a_command_to_type() {
        assert!(advice(true, "libpq", &["libpq-dev".into()]).contains("sudo apt-get install --yes libpq-dev"));
        assert!(advice(false, "libpq", &["libpq-dev".into()]).contains("brew install"));
    }
}
