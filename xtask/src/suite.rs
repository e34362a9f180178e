use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    contract, diesel,
    environment::Environment,
    failure::Failure,
    needs,
    runner::{Runner, line_of},
    tidy,
};

/// One step of `cargo xtask test`.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// Steps that have to run before, also when only this one was asked for.
    after: &'static [&'static str],
    run: fn(&mut Suite<'_>) -> Result<(), Failure>,
}

/// In the order in which they run: what is quick to fail comes first.
pub(crate) const STEPS: [Step; 10] = [
    Step { name: "install", after: &[], run: |suite| needs::install_for_tests(suite.runner) },
    Step { name: "fmt", after: &[], run: |suite| suite.cargo(&["fmt", "--all", "--check"]) },
    Step { name: "clippy", after: &["install"], run: clippy },
    Step { name: "features", after: &["install"], run: features },
    Step { name: "servers", after: &["install"], run: servers },
    Step { name: "diesel", after: &["install"], run: diesel_cli },
    Step { name: "test", after: &["install", "servers", "diesel"], run: test },
    Step { name: "contract", after: &["install"], run: |suite| contract::run(suite.runner) },
    Step { name: "doc", after: &["install"], run: doc },
    Step { name: "tidy", after: &[], run: |suite| tidy::run(suite.runner) },
];

pub(crate) fn names() -> String {
    STEPS.map(|step| step.name).join(", ")
}

/// Runs the steps named in `only` with those that they need, or all of them where none is named.
pub(crate) fn run(runner: &Runner, only: &[&str]) -> Result<(), Failure> {
    let steps: Vec<&Step> = STEPS.iter().filter(|step| is_wanted(step, only)).collect();
    let mut suite = Suite { runner, environment: None, diesel: None };
    let mut times: Vec<(&str, Duration)> = Vec::new();
    println!("steps: {}", steps.iter().map(|step| step.name).collect::<Vec<_>>().join(", "));
    for step in steps {
        println!("\n==> {}", step.name);
        let start = Instant::now();
        let outcome = (step.run)(&mut suite);
        times.push((step.name, start.elapsed()));
        if let Err(failure) = outcome {
            summarize(&times, false);
            return Err(match failure {
                Failure::Failed(reason) => Failure::new(format!("step {} failed: {reason}", step.name)),
                other => other,
            });
        }
    }
    summarize(&times, true);
    Ok(())
}

fn is_wanted(step: &Step, only: &[&str]) -> bool {
    let is_needed = |name: &&str| STEPS.iter().any(|other| other.name == *name && other.after.contains(&step.name));
    only.is_empty() || only.contains(&step.name) || only.iter().any(is_needed)
}

/// Prints the steps that ran, of which all but perhaps the last went well.
fn summarize(times: &[(&str, Duration)], is_good: bool) {
    println!("\n==> summary");
    for (index, (name, time)) in times.iter().enumerate() {
        let outcome = if is_good || index + 1 < times.len() { "ok" } else { "FAILED" };
        println!("{name:<10} {outcome:<6} {:>7.1} s", time.as_secs_f64());
    }
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    println!("{:<10} {:<6} {:>7.1} s", "all", if is_good { "ok" } else { "FAILED" }, total.as_secs_f64());
}

/// What the steps hand on to each other.
struct Suite<'a> {
    runner: &'a Runner,
    environment: Option<Environment>,
    diesel: Option<PathBuf>,
}

impl Suite<'_> {
    fn cargo(&self, arguments: &[&str]) -> Result<(), Failure> {
        self.run(&mut self.runner.cargo(arguments))
    }

    fn run(&self, command: &mut Command) -> Result<(), Failure> {
        println!("{}", line_of(command));
        self.runner.run(command)
    }
}

fn clippy(suite: &mut Suite<'_>) -> Result<(), Failure> {
    suite.cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "--deny", "warnings"])
}

/// The workspace together has every feature on; here larder is alone, as an application has it.
fn features(suite: &mut Suite<'_>) -> Result<(), Failure> {
    ["", "postgres", "mysql", "sqlite", "postgres,mysql,sqlite"].iter().try_for_each(|features| {
        let larder = ["clippy", "--package", "larder", "--no-default-features", "--features", features];
        suite.cargo(&[larder.as_slice(), &["--", "--deny", "warnings"]].concat())
    })
}

fn servers(suite: &mut Suite<'_>) -> Result<(), Failure> {
    let environment = Environment::with_every_database(suite.runner, false)?;
    println!("{}", environment.describe());
    suite.environment = Some(environment);
    Ok(())
}

fn diesel_cli(suite: &mut Suite<'_>) -> Result<(), Failure> {
    let program = diesel::install(suite.runner)?;
    println!("{}", program.display());
    suite.diesel = Some(program);
    Ok(())
}

fn test(suite: &mut Suite<'_>) -> Result<(), Failure> {
    // All failures at once are worth more than the first of them: a run takes minutes.
    let mut command = suite.runner.cargo(["test", "--workspace", "--all-features", "--no-fail-fast"]);
    // A snapshot that has changed is to fail, and not to be written.
    command.env("INSTA_UPDATE", "no");
    if let Some(environment) = &suite.environment {
        environment.apply(&mut command);
    }
    if let Some(diesel) = &suite.diesel {
        command.env("DIESEL_BIN", diesel);
    }
    suite.run(&mut command)
}

fn doc(suite: &mut Suite<'_>) -> Result<(), Failure> {
    let mut command = suite.runner.cargo(["doc", "--workspace", "--all-features", "--no-deps"]);
    suite.run(command.env("RUSTDOCFLAGS", "--deny warnings"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(only: &[&str]) -> Vec<&'static str> {
        STEPS.iter().filter(|step| is_wanted(step, only)).map(|step| step.name).collect()
    }

    #[test]
    fn a_step_alone_brings_what_it_needs() {
        assert_eq!(wanted(&["tidy"]), ["tidy"]);
        assert_eq!(wanted(&["test"]), ["install", "servers", "diesel", "test"]);
        assert_eq!(wanted(&["tidy", "fmt"]), ["fmt", "tidy"]);
        assert_eq!(wanted(&[]).join(", "), names());
    }

    #[test]
    fn a_step_needs_only_steps_before_it() {
        for (index, step) in STEPS.iter().enumerate() {
            for name in step.after {
                assert!(STEPS[..index].iter().any(|earlier| earlier.name == *name), "{} needs {name}", step.name);
            }
        }
    }
}
