/// A server as a URL names it.
pub(super) struct Place<'u> {
    url: &'u str,
    /// Where the host and port stand in the URL.
    address: std::ops::Range<usize>,
}

impl<'u> Place<'u> {
    pub(super) fn of(url: &'u str) -> Self {
        let start = url.find("://").map_or(0, |scheme| scheme + 3);
        let end = url[start..].find(['/', '?']).map_or(url.len(), |end| start + end);
        let start = url[start..end].rfind('@').map_or(start, |at| start + at + 1);
        Self { url, address: start..end }
    }

    fn is_redis(&self) -> bool {
        self.url.starts_with("redis:")
    }

    /// Host and port.
    pub(super) fn address(&self) -> String {
        let address = &self.url[self.address.clone()];
        let has_port = address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let usual = if self.is_redis() { 6379 } else { 5432 };
        if has_port { address.to_owned() } else { format!("{address}:{usual}") }
    }

    /// The same, but by way of a port of this machine.
    pub(super) fn url_through(&self, port: u16) -> String {
        if self.is_redis() {
            let (before, after) = (&self.url[..self.address.start], &self.url[self.address.end..]);
            return format!("{before}127.0.0.1:{port}{after}");
        }
        // What stands behind overrides what stands before. What is encrypted could not be read.
        let separator = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{separator}host=127.0.0.1&port={port}&sslmode=disable&gssencmode=disable", self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_host_and_a_port() {
        for (url, expected) in [
            ("postgres://u:p@host:5433/app?x=y", "host:5433"),
            ("postgres://host", "host:5432"),
            ("postgres://u@[::1]:5433/app", "[::1]:5433"),
            ("postgres://u@[::1]/app", "[::1]:5432"),
            ("redis://:p@host:7000/1", "host:7000"),
            ("redis://host/", "host:6379"),
        ] {
            assert_eq!(Place::of(url).address(), expected);
        }
    }

    #[test]
    fn a_url_leads_through_a_port() {
        assert_eq!(Place::of("redis://u:p@host:7000/1").url_through(9), "redis://u:p@127.0.0.1:9/1");
        let postgres = Place::of("postgres://host/app?x=y").url_through(9);
        assert_eq!(postgres, "postgres://host/app?x=y&host=127.0.0.1&port=9&sslmode=disable&gssencmode=disable");
    }
}
