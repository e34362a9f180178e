use std::{net::TcpListener, process::Output};

use super::*;

#[test]
fn what_was_committed_outlives_a_kill() -> Result<(), Error> {
    let mut mariadb = MariaDb::start(quick())?;
    let (port, pid) = (mariadb.port(), mariadb.pid());
    sql(&mariadb, "CREATE TABLE t (x int); INSERT INTO t VALUES (7)");
    mariadb.kill()?;
    assert_eq!(mariadb.pid(), None);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    mariadb.restart()?;
    assert_eq!(mariadb.port(), port);
    assert_ne!(mariadb.pid(), pid);
    assert_eq!(sql(&mariadb, "SELECT x FROM t"), "7\n");
    mariadb.stop()?;
    mariadb.restart()?;
    assert_eq!(sql(&mariadb, "SELECT x FROM t"), "7\n");
    Ok(())
}

#[test]
fn settings_are_followed() -> Result<(), Error> {
    let settings = vec![("max-connections".to_owned(), "17".to_owned())];
    let mariadb = MariaDb::start(MariaDbOptions { settings, ..quick() })?;
    let asked = "SELECT @@innodb_flush_log_at_trx_commit, @@max_connections, @@time_zone, @@character_set_server";
    assert_eq!(sql(&mariadb, asked), "2\t17\t+00:00\tutf8mb4\n");
    Ok(())
}

#[test]
fn somebody_else_on_the_port_is_told_from_other_failures() -> Result<(), Error> {
    let mut mariadb = MariaDb::start(quick())?;
    mariadb.stop()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, mariadb.port())).unwrap();
    let error = mariadb.restart().unwrap_err();
    assert!(error.is_port_taken(), "{error}");
    drop(listener);
    mariadb.restart()
}

#[test]
fn a_frozen_server_does_not_answer_and_can_be_dropped() -> Result<(), Error> {
    let mariadb = MariaDb::start(MariaDbOptions::default())?;
    assert_eq!(sql(&mariadb, "SELECT @@innodb_flush_log_at_trx_commit"), "1\n");
    let (port, directory) = (mariadb.port(), mariadb.daemon.directory().to_owned());
    mariadb.pause()?;
    assert!(!greets(port));
    mariadb.resume()?;
    assert!(greets(port));
    mariadb.pause()?;
    drop(mariadb);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    assert!(!directory.exists());
    Ok(())
}

fn quick() -> MariaDbOptions {
    MariaDbOptions { durable: false, ..MariaDbOptions::default() }
}

fn sql(server: &MariaDb, statements: &str) -> String {
    let Output { status, stdout, stderr } = Command::new("mariadb")
        .args(["--no-defaults", "--user=root", "--host=127.0.0.1", "--protocol=tcp", "--skip-column-names", "--batch"])
        .args([&format!("--port={}", server.port), "--execute", statements, "larder"])
        .output()
        .unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}
