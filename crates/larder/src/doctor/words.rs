//! A report in words.

use std::fmt;

use super::{Finding, Proof, Report, Severity};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { severity, table, object, what, why, mend, proof, .. } in &self.findings {
            writeln!(f, "{severity}: {table}: {what}")?;
            writeln!(f, "  {why}")?;
            for mend in mend {
                writeln!(f, "    {};", mend.up)?;
            }
            match proof {
                Proof::Searched { how } => writeln!(f, "  the planner would search it ({how})")?,
                Proof::NotSearched { how } => writeln!(f, "  the planner would not search it as things are ({how})")?,
                Proof::NotAsked | Proof::Unknown { .. } => {}
            }
            // A line of its own where there is nothing else to search the report by.
            if mend.is_empty() && !what.contains(object.as_str()) {
                writeln!(f, "  ({object})")?;
            }
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        let count = |severity| self.findings.iter().filter(|finding| finding.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        writeln!(
            f,
            "{} lookup{}: {errors} error{}, {warnings} warning{}, {} of advice",
            self.lookups.len(),
            plural(self.lookups.len()),
            plural(errors),
            plural(warnings),
            count(Severity::Advice)
        )
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Advice => "advice",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}
