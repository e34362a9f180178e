//! Passwords do not go into messages, whoever writes those.

/// What must not be shown of the URLs that a program was given.
#[derive(Debug)]
pub(crate) struct Secrets(Vec<String>);

/// A shorter piece of a malformed URL says nothing, and would be found everywhere.
const SHORTEST_PIECE: usize = 3;

impl Secrets {
    pub(crate) fn of<'u>(urls: impl IntoIterator<Item = &'u String>) -> Self {
        let mut secrets = Vec::new();
        for url in urls {
            let mut passwords: Vec<&str> = Vec::new();
            // The last `@`: whoever forgets to escape one in the password makes a URL of which others show the rest as a host.
            if let Some((before, _)) = url.rsplit_once('@') {
                let account = before.split_once("//").map_or(before, |(_, account)| account);
                passwords.extend(account.split_once(':').map(|(_, password)| password));
            }
            // PostgreSQL also takes it as a parameter, of a URL or in its own form.
            for (at, _) in url.match_indices("password=") {
                let value = &url[at + "password=".len()..];
                passwords.extend(value.split(['&', ' ']).next());
            }
            for password in passwords.into_iter().filter(|password| !password.is_empty()) {
                secrets.push(url.clone());
                secrets.push(password.to_owned());
                secrets.push(unescaped(password));
                let pieces = password.split(['@', ':', '/', '?', '#']).filter(|piece| piece.len() >= SHORTEST_PIECE);
                secrets.extend(pieces.map(str::to_owned));
            }
        }
        // A secret that holds another goes first, or its rest would stay.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    /// The text with stars in the place of secrets.
    pub(crate) fn hidden_in(&self, text: String) -> String {
        self.0.iter().fold(text, |text, secret| text.replace(secret, "***"))
    }
}

/// A part of a URL as it is meant.
fn unescaped(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| byte == b'%').and_then(|digits| str::from_utf8(digits).ok());
        if let Some(byte) = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(url: &str, text: &str) -> String {
        Secrets::of([&url.to_owned()]).hidden_in(text.to_owned())
    }

    #[test]
    fn a_password_is_hidden_as_it_was_written_and_as_it_is_meant() {
        let url = "postgres://ada:p%40ss%2Fword@db.example:5432/shop";
        assert_eq!(hidden(url, "no p@ss/word for ada"), "no *** for ada");
        assert_eq!(hidden(url, "no p%40ss%2Fword at db.example"), "no *** at db.example");
        assert_eq!(hidden(url, &format!("malformed: {url}")), "malformed: ***");
    }

    #[test]
    fn a_password_that_makes_the_url_malformed_is_hidden_piece_by_piece() {
        let url = "postgres://ada:hunter2@secret@db.example/shop";
        assert_eq!(hidden(url, "could not resolve secret@db.example"), "could not resolve ***@db.example");
        assert_eq!(hidden(url, "hunter2"), "***");
    }

    #[test]
    fn a_password_is_hidden_wherever_it_is_given() {
        assert_eq!(hidden("redis://:hunter2@cache/0", "WRONGPASS hunter2"), "WRONGPASS ***");
        assert_eq!(hidden("postgres:/ada:hunter2@db", "hunter2"), "***");
        assert_eq!(hidden("postgres://db/shop?user=ada&password=hunter2&sslmode=require", "hunter2"), "***");
        assert_eq!(hidden("host=db password=hunter2 user=ada", "hunter2"), "***");
    }

    #[test]
    fn without_a_password_nothing_is_hidden() {
        for url in ["postgres://ada@db/shop", "redis://cache/", "", "postgres://ada:@db/shop"] {
            assert_eq!(hidden(url, "ada at db/shop or cache"), "ada at db/shop or cache");
        }
    }
}
