use std::{error, fmt, io};

/// Why a server could not be started or told what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A program that the server consists of isn't installed.
    Missing {
        /// The program.
        program: &'static str,
        /// Debian's package that has it.
        package: &'static str,
    },
    /// A program ended although it should have gone on, or ended badly.
    Failed {
        /// What it was.
        program: &'static str,
        /// The end of what it wrote.
        log: String,
    },
    /// A server did not get ready in time, or did not end in time.
    TimedOut {
        /// What it was.
        program: &'static str,
        /// The end of what it wrote.
        log: String,
    },
    /// The operating system refused something.
    System {
        /// What was tried.
        action: String,
        /// Its answer.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn system(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        |source| Self::System { action, source }
    }

    /// Whether the port that the server was to listen on belongs to somebody else.
    #[must_use]
    pub fn is_port_taken(&self) -> bool {
        matches!(self, Self::Failed { log, .. } if log.contains("Address already in use"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { program, package } => {
                write!(f, "{program} is not installed (Debian: apt-get install {package})")
            }
            Self::Failed { program, log } => write!(f, "{program} failed; the end of its log:\n{log}"),
            Self::TimedOut { program, log } => write!(f, "{program} took too long; the end of its log:\n{log}"),
            Self::System { action, .. } => write!(f, "can't {action}"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}
