//! What the program is told.

use std::{
    ffi::OsString,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use axum::http::Uri;
use ipnet::IpNet;
use lexopt::{Arg, Parser, ValueExt as _};

use crate::{accounts::AccountOptions, ending::EndingOptions, events::EventsOptions, limits::LimitOptions};

/// What `--help` prints.
pub const HELP: &str = "\
A web service on larder: users and orders over HTTP.

usage: shop [OPTIONS]

  --listen ADDRESS   where to listen; port 0 takes a free one      [127.0.0.1:8080]
  --namespace NAME   what its keys in Redis begin with             [shop]
  --caches WHICH     near: rows in the process, and Redis; shared: Redis; none: every read asks the database [near]
  --edge URL         a Varnish in front of it, which is told what to drop; may be given several times
  --idle-seconds N   how long a connection lasts on which nothing comes or goes; longer than a proxy in front keeps it [75]
  --log-json         a line of JSON for each event, for machines
  --secure-cookies   sessions go over HTTPS only
  --limit-per-second N       requests of one address, twice as many at once; 0: no limit  [100]
  --limit-user-per-second N  those of one user, wherever they come from                   [50]
  --limit-sign-ins N         tries with one email address in a quarter of an hour, ten
                             times as many from one address                               [10]
  --trust-proxy NETWORK      an address or a network in front of the service that is
                             believed whom it has a request from; may be repeated
  --trust-header NAME        where it says so: x-forwarded-for, or forwarded  [x-forwarded-for]
  --demo             buttons on the page at / that make load, and routes for them
  --listeners N      how many may listen at /events at once         [1000]
  --heartbeat N      how many seconds nothing is said there at most [15]
  --grace-seconds N  how long it still takes requests when it has said that it ends [0]
  --drain-seconds N  how long it waits then for requests and for what is to be written [20]
  --help

DATABASE_URL         the PostgreSQL database, which is migrated first
REDIS_URL            the Redis server
SHOP_SECRET          64 hexadecimal digits that all processes share, by which they know each other's cursors; without it each has its own
RUST_LOG             what is logged                                [info]

It ends at Ctrl-C or SIGTERM, when the requests that it has begun are answered. Prints `listening on http://ADDRESS` when it takes requests.
";

/// What is to be done.
#[derive(Debug)]
pub enum Request {
    /// Say how it is used.
    Help,
    /// Serve.
    Run(Box<Options>),
}

/// Where, and with which servers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The database.
    pub database_url: String,
    /// The store.
    pub redis_url: String,
    /// Where to listen.
    pub listen: SocketAddr,
    /// What its keys in the store begin with.
    pub namespace: String,
    /// The caches that it has itself.
    pub caches: Caches,
    /// The caches in front of it.
    pub edges: Vec<Uri>,
    /// Whether to log for machines.
    pub log_json: bool,
    /// Whether there are things to try on the page.
    pub demo: bool,
    /// What cursors are made with.
    pub secret: Option<[u8; 32]>,
    /// How many connections to the database there are at most.
    pub connections: u32,
    /// Sign-ins and sessions.
    pub accounts: AccountOptions,
    /// How much anybody may ask.
    pub limits: LimitOptions,
    /// How long a request may take.
    pub time_out: Duration,
    /// Who may listen.
    pub events: EventsOptions,
    /// How it ends.
    pub ending: EndingOptions,
    /// How long a connection lasts on which nothing comes or goes.
    pub idle: Duration,
}

/// Where rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caches {
    /// In the process, and in the store.
    Near,
    /// In the store.
    Shared,
    /// In the database alone.
    None,
}

impl FromStr for Caches {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "near" => Ok(Self::Near),
            "shared" => Ok(Self::Shared),
            "none" => Ok(Self::None),
            _ => Err("it is near, shared or none"),
        }
    }
}

/// What is wrong with the command line or the environment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The command line.
    #[error(transparent)]
    Arguments(#[from] lexopt::Error),
    /// A variable that is not there.
    #[error("{name} is not set; `cargo xtask services -- cargo run -p shop` starts servers and sets it")]
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// A secret that is none.
    #[error("SHOP_SECRET has to be 64 hexadecimal digits")]
    Secret,
}

