use std::{error::Error, fmt, iter, path::Path};

use crate::secrets::Secrets;

/// What went wrong and why, in one line.
#[derive(Debug)]
pub(crate) struct Complaint(String);

impl Complaint {
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let causes = iter::successors(Some(error), |&error| error.source()).map(ToString::to_string);
        let mut said: Vec<String> = Vec::new();
        for cause in causes {
            // Some errors tell what caused them themselves.
            if !said.last().is_some_and(|last| last.contains(&cause)) {
                said.push(cause);
            }
        }
        Self(said.join(": "))
    }

    /// What went wrong with a file.
    pub(crate) fn at(path: &Path, error: &(dyn Error + 'static)) -> Self {
        Self(format!("{}: {}", path.display(), Self::of(error)))
    }

    /// What this program itself has to complain of.
    pub(crate) fn from(said: impl Into<String>) -> Self {
        Self(said.into())
    }

    pub(crate) fn without(self, secrets: &Secrets) -> Self {
        Self(secrets.hidden_in(self.0))
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Outer {
        #[error("it went wrong")]
        Told(#[source] std::fmt::Error),
        #[error("it went wrong, since {0}")]
        Repeats(#[source] std::fmt::Error),
    }

    #[test]
    fn a_cause_is_told_once() {
        let cause = std::fmt::Error.to_string();
        assert_eq!(Complaint::of(&Outer::Told(std::fmt::Error)).to_string(), format!("it went wrong: {cause}"));
        assert_eq!(
            Complaint::of(&Outer::Repeats(std::fmt::Error)).to_string(),
            format!("it went wrong, since {cause}")
        );
    }
}
