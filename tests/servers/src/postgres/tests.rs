use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::Output,
};

use super::*;

#[test]
fn what_was_committed_outlives_a_kill() -> Result<(), Error> {
    let mut postgres = Postgres::start(quick())?;
    let port = postgres.port();
    sql(&postgres, "CREATE TABLE t (x int); INSERT INTO t VALUES (7)");
    let pid = postgres.pid().unwrap();
    assert!(!children(pid)?.is_empty());
    let memory = fs::read_to_string(postgres.daemon.directory().join("data/postmaster.pid")).unwrap();
    let memory = memory.lines().nth(6).unwrap().split_whitespace().nth(1).unwrap().to_owned();
    assert!(segments().contains(&memory));
    postgres.kill()?;
    assert!(!segments().contains(&memory));
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    assert!(children(pid)?.is_empty());
    postgres.restart()?;
    assert_eq!(sql(&postgres, "SELECT x FROM t"), "7\n");
    postgres.stop()?;
    postgres.restart()?;
    assert_eq!(sql(&postgres, "SELECT x FROM t"), "7\n");
    Ok(())
}

#[test]
fn settings_are_followed() -> Result<(), Error> {
    let settings = vec![("max_connections".to_owned(), "17".to_owned())];
    let postgres = Postgres::start(PostgresOptions { settings, ..quick() })?;
    assert_eq!(sql(&postgres, "SHOW fsync"), "off\n");
    assert_eq!(sql(&postgres, "SHOW max_connections"), "17\n");
    Ok(())
}

#[test]
fn somebody_else_on_the_port_is_told_from_other_failures() -> Result<(), Error> {
    let mut postgres = Postgres::start(quick())?;
    postgres.stop()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, postgres.port())).unwrap();
    let error = postgres.restart().unwrap_err();
    assert!(error.is_port_taken(), "{error}");
    drop(listener);
    postgres.restart()
}

#[test]
fn a_frozen_server_can_be_dropped() -> Result<(), Error> {
    let postgres = Postgres::start(PostgresOptions::default())?;
    assert_eq!(sql(&postgres, "SHOW fsync"), "on\n");
    let (pid, directory) = (postgres.pid().unwrap(), postgres.daemon.directory().to_owned());
    postgres.pause()?;
    drop(postgres);
    wait_gone("postgres", &[pid])?;
    assert!(!directory.exists());
    Ok(())
}

#[test]
fn only_the_running_process_counts_as_ready() {
    let file = "42\n/data\n1700000000\n5432\n/tmp\n127.0.0.1\n  1234 5\nready   \n";
    assert!(says_ready(file, 42));
    assert!(!says_ready(file, 4));
    assert!(!says_ready(&file.replace("ready   ", "starting"), 42));
    assert!(!says_ready("42\n/data\n", 42));
}

fn quick() -> PostgresOptions {
    PostgresOptions { durable: false, ..PostgresOptions::default() }
}

/// The ids of the System V memory of the whole machine.
fn segments() -> Vec<String> {
    let output = Command::new("ipcs").arg("-m").output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    table.lines().filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect()
}

fn sql(server: &Postgres, statements: &str) -> String {
    let Output { status, stdout, stderr } = Command::new("psql")
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--command", statements, &server.url()])
        .output()
        .unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}