/// Reads the command line, and what the environment says.
///
/// # Errors
/// What is wrong with them.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&'static str) -> Option<String>,
) -> Result<Request, UsageError> {
    let mut parser = Parser::from_args(arguments);
    let (mut listen, mut log_json) = (SocketAddr::from(([127, 0, 0, 1], 8080)), false);
    let (mut namespace, mut caches, mut edges) = ("shop".to_owned(), Caches::Near, Vec::new());
    let (mut accounts, mut limits) = (AccountOptions::default(), LimitOptions::default());
    let mut demo = false;
    let (mut events, mut ending) = (EventsOptions::default(), EndingOptions::default());
    let mut idle_seconds = 75_u32;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Request::Help),
            Arg::Long("listen") => listen = parser.value()?.parse()?,
            Arg::Long("namespace") => namespace = parser.value()?.string()?,
            Arg::Long("caches") => caches = parser.value()?.parse()?,
            Arg::Long("edge") => edges.push(parser.value()?.parse_with(edge)?),
            Arg::Long("idle-seconds") => idle_seconds = parser.value()?.parse()?,
            Arg::Long("log-json") => log_json = true,
            Arg::Long("secure-cookies") => accounts.secure_cookies = true,
            Arg::Long("limit-per-second") => limits.per_second = parser.value()?.parse()?,
            Arg::Long("limit-user-per-second") => limits.user_per_second = parser.value()?.parse()?,
            Arg::Long("limit-sign-ins") => limits.sign_ins = parser.value()?.parse()?,
            Arg::Long("trust-proxy") => limits.trusted.push(parser.value()?.parse_with(network)?),
            Arg::Long("trust-header") => limits.forwarded_by = parser.value()?.parse()?,
            Arg::Long("demo") => demo = true,
            Arg::Long("listeners") => events.listeners = usize::from(parser.value()?.parse::<u16>()?),
            Arg::Long("heartbeat") => events.heartbeat = seconds(&mut parser)?.max(Duration::from_secs(1)),
            Arg::Long("grace-seconds") => ending.grace = seconds(&mut parser)?,
            Arg::Long("drain-seconds") => ending.drain = seconds(&mut parser)?,
            other => return Err(other.unexpected().into()),
        }
    }
    let needed = |name| variable(name).ok_or(UsageError::Missing { name });
    Ok(Request::Run(Box::new(Options {
        database_url: needed("DATABASE_URL")?,
        redis_url: needed("REDIS_URL")?,
        listen,
        namespace,
        caches,
        edges,
        log_json,
        demo,
        secret: variable("SHOP_SECRET").map(|text| secret(&text).ok_or(UsageError::Secret)).transpose()?,
        connections: 16,
        accounts,
        limits,
        time_out: Duration::from_secs(10),
        events,
        ending,
        idle: Duration::from_secs(idle_seconds.max(1).into()),
    })))
}

/// An address with a host: anything else would be told of nothing.
fn edge(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|_| "it is no URL".to_owned())?;
    if uri.scheme_str() == Some("http") && uri.host().is_some() {
        Ok(uri)
    } else {
        Err("it has to begin with http://".to_owned())
    }
}

/// One address is a network of one.
fn network(text: &str) -> Result<IpNet, ipnet::AddrParseError> {
    text.parse().or_else(|error| text.parse::<IpAddr>().map(IpNet::from).map_err(|_| error))
}

/// A day at most: nobody waits longer, and no clock runs over.
fn seconds(parser: &mut Parser) -> Result<Duration, lexopt::Error> {
    let n: u64 = parser.value()?.parse_with(|text| text.parse::<u64>())?;
    Ok(Duration::from_secs(n.min(86_400)))
}

fn secret(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut secret = [0; 32];
    for (byte, pair) in secret.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str], secret: Option<&str>) -> Result<Request, UsageError> {
        let variable = |name| match name {
            "SHOP_SECRET" => secret.map(str::to_owned),
            "DATABASE_URL" | "REDIS_URL" => Some("url".to_owned()),
            _ => None,
        };
        parse(arguments.iter().map(OsString::from), variable)
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert!(
            matches!(parsed(&["--listen", "0.0.0.0:1"], None), Ok(Request::Run(options)) if options.listen.port() == 1)
        );
        assert!(matches!(parsed(&["-h", "--else"], None), Ok(Request::Help)));
        for (arguments, secret) in [
            (&["--else"][..], None),
            (&["--listen"], None),
            (&["--listen", "here"], None),
            (&["--caches", "all"], None),
            (&["--edge", "varnish"], None),
            (&["--edge", "https://varnish/"], None),
            (&[], Some("+f")),
            (&[], Some("f")),
        ] {
            assert!(parsed(arguments, secret).is_err(), "{arguments:?} {secret:?}");
        }
        let digits = "0f".repeat(32);
        assert!(matches!(parsed(&[], Some(&digits)), Ok(Request::Run(options)) if options.secret == Some([15; 32])));
        assert!(matches!(parsed(&[], Some(&"+f".repeat(32))), Err(UsageError::Secret)));
        assert!(matches!(parse([], |_| None), Err(UsageError::Missing { name: "DATABASE_URL" })));
    }
}
