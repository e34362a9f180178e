//! A process that ends in the middle of a transaction.

use std::{
    env,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use diesel::{ExpressionMethods as _, connection::SimpleConnection as _};
use larder::Repository;
use tempfile::TempDir;

use crate::site::Db;

diesel::table! { counts (id) { id -> BigInt, n -> BigInt, } }

#[derive(Debug, Clone, PartialEq, diesel::Queryable, diesel::Selectable, diesel::Identifiable, Repository)]
#[diesel(table_name = counts, check_for_backend(Db))]
struct Counted {
    id: i64,
    n: i64,
}

/// Says to a run of this program which file to write, and never to commit.
const FILE: &str = "LARDER_TESTS_FILE";

#[test]
fn a_process_that_is_killed_takes_its_transaction_along() {
    if let Some(path) = env::var_os(FILE) {
        let larder = larder::embedded(path).unwrap().build();
        let _ = larder.transaction(|tx| {
            Counted::repository(tx).update(1, counts::n.eq(2))?;
            println!("\nwritten");
            loop {
                thread::park();
            }
            #[expect(unreachable_code, reason = "it says what type the closure has")]
            Ok(())
        });
        return;
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("counts.sqlite");
    let larder = larder::embedded(&path).unwrap().build();
    larder
        .transaction(|tx| {
            tx.run(|connection| {
                connection.batch_execute(
                    "CREATE TABLE counts (id BIGINT PRIMARY KEY, n BIGINT NOT NULL); INSERT INTO counts VALUES (1, 1)",
                )
            })
        })
        .unwrap();
    let mut other = Command::new(env::current_exe().unwrap());
    other.args(["--exact", "sqlite::killed::a_process_that_is_killed_takes_its_transaction_along", "--nocapture"]);
    let mut other = other.env(FILE, &path).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "written"));
    other.kill().unwrap();
    other.wait().unwrap();
    // Nobody has to wait for it, or to clear up after it.
    let begun = std::time::Instant::now();
    let counted = Counted::repository(&larder).update(1, counts::n.eq(counts::n + 10)).unwrap();
    assert_eq!(counted.n, 11);
    assert!(begun.elapsed() < Duration::from_secs(20), "the busy time-out is 30 seconds");
}
