use std::{error::Error as _, fmt, io};

/// Why a chore did not get to its end.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Somebody pressed Ctrl-C, or asked it to end in another way.
    Interrupted,
    /// The command that the chore was to run has ended with this code, and has said why.
    Passed(u8),
    /// What went wrong, and what to do about it.
    Failed(String),
}

impl Failure {
    pub(crate) fn new(reason: impl fmt::Display) -> Self {
        Self::Failed(reason.to_string())
    }

    /// Names what was tried when the operating system refused it.
    pub(crate) fn io(action: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Failed(format!("can't {action}: {error}"))
    }
}

impl From<servers::Error> for Failure {
    fn from(error: servers::Error) -> Self {
        match error.source() {
            Some(source) => Self::Failed(format!("{error}: {source}")),
            None => Self::new(error),
        }
    }
}
