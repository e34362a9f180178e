use std::ffi::OsString;

use lexopt::prelude::*;

use crate::suite;

/// What `cargo xtask` is asked to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Chore {
    Help(&'static str),
    Test { only: Vec<&'static str> },
    Services { fast: bool, command: Vec<OsString> },
    Diesel { arguments: Vec<OsString> },
    Bench { arguments: Vec<OsString> },
    Shop(ShopOptions),
    Model { filters: Vec<String>, traces: bool },
    Storm { arguments: Vec<OsString> },
    Torture { arguments: Vec<OsString> },
    Tidy,
}

/// How the shop is to be started.
#[derive(Debug, PartialEq)]
pub(crate) struct ShopOptions {
    pub(crate) n_processes: u16,
    /// Of the first process; the others have those after it.
    pub(crate) port: u16,
    pub(crate) is_release: bool,
    pub(crate) is_empty: bool,
    /// For the shop itself.
    pub(crate) arguments: Vec<OsString>,
}

pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Chore, lexopt::Error> {
    let Some(first) = parser.next()? else { return Ok(Chore::Help(HELP)) };
    let chore = match first {
        Short('h') | Long("help") => return Ok(Chore::Help(HELP)),
        Value(chore) => chore.string()?,
        other => return Err(other.unexpected()),
    };
    match chore.as_str() {
        "help" => Ok(Chore::Help(HELP)),
        "test" => test(parser),
        "services" => services(parser),
        // These pass everything on, `--help` included.
        "diesel" => Ok(Chore::Diesel { arguments: parser.raw_args()?.collect() }),
        "bench" => Ok(Chore::Bench { arguments: parser.raw_args()?.collect() }),
        "shop" => shop(parser),
        "model" => model(parser),
        "storm" => Ok(Chore::Storm { arguments: parser.raw_args()?.collect() }),
        "torture" => Ok(Chore::Torture { arguments: parser.raw_args()?.collect() }),
        "tidy" => match parser.next()? {
            None => Ok(Chore::Tidy),
            Some(Short('h') | Long("help")) => Ok(Chore::Help(TIDY)),
            Some(other) => Err(other.unexpected()),
        },
        other => Err(format!("there is no chore {other:?}").into()),
    }
}

fn test(mut parser: lexopt::Parser) -> Result<Chore, lexopt::Error> {
    let mut only = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Chore::Help(TEST)),
            Long("only") => {
                let name = parser.value()?.string()?;
                let step = suite::STEPS.iter().find(|step| step.name == name);
                only.push(step.ok_or_else(|| format!("there is no step {name:?}: {}", suite::names()))?.name);
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Chore::Test { only })
}

fn services(mut parser: lexopt::Parser) -> Result<Chore, lexopt::Error> {
    let (mut fast, mut command) = (false, Vec::new());
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Chore::Help(SERVICES)),
            Long("fast") => fast = true,
            Value(program) => {
                command.push(program);
                command.extend(parser.raw_args()?);
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Chore::Services { fast, command })
}

fn shop(mut parser: lexopt::Parser) -> Result<Chore, lexopt::Error> {
    let mut options =
        ShopOptions { n_processes: 1, port: 8080, is_release: false, is_empty: false, arguments: Vec::new() };
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Chore::Help(SHOP)),
            Long("processes") => options.n_processes = parser.value()?.parse()?,
            Long("port") => options.port = parser.value()?.parse()?,
            Long("release") => options.is_release = true,
            Long("empty") => options.is_empty = true,
            // What stands after `--`: options before it are our own.
            Value(first) => {
                options.arguments.push(first);
                options.arguments.extend(parser.raw_args()?);
            }
            other => return Err(other.unexpected()),
        }
    }
    let last = options.port.checked_add(options.n_processes.saturating_sub(1));
    if options.port == 0 || options.n_processes == 0 || last.is_none() {
        return Err("there is at least one process, and each has a port from 1 to 65535".into());
    }
    Ok(Chore::Shop(options))
}

fn model(mut parser: lexopt::Parser) -> Result<Chore, lexopt::Error> {
    let (mut filters, mut traces) = (Vec::new(), false);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Chore::Help(MODEL)),
            Long("trace") => traces = true,
            Value(filter) => filters.push(filter.string()?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Chore::Model { filters, traces })
}

const HELP: &str = "\
The chores of the workspace.

    cargo xtask test        installs what is missing, then checks everything as CI does
    cargo xtask shop        starts the example service on private servers, with real orders to look at
    cargo xtask services    keeps a private PostgreSQL, MariaDB and Redis up for development
    cargo xtask diesel      runs the diesel CLI that the project is made with
    cargo xtask bench       measures against a private PostgreSQL and Redis
    cargo xtask model       searches every interleaving of the cache protocol
    cargo xtask storm       breaks everything under several processes, on private servers
    cargo xtask torture     plays the protocol with faults, step by step, in orders drawn from seeds
    cargo xtask tidy        checks the rules that no compiler knows

DATABASE_URL, MARIADB_URL and REDIS_URL, where set, are used instead of private servers.
`cargo xtask <chore> --help` tells more.
";

