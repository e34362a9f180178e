//! The commands that need no models.

use std::process::ExitCode;

fn main() -> ExitCode {
    larder_cli::main_without_models()
}
