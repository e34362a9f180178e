//! Migrations of what mends a database.

use super::{Finding, Mend, Report};
use crate::catalogue::Database;

/// A migration by the diesel CLI's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// What its folder may be called, behind the version.
    pub name: String,
    /// The text of `up.sql`.
    pub up: String,
    /// The text of `down.sql`: what can't be taken back is a comment.
    pub down: String,
    /// The text of `metadata.toml`, where one is needed.
    pub metadata: Option<&'static str>,
}

impl Report {
    /// What mends all that has a cure, in the order in which it is to be run. To be read before: it drops indexes, too.
    ///
    /// On PostgreSQL each statement is a migration of its own. `CONCURRENTLY` works in no transaction, and several statements that are sent
    /// at once are one; the others would hold the locks of all until the last is done. Those that take a lock which others wait for wait two
    /// seconds for it and fail, rather than have everybody wait behind them: run such a migration again.
    #[must_use]
    pub fn migrations(&self) -> Vec<Migration> {
        let mends: Vec<(&Finding, &Mend)> =
            self.findings.iter().flat_map(|finding| finding.mend.iter().map(move |mend| (finding, mend))).collect();
        let n_together = if self.database == Database::PostgreSql { 1 } else { mends.len().max(1) };
        mends.chunks(n_together).map(|mends| migration(mends, self.database)).collect()
    }
}

/// Keeps a statement from waiting for a table with everybody behind it; the transaction's end takes it back.
const IMPATIENT: &str = "SET LOCAL lock_timeout = '2s';\n";

fn migration(mends: &[(&Finding, &Mend)], database: Database) -> Migration {
    let impatience = |mend: &Mend| if database == Database::PostgreSql && mend.in_transaction { IMPATIENT } else { "" };
    let (mut up, mut told) = (String::new(), None);
    for (finding, mend) in mends {
        if told.replace(*finding) != Some(*finding) {
            up += &format!("-- {}: {}\n", one_line(&finding.table), one_line(&finding.what));
        }
        up += &format!("{}{};\n", impatience(mend), mend.up);
    }
    let down = mends.iter().rev().map(|(_, mend)| match &mend.down {
        Some(down) => format!("{}{down};\n", impatience(mend)),
        // The diesel CLI takes an empty statement for a mistake.
        None => format!("-- Stays: {}\nSELECT 1;\n", one_line(&mend.up)),
    });
    let is_whole = mends.iter().all(|(_, mend)| mend.in_transaction);
    let name = match mends {
        [(finding, mend)] => {
            let first = mend.up.split(' ').next().unwrap_or_default();
            format!("{first}_{}_{}", finding.table, finding.object)
        }
        _ => "doctor".to_owned(),
    };
    Migration {
        name: word(&name),
        up,
        down: down.collect(),
        metadata: (!is_whole).then_some("run_in_transaction = false\n"),
    }
}

/// In a comment, a name may end no line.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// As a folder may be called everywhere.
fn word(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    let words: String = plain.take(80).collect();
    words.split('_').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_have_plain_names() {
        assert_eq!(word("CREATE_\"a b\".orders_user_id, at"), "create_a_b_orders_user_id_at");
    }
}
