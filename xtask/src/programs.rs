use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{environment::Environment, failure::Failure, runner::Runner};

/// The shop and what fills it, built.
pub(crate) struct Programs {
    pub(crate) shop: PathBuf,
    pub(crate) import: PathBuf,
}

impl Programs {
    /// Builds them; cargo shows how far it is.
    pub(crate) fn build(runner: &Runner, is_release: bool) -> Result<Self, Failure> {
        let mut cargo = runner.cargo(["build", "--package", "shop", "--package", "shop-import"]);
        cargo.args(is_release.then_some("--release"));
        cargo.args(["--bins", "--message-format", "json-render-diagnostics"]).stdout(Stdio::piped());
        let (status, output) = runner.start(&mut cargo)?.output()?;
        runner.check()?;
        if !status.success() {
            return Err(Failure::new("the shop can't be built"));
        }
        let find = |name| executable(&output, name).ok_or_else(|| Failure::new(format!("cargo has built no {name}")));
        Ok(Self { shop: find("shop")?, import: find("shop-import")? })
    }

    /// Puts the purchase history into the database, which is migrated first. What is there already stays as it is.
    pub(crate) fn load_history(&self, runner: &Runner, environment: &Environment) -> Result<(), Failure> {
        let mut import = Command::new(&self.import);
        import.arg("--import-only").arg(runner.root().join("examples/shop-import/data/cdnow.csv"));
        runner.run(environment.apply(&mut import))
    }
}

/// Where cargo has put a program, by its messages.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let all = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut paths = all.filter_map(|message| Some(Path::new(message["executable"].as_str()?).to_owned()));
    paths.find(|path| path.file_stem().is_some_and(|stem| stem == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_its_whole_name() {
        let messages = "{\"reason\":\"compiler-artifact\",\"executable\":null}\n\
                        {\"reason\":\"compiler-artifact\",\"executable\":\"/t/debug/shop-import\"}\n\
                        {\"reason\":\"compiler-artifact\",\"executable\":\"/t/debug/shop\"}\nno json\n";
        assert_eq!(executable(messages, "shop"), Some("/t/debug/shop".into()));
        assert_eq!(executable(messages, "hop"), None);
    }
}
