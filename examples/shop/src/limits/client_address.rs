use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, HeaderName, header, request::Parts},
};

use super::LimitOptions;
use crate::app::App;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where trusted proxies say whom they have a request from. Only one of the two is read: a proxy that writes the one passes on what clients have
/// put into the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardedBy {
    /// `X-Forwarded-For`, as most do.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// It is none of the two.
#[derive(Debug, thiserror::Error)]
#[error("it is `x-forwarded-for` or `forwarded`")]
pub struct UnknownHeader;

impl FromStr for ForwardedBy {
    type Err = UnknownHeader;

    fn from_str(name: &str) -> Result<Self, UnknownHeader> {
        match name {
            "x-forwarded-for" => Ok(Self::XForwardedFor),
            "forwarded" => Ok(Self::Forwarded),
            _ => Err(UnknownHeader),
        }
    }
}

/// Where a request comes from: who has opened the connection, or whom the trusted proxies before it name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl FromRequestParts<App> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or_else(|| Self::of(parts, &app.limits.options)))
    }
}

impl ClientAddress {
    /// Goes back from who has opened the connection, for as long as it is known that whoever says something can be believed.
    ///
    /// What can't be read ends the way: then it is the proxy that has said so.
    pub(super) fn of(parts: &Parts, options: &LimitOptions) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        // A service that does not know its peers has one limit for all.
        let mut client = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip().to_canonical());
        let is_trusted = |address: &IpAddr| options.trusted.iter().any(|network| network.contains(address));
        if !is_trusted(&client) {
            return Self(client);
        }
        for hop in hops(&parts.headers, options.forwarded_by).into_iter().rev() {
            match hop {
                Some(before) if is_trusted(&client) => client = before,
                _ => break,
            }
        }
        Self(client)
    }
}

/// Whom proxies have named, the one that is farthest away first. `None` for what is no address.
fn hops(headers: &HeaderMap, forwarded_by: ForwardedBy) -> Vec<Option<IpAddr>> {
    let name = match forwarded_by {
        ForwardedBy::XForwardedFor => X_FORWARDED_FOR,
        ForwardedBy::Forwarded => header::FORWARDED,
    };
    let read = |line: &str| -> Vec<Option<IpAddr>> {
        match forwarded_by {
            ForwardedBy::XForwardedFor => line.split(',').map(|hop| address(hop.trim())).collect(),
            ForwardedBy::Forwarded => split(line, ',').into_iter().map(forwarded_for).collect(),
        }
    };
    let lines = headers.get_all(name).into_iter();
    lines.flat_map(|line| line.to_str().map_or_else(|_| vec![None], read)).collect()
}

/// The address in `for` of an element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = split(element, ';').into_iter().filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    address(quoted.unwrap_or(value))
}

/// The parts between separators that no quotes are around.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |c| {
        let ends = c == separator && !is_quoted;
        (is_quoted, is_escaped) = match c {
            _ if is_escaped => (is_quoted, false),
            '\\' => (is_quoted, is_quoted),
            '"' => (!is_quoted, false),
            _ => (is_quoted, false),
        };
        ends
    })
    .collect()
}

/// An address as proxies write it: alone, or with a port, and one of IPv6 in brackets or not.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()))?;
    Some(IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, Request};

    use super::*;

    fn client(peer: &str, forwarded_by: ForwardedBy, lines: &[(&'static str, &str)]) -> String {
        let trusted = ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"].map(|network| network.parse().unwrap());
        let options = LimitOptions { trusted: trusted.into(), forwarded_by, ..LimitOptions::default() };
        let mut parts = Request::new(()).into_parts().0;
        parts.extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
        for (name, line) in lines {
            parts.headers.append(*name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        ClientAddress::of(&parts, &options).0.to_string()
    }

    fn by_list(peer: &str, lines: &[&str]) -> String {
        let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        client(peer, ForwardedBy::XForwardedFor, &lines)
    }

    fn by_forwarded(line: &str) -> String {
        client("10.0.0.1", ForwardedBy::Forwarded, &[("forwarded", line), ("x-forwarded-for", "8.8.8.8")])
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(by_list("203.0.113.9", &["198.51.100.7"]), "203.0.113.9");
        assert_eq!(by_list("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(by_list("::ffff:10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(by_list("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_the_client_has_put_there_itself_is_not() {
        assert_eq!(by_list("10.0.0.1", &["1.1.1.1, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(by_list("10.0.0.1", &["1.1.1.1", "198.51.100.7, 192.0.2.1", "10.9.9.9"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", ForwardedBy::XForwardedFor, &[("forwarded", "for=1.1.1.1")]), "10.0.0.1");
    }

    #[test]
    fn what_is_no_address_ends_the_way_at_who_has_said_so() {
        for (line, who) in [
            ("198.51.100.7, unknown", "10.0.0.1"),
            ("198.51.100.7, unknown, 192.0.2.1", "192.0.2.1"),
            ("", "10.0.0.1"),
            (",", "10.0.0.1"),
            ("\u{e9}", "10.0.0.1"),
            ("1.2.3", "10.0.0.1"),
        ] {
            assert_eq!(by_list("10.0.0.1", &[line]), who, "{line}");
        }
    }

    #[test]
    fn ports_and_brackets_are_taken_off() {
        for (line, who) in [
            ("198.51.100.7:4711", "198.51.100.7"),
            ("2001:4860::8888", "2001:4860::8888"),
            ("[2001:4860::8888]", "2001:4860::8888"),
            ("[2001:4860::8888]:443", "2001:4860::8888"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
        ] {
            assert_eq!(by_list("10.0.0.1", &[line]), who);
        }
    }

    #[test]
    fn forwarded_is_read_with_its_quotes() {
        for (line, who) in [
            ("for=198.51.100.7", "198.51.100.7"),
            ("for=1.1.1.1, For=\"198.51.100.7:80\";proto=http;by=10.0.0.1", "198.51.100.7"),
            ("proto=https;for=\"[2001:4860::8888]:4711\"", "2001:4860::8888"),
            ("for=198.51.100.7;host=\"a,for=1.1.1.1\"", "198.51.100.7"),
            ("for=198.51.100.7;host=\"\\\",for=1.1.1.1\", for=192.0.2.1", "198.51.100.7"),
            ("for=_hidden", "10.0.0.1"),
            ("by=1.1.1.1", "10.0.0.1"),
        ] {
            assert_eq!(by_forwarded(line), who, "{line}");
        }
    }
}
