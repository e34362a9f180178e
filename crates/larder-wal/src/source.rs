//! Where the log is read from.

use percent_encoding::percent_decode_str;
use pgwire_replication::{ReplicationConfig, TlsConfig};
use url::Url;

use crate::Error;

/// A server, as both clients have it.
#[derive(Clone)]
pub(crate) struct Source {
    /// For statements.
    pub(crate) url: String,
    host: String,
    port: u16,
    user: String,
    password: String,
    database: String,
    tls: TlsConfig,
}

impl Source {
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let bad = |reason: &str| Error::Url { reason: reason.to_owned() };
        let parsed = Url::parse(url).map_err(|error| Error::Url { reason: error.to_string() })?;
        if !matches!(parsed.scheme(), "postgres" | "postgresql") {
            return Err(bad("it does not begin with postgres://"));
        }
        let decoded = |text: &str| {
            percent_decode_str(text).decode_utf8().map(|text| text.into_owned()).map_err(|_| bad("it is not UTF-8"))
        };
        let option =
            |name: &str| parsed.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        // A folder of sockets is named in the query, since it can't be in a host's place.
        let host = match (option("host"), parsed.host_str()) {
            (Some(host), _) => host,
            (None, Some(host)) if !host.is_empty() => decoded(host)?,
            _ => return Err(bad("it names no host")),
        };
        let user = Some(decoded(parsed.username())?).filter(|user| !user.is_empty()).or_else(|| option("user"));
        let user = user.ok_or_else(|| bad("it names no user"))?;
        let database = decoded(parsed.path().trim_start_matches('/'))?;
        let root = option("sslrootcert").map(Into::into);
        let tls = match option("sslmode").as_deref() {
            None | Some("disable" | "allow" | "prefer") => TlsConfig::disabled(),
            Some("require") => TlsConfig::require(),
            Some("verify-ca") => TlsConfig::verify_ca(root),
            Some("verify-full") => TlsConfig::verify_full(root),
            Some(_) => return Err(bad("its sslmode is none")),
        };
        Ok(Self {
            url: url.to_owned(),
            host,
            port: parsed.port().unwrap_or(5432),
            password: decoded(parsed.password().unwrap_or_default())?,
            database: if database.is_empty() { user.clone() } else { database },
            user,
            tls,
        })
    }

    /// How the log is streamed through a slot. Values come in the same words whatever the server's settings are.
    pub(crate) fn replication(&self, slot: &str, publication: &str) -> ReplicationConfig {
        let (host, user, password) = (self.host.as_str(), self.user.as_str(), self.password.as_str());
        ReplicationConfig::new(host, user, password, self.database.as_str(), slot, publication)
            .with_port(self.port)
            .with_tls(self.tls.clone())
            .with_options("-c DateStyle=ISO,YMD -c IntervalStyle=postgres -c TimeZone=UTC -c bytea_output=hex")
            .with_application_name("larder-wal")
            .with_status_interval(std::time::Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_who_and_where() {
        let source = Source::parse("postgres://ann%40x:p%2Fw@db.example:6432/shop?sslmode=verify-full").unwrap();
        assert_eq!((&*source.host, source.port, &*source.user), ("db.example", 6432, "ann@x"));
        assert_eq!((&*source.password, &*source.database), ("p/w", "shop"));
        assert!(source.tls.mode.verifies_hostname());
        let source = Source::parse("postgresql:///shop?host=/run/postgresql&user=ann").unwrap();
        assert_eq!((&*source.host, source.port, &*source.database), ("/run/postgresql", 5432, "shop"));
    }

    #[test]
    fn a_url_of_something_else_is_refused() {
        for url in
            ["", "db", "redis://h/0", "postgres:///shop", "postgres://host/shop", "postgres://u@h/d?sslmode=maybe"]
        {
            assert!(matches!(Source::parse(url), Err(Error::Url { .. })), "{url}");
        }
    }
}
