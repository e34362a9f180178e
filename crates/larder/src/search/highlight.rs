//! What was found, marked.

use serde::{Deserialize, Serialize};

/// What stands around a word that was found: of no script, and taken out of the text before.
pub(crate) const START: char = '\u{e000}';
pub(crate) const END: char = '\u{e001}';

/// Parts of a row's text with the words that were found; what looks like a tag of HTML is left out by PostgreSQL. The text is the user's own: whoever shows it escapes it, as [`to_html`](Self::to_html) does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Highlight {
    pieces: Vec<Piece>,
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The text, as it stands in the row.
    pub text: String,
    /// Whether it is a word that was looked for.
    pub is_match: bool,
}

impl Highlight {
    /// Reads what `ts_headline` gives.
    pub(crate) fn of(headline: &str) -> Self {
        let mut pieces = Vec::new();
        let mut put = |text: &str, is_match| {
            if !text.is_empty() {
                pieces.push(Piece { text: text.to_owned(), is_match });
            }
        };
        for (at, part) in headline.split(START).enumerate() {
            match part.split_once(END) {
                Some((found, rest)) if at > 0 => {
                    put(found, true);
                    put(rest, false);
                }
                _ => put(part, false),
            }
        }
        Self { pieces }
    }

    /// The text, piece by piece.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The text as HTML: escaped, with `<mark>` around the words that were found.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut html = String::new();
        for Piece { text, is_match } in &self.pieces {
            html.push_str(if *is_match { "<mark>" } else { "" });
            for char in text.chars() {
                match char {
                    '&' => html.push_str("&amp;"),
                    '<' => html.push_str("&lt;"),
                    '>' => html.push_str("&gt;"),
                    '"' => html.push_str("&quot;"),
                    '\'' => html.push_str("&#39;"),
                    char => html.push(char),
                }
            }
            html.push_str(if *is_match { "</mark>" } else { "" });
        }
        html
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_marked_and_all_else_is_text() {
        let highlight = Highlight::of(&format!("a <b> {START}lov&d{END} one{START}x{END}"));
        assert_eq!(highlight.to_html(), "a &lt;b&gt; <mark>lov&amp;d</mark> one<mark>x</mark>");
        assert_eq!(highlight.pieces().len(), 4);
        assert_eq!(Highlight::of(""), Highlight::default());
        // What PostgreSQL would never give is text.
        assert_eq!(Highlight::of(&format!("a{END}b{START}c")).to_html(), format!("a{END}bc"));
    }
}
