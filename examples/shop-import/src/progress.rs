//! Tells on standard error how far the import has come: a bar on a terminal, a line now and then elsewhere.

use std::{
    io::{self, IsTerminal as _, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::report::grouped;

/// How often a line is written where there is no terminal.
const PAUSE: Duration = Duration::from_secs(5);

/// How far the import has come, for somebody to watch.
pub enum Progress {
    /// On a terminal.
    Bar(ProgressBar),
    /// Elsewhere.
    Lines(Lines<io::Stderr>),
}

impl Progress {
    /// Shows on standard error how much of `n_bytes` has been read.
    #[must_use]
    pub fn of(n_bytes: u64) -> Self {
        if !io::stderr().is_terminal() {
            return Self::Lines(Lines::new(io::stderr(), n_bytes, PAUSE));
        }
        let style = ProgressStyle::with_template("{wide_bar} {percent:>3} %  {msg}  {eta} left")
            .expect("the template is well formed");
        Self::Bar(ProgressBar::new(n_bytes).with_style(style))
    }

    /// Shows that `n_bytes` have been read and `n_orders` are in.
    pub fn show(&mut self, n_bytes: u64, n_orders: i64) {
        match self {
            Self::Bar(bar) => {
                bar.set_message(format!("{} orders", grouped(n_orders)));
                bar.set_position(n_bytes);
            }
            Self::Lines(lines) => lines.show(n_bytes, n_orders),
        }
    }

    /// Leaves what is shown as it is, so that others may write below it.
    pub fn end(self) {
        if let Self::Bar(bar) = self {
            bar.abandon();
        }
    }
}

/// Progress as lines of text, one at most in a while.
pub struct Lines<W> {
    out: W,
    n_bytes: u64,
    pause: Duration,
    written: Instant,
}

impl<W: Write> Lines<W> {
    fn new(out: W, n_bytes: u64, pause: Duration) -> Self {
        Self { out, n_bytes, pause, written: Instant::now() }
    }

    fn show(&mut self, n_bytes: u64, n_orders: i64) {
        if self.written.elapsed() < self.pause {
            return;
        }
        let percent = (n_bytes * 100).checked_div(self.n_bytes).unwrap_or(100);
        // An import is not given up because nobody can be told of it.
        let _ = writeln!(self.out, "{percent:>3} %  {} orders", grouped(n_orders));
        self.written = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_is_in() {
        let mut lines = Lines::new(Vec::new(), 2_000, Duration::ZERO);
        lines.show(500, 1_234);
        lines.show(2_000, 5_000);
        assert_eq!(String::from_utf8(lines.out).unwrap(), " 25 %  1,234 orders\n100 %  5,000 orders\n");
    }

    #[test]
    fn between_lines_it_is_quiet() {
        let mut lines = Lines::new(Vec::new(), 2_000, Duration::from_secs(3_600));
        lines.show(500, 1_234);
        assert!(lines.out.is_empty());
    }
}
