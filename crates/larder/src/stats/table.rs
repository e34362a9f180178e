//! The figures as a table.

use std::{fmt, time::Duration};

use super::{ModelStats, NearStats, Stats, Times};

/// Some tables of fixed width, for a terminal or a log.
impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<20} {:>12} {:>7} {:>7} {:>7} {:>7} {:>7} {:>9} {:>9} {:>9}",
            "model", "keys", "near", "shared", "flight", "missed", "passed", "loads", "p50", "p99"
        )?;
        let total = (self.models.len() > 1).then(|| self.total());
        self.models.iter().chain(&total).try_for_each(|model| model_line(f, model))?;
        if let Some(near) = &self.near {
            writeln!(f, "\n{near}")?;
        }
        if !self.store.is_empty() {
            writeln!(f, "\n{:<20} {:>12} {:>12} {:>7} {:>9} {:>9}", "store", "calls", "cells", "failed", "p50", "p99")?;
        }
        for of in self.store.iter().filter(|of| of.calls.n > 0) {
            let (calls, operation) = (&of.calls, of.operation);
            write!(f, "{operation:<20} {:>12} {:>12} {:>7}", calls.n, of.cells, of.failed)?;
            writeln!(f, " {:>9} {:>9}", Short(calls.p50), Short(calls.p99))?;
        }
        let (transactions, memos) = (&self.transactions, &self.memos);
        if transactions.n + self.transactions_failed > 0 {
            write!(f, "\ntransactions: {} committed, {} not", transactions.n, self.transactions_failed)?;
            writeln!(f, ", p50 {}, p99 {}", Short(transactions.p50), Short(transactions.p99))?;
        }
        if memos.hits + memos.computed + memos.failed > 0 {
            writeln!(f, "\nmemos: {} hits, {} computed, {} failed", memos.hits, memos.computed, memos.failed)?;
        }
        #[cfg(feature = "behind")]
        if let Some(behind) = &self.behind {
            writeln!(f, "\n{behind}")?;
        }
        Ok(())
    }
}

#[cfg(feature = "behind")]
impl fmt::Display for crate::behind::Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = self.n_full + self.n_away;
        write!(
            f,
            "behind: {} buffered, {} written through, {refused} refused; ",
            self.n_buffered, self.n_written_through
        )?;
        write!(
            f,
            "{} flushed as {} rows, {} rejected, {} held",
            self.n_flushed, self.n_rows, self.n_dead, self.n_held
        )?;
        self.lag.map_or(Ok(()), |lag| write!(f, ", lag {}", Short(lag)))
    }
}

fn model_line(f: &mut fmt::Formatter<'_>, model: &ModelStats) -> fmt::Result {
    let (keys, asked) = (&model.keys, model.keys.asked());
    write!(f, "{:<20} {asked:>12}", model.name)?;
    for n in [keys.near, keys.shared, keys.flight, keys.missed, keys.bypassed.total()] {
        write!(f, " {:>6.1}%", n as f64 * 100.0 / asked.max(1) as f64)?;
    }
    let Times { n, p50, p99, .. } = model.loads;
    writeln!(f, " {n:>9} {:>9} {:>9}", Short(p50), Short(p99))
}

impl fmt::Display for NearStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, capacity_bytes, copies, evictions, flushes, line, proof_age } = self;
        write!(
            f,
            "near: {copies} copies, {bytes} of {capacity_bytes} bytes, {evictions} evicted, {flushes} flushes, "
        )?;
        match proof_age {
            Some(age) if line.n > 0 => {
                write!(f, "proof of {} ago, line p50 {}, p99 {}", Short(*age), Short(line.p50), Short(line.p99))
            }
            Some(_) => f.write_str("proven at any time"),
            None => f.write_str("no proof"),
        }
    }
}

/// A duration in three digits; a dash for none.
struct Short(Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            Duration::ZERO => "-".to_owned(),
            time => format!("{time:.1?}"),
        };
        f.pad(&text)
    }
}