const TEST: &str = "\
Checks everything, as CI does, and stops at the first step that fails.

    cargo xtask test [--only STEP]...

    install    installs a C compiler, PostgreSQL, MariaDB, Redis, their libraries and SQLite where missing (Debian; elsewhere says what to type)
    fmt        cargo fmt --check
    clippy     cargo clippy, with warnings as errors
    features   cargo clippy for larder with the fewest features, with each back end alone, and with all three
    servers    starts a private PostgreSQL, MariaDB and Redis on free ports, unless DATABASE_URL, MARIADB_URL and REDIS_URL are set
    diesel     builds the diesel CLI once, into LARDER_TOOLS_DIR (default: larder/tools in the user's cache)
    test       cargo test: units, compile errors, snapshots, documentation, behaviour
    contract   reads the example service's OpenAPI document and tries to find an answer that breaks it (schemathesis; private servers)
    doc        cargo doc, with warnings as errors
    tidy       cargo xtask tidy

--only runs that step and the ones that it needs; it can be given several times.
";

const SHOP: &str = "\
Starts the example service on a private PostgreSQL and Redis, with a real purchase history, and ends all of it at Ctrl-C.

    cargo xtask shop [--processes N] [--port PORT] [--release] [--empty] [-- ARGUMENTS...]

--processes N   how many, on ports next to each other and on the same servers        [1]
--port PORT     where the first listens, on 127.0.0.1                                [8080]
--release       builds it as one would for production: better figures, but minutes more the first time
--empty         loads no purchases
ARGUMENTS       are the shop's: `-- --help` lists them

With DATABASE_URL or REDIS_URL set, those servers are used. The database is migrated then, and has the purchases once, however often
it is started. Private servers are empty each time, and their commits wait for the disk.
";

const SERVICES: &str = "\
Starts a private PostgreSQL, MariaDB and Redis on free ports, prints their URLs, and keeps them up until Ctrl-C.

    cargo xtask services [--fast] [-- COMMAND...]

--fast     commits don't wait for the disk: right for tests, wrong for measuring
COMMAND    is run with DATABASE_URL, MARIADB_URL and REDIS_URL set, and without input; the servers end with it, and its exit code is passed on

    cargo xtask services --fast -- cargo test -p tests
";

const MODEL: &str = "\
Searches the model of the cache protocol (docs/model.md) to the end, case by case, and prints for each its verdict, how many states
there are, and how long it took. Fails if a verdict is not the expected one.

    cargo xtask model [--trace] [FILTER]...

--trace    prints the shortest way to everything that was found
FILTER     searches only cases with this in their names; without any it takes minutes, and some GB of memory

    cargo xtask model \"ablations: without Fence\" --trace
";

const TIDY: &str = "\
Checks the rules that no compiler knows: which crate may import which, file sizes, what sources may not say, links in
documents, licences, lints. Each finding names its file and says what to do.

    cargo xtask tidy
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Chore, String> {
        super::parse(lexopt::Parser::from_args(arguments)).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_asked_is_a_question_for_help() {
        assert_eq!(parse(&[]), Ok(Chore::Help(HELP)));
        assert_eq!(parse(&["--help"]), Ok(Chore::Help(HELP)));
        assert_eq!(parse(&["test", "--only", "fmt", "--help"]), Ok(Chore::Help(TEST)));
        assert_eq!(parse(&["services", "-h"]), Ok(Chore::Help(SERVICES)));
    }

    #[test]
    fn every_step_is_told_in_the_help() {
        for step in suite::STEPS {
            assert!(TEST.contains(&format!("\n    {} ", step.name)), "{}", step.name);
        }
    }

    #[test]
    fn steps_are_known_by_name() {
        assert_eq!(parse(&["test", "--only=fmt", "--only", "tidy"]), Ok(Chore::Test { only: vec!["fmt", "tidy"] }));
        assert!(parse(&["test", "--only", "lint"]).unwrap_err().contains("clippy"));
        assert!(parse(&["tests"]).unwrap_err().contains("tests"));
    }

    #[test]
    fn cases_are_chosen_by_what_is_in_their_names() {
        let filters = vec!["ablations: without Fence".to_owned(), "verify".to_owned()];
        assert_eq!(parse(&["model", &filters[0], "--trace", "verify"]), Ok(Chore::Model { filters, traces: true }));
        assert_eq!(parse(&["model", "verify", "--help"]), Ok(Chore::Help(MODEL)));
        assert!(parse(&["model", "--traces"]).unwrap_err().contains("--traces"));
    }

    #[test]
    fn the_shop_has_options_of_ours_and_of_its_own() {
        let arguments = ["--log-json", "--release"].map(OsString::from).to_vec();
        let options = ShopOptions { n_processes: 2, port: 9000, is_release: false, is_empty: true, arguments };
        let line = ["shop", "--processes", "2", "--port=9000", "--empty", "--", "--log-json", "--release"];
        assert_eq!(parse(&line), Ok(Chore::Shop(options)));
        assert_eq!(parse(&["shop", "--help"]), Ok(Chore::Help(SHOP)));
        for (option, value) in [("--processes", "0"), ("--port", "0"), ("--processes", "60000")] {
            assert!(parse(&["shop", option, value]).unwrap_err().contains("port from 1"), "{option} {value}");
        }
    }

    #[test]
    fn a_command_keeps_its_own_options() {
        let command = ["cargo", "test", "--", "--fast"].map(OsString::from).to_vec();
        assert_eq!(
            parse(&["services", "--", "cargo", "test", "--", "--fast"]),
            Ok(Chore::Services { fast: false, command })
        );
        let arguments = ["migration", "run", "--help"].map(OsString::from).to_vec();
        assert_eq!(parse(&["diesel", "migration", "run", "--help"]), Ok(Chore::Diesel { arguments }));
        let arguments = ["calm", "--minutes", "5"].map(OsString::from).to_vec();
        assert_eq!(parse(&["storm", "calm", "--minutes", "5"]), Ok(Chore::Storm { arguments }));
        let arguments = ["--seed", "7", "--trace"].map(OsString::from).to_vec();
        assert_eq!(parse(&["torture", "--seed", "7", "--trace"]), Ok(Chore::Torture { arguments }));
    }
}
