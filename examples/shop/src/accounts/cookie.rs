use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, SameSite, time::Duration};
use larder_redis::sessions::{Session, SessionId};

/// How the id of a session travels.
#[derive(Debug, Clone, Copy)]
pub(super) struct SessionCookie {
    name: &'static str,
    is_secure: bool,
}

impl SessionCookie {
    /// A browser takes a name with `__Host-` from the host itself and over HTTPS only, so that no neighbouring subdomain can plant one.
    pub(super) fn new(is_secure: bool) -> Self {
        Self { name: if is_secure { "__Host-session" } else { "session" }, is_secure }
    }

    /// The id that a request has. Of several that differ none is taken: somebody may have put one beside the user's own.
    pub(super) fn read(self, headers: &HeaderMap) -> Option<SessionId> {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let all = lines.flat_map(Cookie::split_parse).filter_map(Result::ok);
        let mut values = all.filter(|cookie| cookie.name() == self.name).map(|cookie| cookie.value().to_owned());
        let value = values.next()?;
        if values.any(|other| other != value) { None } else { value.parse().ok() }
    }

    pub(super) fn of(self, session: &Session<()>) -> HeaderValue {
        let seconds = i64::try_from(session.ends_in().as_secs()).unwrap_or(i64::MAX);
        self.header(session.id().text(), Duration::seconds(seconds))
    }

    pub(super) fn gone(self) -> HeaderValue {
        self.header(String::new(), Duration::ZERO)
    }

    fn header(self, value: String, max_age: Duration) -> HeaderValue {
        let cookie = Cookie::build((self.name, value)).path("/").http_only(true).same_site(SameSite::Lax);
        let cookie = cookie.secure(self.is_secure).max_age(max_age).build();
        HeaderValue::from_str(&cookie.to_string()).expect("a cookie of hexadecimal digits is a header's value")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn read(is_secure: bool, lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        SessionCookie::new(is_secure).read(&headers).map(|id| id.text())
    }

    #[test]
    fn an_id_is_read_from_its_cookie_and_from_no_other() {
        let own = format!("session={ID}");
        for lines in [
            &[&*own][..],
            &[&format!("a=b; {own}; c")],
            &["a=b", &own],
            &[&format!("{own}; {own}")],
            &[&format!(";;=; {own}")],
        ] {
            assert_eq!(read(false, lines).as_deref(), Some(ID), "{lines:?}");
        }
        for lines in [
            &[][..],
            &["session="],
            &["session"],
            &[&format!("session={ID}0")],
            &[&format!("Session={ID}")],
            &[&format!("__Host-session={ID}")],
            &[&format!("session={}; {own}", ID.replace('0', "1"))],
            &[&format!("session=; {own}")],
            &["session=\u{e9}"],
        ] {
            assert_eq!(read(false, lines), None, "{lines:?}");
        }
        assert_eq!((read(true, &[&format!("__Host-{own}")]).as_deref(), read(true, &[&own])), (Some(ID), None));
    }

    #[test]
    fn a_cookie_is_for_this_host_and_no_script() {
        let gone = |is_secure| SessionCookie::new(is_secure).gone();
        assert_eq!(gone(false), "session=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
        assert_eq!(gone(true), "__Host-session=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0");
    }
}
