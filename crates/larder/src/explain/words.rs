//! An explanation in words.

use std::fmt::{self, Write as _};

use super::{Cost, Explanation, Found, Level, State, Wants};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.levels.iter().try_for_each(|level| level.fmt(f))?;
        write!(f, "in all: {} now, {} at most", self.now(), self.at_most())?;
        if !self.is_complete() {
            f.write_str("; more for keys that are not known before rows are loaded")?;
        }
        f.write_str("\n")
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indent = "  ".repeat(self.depth);
        let Self { model, by, wants, n_keys, found, .. } = self;
        let what = match wants {
            Wants::Rows { whole: true, .. } => "rows",
            Wants::Rows { .. } => "some columns of rows",
            Wants::Refined { .. } => "rows that no cell holds",
            Wants::Count { refined: false } => "the number of rows",
            Wants::Count { .. } => "a number of rows that no cell holds",
        };
        write!(f, "{indent}{model}: {what} by {}", by.join(", "))?;
        if let Wants::Rows { limit: Some(limit), .. } | Wants::Refined { limit: Some(limit) } = wants {
            write!(f, ", at most {limit} each")?;
        }
        write!(f, "; {n_keys} {}", if *n_keys == 1 { "key" } else { "keys" })?;
        f.write_str(match (self.is_complete, *n_keys) {
            (true, _) => "\n",
            (false, 0) => " known before the rows above are loaded\n",
            (false, _) => ", and others that are not known before the rows above are loaded\n",
        })?;
        if *n_keys > 0 {
            writeln!(f, "{indent}  {found}")?;
            if f.alternate() {
                self.cells.iter().try_for_each(|(key, state)| writeln!(f, "{indent}    {key}: {state}"))?;
            }
            writeln!(f, "{indent}  {} now, {} at most", self.now, self.at_most)?;
        }
        match &self.sql {
            Some(sql) => writeln!(f, "{indent}  {sql}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { near, shared, flight, vacant, leased, in_doubt, unsettled, failed, too_short, past } = *self;
        let mut words = String::new();
        for (n, state) in [
            (near, State::Near),
            (shared, State::Shared),
            (flight, State::Flight),
            (vacant, State::Vacant),
            (leased, State::Leased),
            (in_doubt, State::InDoubt),
            (unsettled, State::Unsettled),
            (failed, State::Failed),
            (too_short, State::TooShort),
            (past, State::Past),
        ] {
            if n > 0 {
                write!(words, "{}{n} {state}", if words.is_empty() { "" } else { ", " })?;
            }
        }
        f.pad(&words)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Near => "near",
            Self::Shared => "in the store",
            Self::Flight => "on the way to the store",
            Self::Vacant => "in no cache",
            Self::Leased => "being loaded by others",
            Self::InDoubt => "in doubt, since it is being written",
            Self::Unsettled => "written while the store was away",
            Self::Failed => "not to be had from the store",
            Self::TooShort => "with too few rows in the store",
            Self::Past => "past the caches",
        })
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { round_trips, statements } = *self;
        let plural = |n| if n == 1 { "" } else { "s" };
        write!(f, "{round_trips} round trip{} and {statements} statement{}", plural(round_trips), plural(statements))
    }
}
