use std::process::Command;

/// Runs statements in `psql`, as somebody types them who knows nothing of larder, and gives what it prints: a row a line, with `|`
/// between columns.
///
/// # Panics
/// If `psql` isn't installed, or a statement fails.
#[track_caller]
#[must_use]
pub fn psql(url: &str, statements: &str) -> String {
    let mut command = Command::new("psql");
    command.args([url, "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]);
    let output = command.arg("--command").arg(statements).output();
    let output = output.unwrap_or_else(|error| panic!("psql can't be run, postgresql-client has it: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "psql: {errors}");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}
