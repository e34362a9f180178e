use std::{thread, time::Duration};

use diesel::connection::SimpleConnection;
use larder::{Larder, sqlite::Settings};
use tempfile::TempDir;

use crate::models::{NewOrder, NewUser, Order, TABLES, User, UserChanges, orders};

const THREADS: i64 = 8;
const ROUNDS: i64 = 40;

#[test]
fn several_threads_read_and_write_and_none_finds_the_database_locked() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("shop.sqlite");
    let larder = larder::embedded(&path).unwrap().build();
    // Beside the repositories: a connection is one of the application's too.
    Settings::default().pool(&path, 1).unwrap().get().unwrap().batch_execute(TABLES).unwrap();
    let work = |larder: &Larder<_>, id: i64| -> larder::Result<()> {
        User::repository(larder).insert(&NewUser { id, email: format!("{id}@x"), name: "N".into() })?;
        for n in 0..ROUNDS {
            larder.transaction(|tx| {
                // Reads first: what then wants to write must have waited already.
                let name = User::repository(tx).get(id)?.name;
                let order = NewOrder { id: id * ROUNDS + n, user_id: id, status: "paid", total: n };
                Order::repository(tx).insert(&order)?;
                User::repository(tx).update(id, &UserChanges { email: None, name: Some(&format!("{name}{n}")) })
            })?;
            let (user, orders) = User::repository(larder).with(User::orders()).find(id)?.expect("it was inserted");
            assert!(user.name.ends_with(&n.to_string()), "{}", user.name);
            assert_eq!(orders.len(), usize::try_from(n).unwrap() + 1);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|id| {
                scope.spawn({
                    let larder = &larder;
                    move || work(larder, id)
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap().unwrap();
        }
    });
    let all = Order::repository(&larder).query(|query| query).unwrap();
    assert_eq!(i64::try_from(all.len()).unwrap(), THREADS * ROUNDS);
}

#[test]
fn a_reference_to_nothing_is_refused_and_a_deletion_cascades() {
    use diesel::prelude::*;

    let folder = TempDir::new().unwrap();
    let path = folder.path().join("shop.sqlite");
    let larder = larder::embedded(&path).unwrap().build();
    let pool = Settings::default().busy_timeout(Duration::from_secs(5)).pool(&path, 1).unwrap();
    pool.get().unwrap().batch_execute(TABLES).unwrap();
    assert!(Order::repository(&larder).insert(&NewOrder { id: 1, user_id: 9, status: "paid", total: 1 }).is_err());
    User::repository(&larder).insert(&NewUser { id: 9, email: "9@x".into(), name: "N".into() }).unwrap();
    Order::repository(&larder).insert(&NewOrder { id: 1, user_id: 9, status: "paid", total: 1 }).unwrap();
    User::repository(&larder).delete(9).unwrap();
    assert_eq!(orders::table.count().get_result::<i64>(&mut pool.get().unwrap()), Ok(0));
}
