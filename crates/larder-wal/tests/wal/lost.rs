//! What is restarted, lost or away loses no change.

use larder::store::Operation;
use larder_wal::Error;
use tests::{Failure, eventually};

use super::world::{LONG, World, server, server_with, until};

#[test]
fn what_was_changed_while_nobody_followed_is_seen_afterwards() {
    let world = World::new();
    let follower = world.follow();
    assert_eq!(follower.status().n_fresh_starts, 1);
    drop(follower);
    world.warm();
    let _ = world.psql("DELETE FROM authors WHERE id = 1");
    let follower = world.follow();
    world.is_seen();
    assert_eq!(follower.status().n_fresh_starts, 0);
}

#[test]
fn a_server_that_was_killed_is_followed_again() {
    let world = World::on(server());
    let follower = world.follow();
    world.warm();
    for round in 0..3 {
        let _ =
            world.psql(&format!("UPDATE books SET title = title || '{round}'; UPDATE pages SET number = number + 10"));
        world.server().kill();
        until(&follower, |status| !status.is_following);
        world.server().restart();
        world.is_seen();
    }
    assert_eq!(follower.status().n_fresh_starts, 1);
}

#[test]
fn what_the_store_could_not_be_told_is_told_when_it_is_back() {
    let world = World::new();
    let follower = world.follow();
    world.warm();
    world.faults.before(Operation::Settle).fail(Failure::Unavailable);
    let _ = world.psql("DELETE FROM authors WHERE id = 1");
    until(&follower, |status| status.last_error.is_some());
    world.faults.clear();
    world.is_seen();
    assert_eq!(follower.status().n_fresh_starts, 1);
}

#[test]
fn the_log_is_let_go_only_when_the_store_has_answered() {
    let world = World::on(server());
    let _follower = world.follow();
    world.warm();
    let gate = world.faults.before(Operation::Settle).hold();
    // The log just before its COMMIT.
    let change = world.psql("BEGIN; DELETE FROM authors WHERE id = 1; SELECT pg_current_wal_insert_lsn(); COMMIT");
    gate.wait_for(1);
    // The server is told once a second how far the follower is, and it was told more than once since.
    let of_slot = |what: &str| {
        world.psql(&format!(
            "SELECT {what} FROM pg_replication_slots AS s JOIN pg_stat_replication AS r ON r.pid = s.active_pid
             WHERE s.slot_name = '{}'",
            world.slot()
        ))
    };
    for _ in 0..2 {
        let before = of_slot("r.reply_time");
        eventually(LONG, || of_slot("r.reply_time") != before);
    }
    let is_let_go = || of_slot(&format!("s.confirmed_flush_lsn > '{change}'")) == "t";
    assert!(!is_let_go());
    gate.open();
    eventually(LONG, is_let_go);
    world.is_seen();
}

#[test]
fn a_backlog_is_worked_off_as_long_as_the_store_answers() {
    let world = World::new();
    drop(world.follow());
    world.warm();
    let _ = world.psql(
        "UPDATE books SET author_id = 2; INSERT INTO pages SELECT 10, g, repeat('x', 100) FROM generate_series(3, 20000) AS g",
    );
    let follower = world.builder().retain_at_most(1 << 20).start().unwrap();
    world.is_seen();
    assert_eq!(follower.status().n_fresh_starts, 0);
}

#[test]
fn a_slot_that_was_dropped_is_made_anew_and_everything_settled() {
    let world = World::new();
    drop(world.follow());
    world.warm();
    let _ = world.psql("UPDATE books SET author_id = 2; DELETE FROM pages");
    let _ = world.psql(&format!("SELECT pg_drop_replication_slot('{}')", world.slot()));
    let follower = world.follow();
    world.is_seen();
    assert_eq!(follower.status().n_fresh_starts, 1);
}

#[test]
fn a_slot_whose_log_the_server_has_removed_is_made_anew() {
    let world = World::on(server_with(&[("max_slot_wal_keep_size", "1MB")]));
    drop(world.follow());
    world.warm();
    let _ = world.psql("UPDATE books SET author_id = 2");
    let fate = format!("SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{}'", world.slot());
    eventually(LONG, || {
        let _ = world.psql("UPDATE pages SET words = words || '.'; SELECT pg_switch_wal()");
        let _ = world.psql("CHECKPOINT");
        world.psql(&fate) == "lost"
    });
    let follower = world.follow();
    world.is_seen();
    assert_eq!(follower.status().n_fresh_starts, 1);
}

#[test]
fn a_fresh_start_that_was_cut_short_is_made_again() {
    let world = World::new();
    world.warm();
    let _ = world.psql("UPDATE books SET author_id = 2");
    world.faults.before(Operation::Settle).fail(Failure::Unavailable);
    let follower = world.builder().start().unwrap();
    until(&follower, |status| status.last_error.is_some());
    // Nobody finds a slot and takes what was before it for settled.
    drop(follower);
    assert_eq!(
        world.psql(&format!("SELECT count(*) FROM pg_replication_slots WHERE slot_name ~ '^{}'", world.slot())),
        "0"
    );
    world.faults.clear();
    let follower = world.follow();
    world.is_seen();
    assert_eq!(follower.status().n_fresh_starts, 1);
}

#[test]
fn a_slot_that_keeps_too_much_is_given_up_and_nothing_is_lost() {
    let world = World::new();
    let follower = world.builder().retain_at_most(1 << 20).start().unwrap();
    until(&follower, |status| status.is_following);
    world.warm();
    world.faults.everywhere().fail(Failure::Unavailable);
    let _ = world.psql("UPDATE books SET author_id = 2; INSERT INTO pages SELECT 10, g, repeat('x', 100) FROM generate_series(3, 20000) AS g");
    let n_slots =
        || world.psql(&format!("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{}'", world.slot()));
    eventually(LONG, || n_slots() == "0");
    let _ = world.psql("DELETE FROM pages");
    world.faults.clear();
    world.is_seen();
    until(&follower, |status| status.n_fresh_starts == 2 && status.retained_bytes.is_some_and(|bytes| bytes < 1 << 20));
}

#[test]
fn one_of_two_followers_follows_and_the_other_takes_over() {
    let world = World::new();
    let first = world.follow();
    let second = world.builder().start().unwrap();
    until(&second, |status| status.last_error.is_some());
    assert!(first.status().is_following && !second.status().is_following);
    drop(first);
    until(&second, |status| status.is_following);
    world.warm();
    let _ = world.psql("DELETE FROM books");
    world.is_seen();
}

#[test]
fn the_log_of_other_tables_is_let_go() {
    let world = World::new();
    let follower = world.follow();
    let _ =
        world.psql("CREATE TABLE other AS SELECT g, repeat('x', 1000) FROM generate_series(1, 20000) AS g; CHECKPOINT");
    let kept = || {
        let kept = world.psql(&format!(
            "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint FROM pg_replication_slots WHERE slot_name = '{}'",
            world.slot()
        ));
        kept.parse::<i64>().unwrap()
    };
    eventually(LONG, || kept() < 1 << 20);
    assert!(follower.status().is_following);
}

#[test]
fn a_url_of_something_else_is_refused_at_once() {
    let world = World::new();
    let builder = larder_wal::Follower::builder("redis://localhost", world.store, super::world::models());
    assert!(matches!(builder.start(), Err(Error::Url { .. })));
}
