use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// How often a terminal is told, and how often a file.
const ON_A_TERMINAL: Duration = Duration::from_millis(500);
const ELSEWHERE: Duration = Duration::from_secs(10);

/// How far a command is, told on standard error now and then.
#[derive(Debug)]
pub(crate) struct Progress {
    is_quiet: bool,
    is_terminal: bool,
    next: Instant,
    /// How many characters the terminal's last line shows.
    n_shown: usize,
}

impl Progress {
    pub(crate) fn new(is_quiet: bool) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let first = if is_terminal { ON_A_TERMINAL } else { ELSEWHERE };
        Self { is_quiet, is_terminal, next: Instant::now() + first, n_shown: 0 }
    }

    /// Tells what `text` says, if it is time again.
    pub(crate) fn tell(&mut self, text: impl FnOnce() -> String) {
        let now = Instant::now();
        if self.is_quiet || now < self.next {
            return;
        }
        self.next = now + if self.is_terminal { ON_A_TERMINAL } else { ELSEWHERE };
        let text = text();
        // Whether anybody reads it changes nothing.
        let _ = if self.is_terminal {
            let width = self.n_shown.max(text.chars().count());
            self.n_shown = text.chars().count();
            write!(io::stderr(), "\r{text:<width$}")
        } else {
            writeln!(io::stderr(), "{text}")
        };
    }

    /// Tells something of importance.
    pub(crate) fn note(&mut self, text: &str) {
        if !self.is_quiet {
            self.end();
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Leaves the terminal's line empty.
    pub(crate) fn end(&mut self) {
        if self.n_shown > 0 {
            let _ = write!(io::stderr(), "\r{:width$}\r", "", width = self.n_shown);
            self.n_shown = 0;
        }
    }
}
