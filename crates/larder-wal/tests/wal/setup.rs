//! The SQL of the migration.

use diesel::connection::SimpleConnection as _;
use larder_wal::setup;
use tests::{EMPTY, eventually};

use super::world::{LONG, World, models};

#[test]
fn the_publication_goes_up_and_down_and_up_again() {
    let world = World::new();
    let connection = &mut world.connect();
    let found = || {
        world.psql(
            "SELECT string_agg(tablename || ' ' || relreplident::text, ', ' ORDER BY tablename)
             FROM pg_publication_tables JOIN pg_class ON relname = tablename",
        )
    };
    for _ in 0..2 {
        connection.batch_execute(&setup::up(&models(), "larder")).unwrap();
        // The pages' only key is the primary one, which is in the log anyway.
        assert_eq!(found(), "authors f, books f, pages d");
    }
    drop(world.follow());
    // The server hears of the follower's end a little later.
    eventually(LONG, || connection.batch_execute(&setup::down(&models(), "larder", world.slot())).is_ok());
    for _ in 0..2 {
        connection.batch_execute(&setup::down(&models(), "larder", world.slot())).unwrap();
        assert_eq!(found(), "");
    }
    assert_eq!(
        world.psql(&format!("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{}'", world.slot())),
        "0"
    );
    assert_eq!(
        world.psql("SELECT count(*) FROM pg_class WHERE relname IN ('authors', 'books') AND relreplident = 'f'"),
        "0"
    );
    connection.batch_execute(&setup::up(&models(), "larder")).unwrap();
    assert_eq!(found(), "authors f, books f, pages d");
}

#[test]
fn a_server_without_a_logical_log_is_told_of() {
    let database = EMPTY.database();
    let world = World::new();
    let follower = larder_wal::Follower::builder(database.url(), world.store.clone(), models()).start().unwrap();
    eventually(LONG, || {
        follower.status().last_error.is_some_and(|error| error == "wal_level is replica, and has to be logical")
    });
}
