//! `larder init` on a PostgreSQL database of fifty tables and more: what it writes is compiled as it is, and asked.

#![expect(clippy::unwrap_used, reason = "a test has no other way to fail")]

mod diesel_cli;
#[cfg(feature = "mysql")]
mod mariadb;
#[cfg(feature = "sqlite")]
mod sqlite;
mod written;

use std::{
    path::Path,
    process::{Command, Output},
};

use diesel::connection::SimpleConnection as _;
use tests::Template;

/// The tables of a business.
static BUSINESS: Template = Template::new("business", |connection| {
    connection.batch_execute(include_str!("business.sql")).unwrap();
});

/// Runs `larder init`.
fn init(url: &str, folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_larder"))
        .args(["init", "--database-url", url])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
