//! What somebody has typed, made into what PostgreSQL can't refuse.

/// The longest text that is looked at, in characters.
const LONGEST: usize = 2_048;

/// The longest word: PostgreSQL refuses one of more than 2,046 bytes, and a character has four at most.
const LONGEST_WORD: usize = 256;

/// How many words or phrases may be left out.
const MOST_LEFT_OUT: usize = 16;

/// A search as it was typed: words, `"phrases"`, `or`, `-without`, and `beginnings*`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Typed {
    /// For `websearch_to_tsquery`, which takes any text.
    pub(crate) words: String,
    /// For `to_tsquery`: beginnings of words, all of which have to be there.
    pub(crate) beginnings: Option<String>,
}

impl Typed {
    pub(crate) fn new(text: &str) -> Self {
        let text = without_piles(text.chars().filter(|char| *char != '\0').take(LONGEST));
        let (mut words, mut beginnings) = (Vec::new(), Vec::new());
        // Within quotes a star is one.
        let has_phrases = text.contains('"');
        for word in text.split_whitespace() {
            match word.strip_suffix('*') {
                Some(beginning) if !has_phrases && is_word(beginning) => beginnings.push(format!("'{beginning}':*")),
                _ => words.push(word.chars().take(LONGEST_WORD).collect::<String>()),
            }
        }
        let beginnings = (!beginnings.is_empty()).then(|| beginnings.join(" & "));
        Self { words: words.join(" "), beginnings }
    }
}

/// The text with a `-` only where it is a hyphen, or stands before what is to be left out: `websearch_to_tsquery` fails on 32 of them in a row.
fn without_piles(text: impl Iterator<Item = char>) -> String {
    let (mut kept, mut before, mut n_left_out) = (String::new(), ' ', 0);
    let mut text = text.peekable();
    while let Some(char) = text.next() {
        let starts = text.peek().is_some_and(|next| next.is_alphanumeric() || *next == '"');
        let leaves_out = before.is_whitespace() && starts;
        let is_kept = char != '-' || before.is_alphanumeric() || {
            n_left_out += usize::from(leaves_out);
            leaves_out && n_left_out <= MOST_LEFT_OUT
        };
        before = if is_kept { char } else { ' ' };
        kept.push(before);
    }
    kept
}

/// Whether it is a word to every parser, and nothing that would have to be quoted.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= LONGEST_WORD && text.chars().all(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> (String, Option<String>) {
        let Typed { words, beginnings } = Typed::new(text);
        (words, beginnings)
    }

    #[test]
    fn beginnings_are_told_from_words() {
        assert_eq!(typed("ada  love*"), ("ada".to_owned(), Some("'love':*".to_owned())));
        assert_eq!(typed("a* b*"), (String::new(), Some("'a':* & 'b':*".to_owned())));
        assert_eq!(typed("-love* * it's* \"b c*\""), ("-love* * it's* \"b c*\"".to_owned(), None));
        assert_eq!(typed("a\0b"), ("ab".to_owned(), None));
        assert_eq!(typed("e-mail -ada -\"b c\" --x - a--b"), ("e-mail -ada -\"b c\" -x a- b".to_owned(), None));
    }

    #[test]
    fn nothing_is_longer_than_what_postgresql_takes() {
        let (words, _) = typed(&"ü".repeat(5_000));
        assert_eq!(words.chars().count(), LONGEST_WORD);
        assert_eq!(typed(&format!("{}*", "x".repeat(300))).1, None);
    }
}
