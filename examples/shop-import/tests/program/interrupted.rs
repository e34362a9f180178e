//! Imports that end in the middle, and are started again.

use diesel::{prelude::*, sql_query, sql_types::Bool};
use shop_core::schema::{order_items, orders, users};
use shop_import::{figures::Figures, verify};
use tests::{Database, EMPTY};

use crate::command::{Running, eventually, history, run};

const WAITS: &str = "
    SELECT EXISTS (
        SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
        WHERE datname = current_database() AND relation = 'order_items'::regclass AND NOT granted
    ) AS waits";

#[derive(QueryableByName)]
struct Waits {
    #[diesel(sql_type = Bool)]
    waits: bool,
}

/// Starts an import and holds it in the middle of a batch, users and orders written and items not, while `meanwhile` runs.
fn in_the_middle_of_a_batch(database: &Database, meanwhile: impl FnOnce(&mut Running)) -> Running {
    let (holder, watcher) = (&mut database.connect(), &mut database.connect());
    shop_core::migrate(holder).unwrap();
    let mut import = Running::start(database, &["--batch", "100"]);
    eventually("some batches are in", || orders::table.count().get_result::<i64>(watcher).unwrap() >= 1_000);
    holder
        .transaction(|holder| {
            sql_query("LOCK TABLE order_items IN EXCLUSIVE MODE").execute(holder)?;
            eventually("the import waits for the lock", || {
                sql_query(WAITS).get_result::<Waits>(watcher).unwrap().waits
            });
            meanwhile(&mut import);
            QueryResult::Ok(())
        })
        .unwrap();
    import
}

/// Everybody in the database has orders, every order its item, and there are some but not all.
fn assert_whole_batches(connection: &mut PgConnection) {
    let figures = verify::in_database(connection).unwrap();
    assert!((1_000..Figures::published().n_orders).contains(&figures.n_orders), "{figures:?}");
    assert_eq!(figures.n_orders, figures.n_items);
    let without_orders = users::table.left_join(orders::table).filter(orders::id.is_null()).count();
    assert_eq!(without_orders.get_result::<i64>(connection), Ok(0));
    let without_items =
        orders::table.left_join(order_items::table).filter(order_items::order_id.nullable().is_null()).count();
    assert_eq!(without_items.get_result::<i64>(connection), Ok(0));
}

fn assert_goes_on(database: &Database) {
    let connection = &mut database.connect();
    let before = verify::in_database(connection).unwrap();
    let again = run(database, &history(), &[]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(verify::in_database(connection), Ok(Figures::published()));
    let n_new = shop_import::report::grouped(Figures::published().n_orders - before.n_orders);
    assert!(again.stdout.contains(&format!(" and {n_new} orders were new.")), "{again:?}");
}

#[test]
fn a_killed_import_leaves_whole_batches_and_goes_on() {
    let database = EMPTY.database();
    let killed = in_the_middle_of_a_batch(&database, |import| {
        import.signal("KILL");
        eventually("the import is dead", || import.has_ended());
        // Before the server may go on with what it was sent.
        assert_whole_batches(&mut database.connect());
    });
    assert_eq!(killed.wait().code, None);
    assert_goes_on(&database);
}

#[test]
fn ctrl_c_lets_the_batch_end_and_stops() {
    let database = EMPTY.database();
    let stopped = in_the_middle_of_a_batch(&database, |import| import.signal("INT")).wait();
    assert_eq!(stopped.code, Some(130), "{stopped:?}");
    assert!(stopped.stdout.ends_with("Stopped. Whole batches are in; start it again to go on.\n"), "{stopped:?}");
    assert_whole_batches(&mut database.connect());
    assert_goes_on(&database);
}

#[test]
fn a_second_ctrl_c_stops_at_once() {
    let database = EMPTY.database();
    let stopped = in_the_middle_of_a_batch(&database, |import| {
        eventually("the import stops while its batch is held", || {
            // More than two, since a signal that comes before the last was taken is lost.
            import.signal("INT");
            import.has_ended()
        });
        assert_whole_batches(&mut database.connect());
    });
    assert_eq!(stopped.wait().code, Some(130));
    assert_goes_on(&database);
}
