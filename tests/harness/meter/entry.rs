use std::fmt;

use larder::store::BATCH;

use super::Counts;
use crate::Operation;

/// One thing that was sent.
#[derive(Debug)]
pub(super) enum Entry {
    Statement(String),
    Session(String),
    Store { operation: Operation, keys: Vec<String> },
}

impl Entry {
    pub(super) fn sql(text: String) -> Self {
        if is_session(&text) { Self::Session(text) } else { Self::Statement(text) }
    }

    pub(super) fn statement(&self) -> Option<&str> {
        match self {
            Self::Statement(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn count(&self, counts: &mut Counts) {
        match self {
            Self::Statement(_) => counts.sql += 1,
            Self::Session(_) => counts.session += 1,
            Self::Store { operation, keys } => {
                let counter = match operation {
                    Operation::Read => &mut counts.reads,
                    Operation::Lease => &mut counts.leases,
                    Operation::Stamp => &mut counts.stamps,
                    Operation::Fill => &mut counts.fills,
                    Operation::Begin => &mut counts.begins,
                    Operation::Finish => &mut counts.finishes,
                    Operation::Settle => &mut counts.settles,
                    Operation::Inspect => &mut counts.inspects,
                    Operation::Extend => &mut counts.extensions,
                    Operation::Scan => &mut counts.scans,
                };
                *counter += keys.len().div_ceil(BATCH);
            }
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Statement(text) => write!(f, "sql      {text}"),
            Self::Session(text) => write!(f, "session  {text}"),
            Self::Store { operation, keys } => {
                const SHOWN: usize = 5;
                write!(f, "store    {operation:<6} {}", keys[..keys.len().min(SHOWN)].join(" "))?;
                match keys.len().saturating_sub(SHOWN) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
        }
    }
}

/// Whether a text only begins, ends or sets up a transaction or session; a SELECT of nothing only asks how that is. Every part of a text with several has to.
fn is_session(text: &str) -> bool {
    // Diesel writes the binds of a statement after it, even when there are none.
    let statements = text.split_once("-- binds:").map_or(text, |(statements, _)| statements);
    statements.split(';').map(str::trim).filter(|statement| !statement.is_empty()).all(|statement| {
        const WORDS: [&str; 10] =
            ["BEGIN", "START", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET", "RESET", "DISCARD"];
        let first = statement.split_whitespace().next().unwrap_or_default();
        WORDS.iter().any(|word| first.eq_ignore_ascii_case(word)) || ["SELECT", "SELECT 1"].contains(&statement)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_counts_as_one_although_it_hides_behind_a_setting() {
        for text in [
            "BEGIN",
            "SELECT; COMMIT",
            "SAVEPOINT diesel_savepoint_1",
            "set local x = 3; SET y = 4;",
            "SELECT 1 -- binds: []",
        ] {
            assert!(is_session(text), "{text}");
        }
        for text in ["SELECT 1 FROM t", "BEGIN; DELETE FROM t", "settle", "UPDATE t SET x = 1 -- binds: [\"BEGIN\"]"] {
            assert!(!is_session(text), "{text}");
        }
    }
}
