//! larder in five minutes: a SQLite file, a store in this process, and every statement and store command on the screen.
//!
//! `cargo run -p quickstart`

#![expect(clippy::print_stdout, reason = "a program that shows things")]

mod models;
mod watch;

use std::{error::Error, fs, path::PathBuf};

use diesel::{
    QueryDsl as _, SqliteConnection,
    connection::SimpleConnection as _,
    r2d2::{ConnectionManager, Pool},
    sqlite::Sqlite,
};
use larder::{Larder, MemoryStore, store::Watched};

use self::{
    models::{Card, Name, NewOrder, NewUser, Order, TABLES, User, UserChanges, users},
    watch::{WatchedConnections, watch_store},
};

fn main() -> Result<(), Box<dyn Error>> {
    let file = File::new();
    let pool = Pool::builder()
        .max_size(4)
        .min_idle(Some(0))
        .test_on_check_out(false)
        .connection_customizer(Box::new(WatchedConnections))
        .build(ConnectionManager::<SqliteConnection>::new(file.name()))?;
    heading(&format!("a database in {}", file.name()));
    pool.get()?.batch_execute(TABLES)?;

    // By default a thread stores what was loaded; here the caller does, so that each line stands where it belongs.
    let larder: Larder<Sqlite> =
        Larder::builder(pool).shared(Watched::new(MemoryStore::new(), watch_store)).fill_in_background(false).build();
    let (ada, grace) = stock(&larder)?;
    let users = User::repository(&larder);

    heading("find, written through by the insertion: warm from the start");
    println!("    {:?}", users.find(ada)?);
    heading("find of somebody who is not there, cold: a lease, one statement, a fill");
    println!("    {:?}", users.find(99)?);
    heading("the same, warm: that there is nobody is remembered, until somebody is inserted");
    println!("    {:?}", users.find(99)?);

    let orders = Order::repository(&larder);
    heading("a list by an access pattern, cold");
    println!("    {:?}", orders.list_by_user_id_and_status(ada, "paid").limit(2).load()?);
    heading("the same, warm");
    println!("    {:?}", orders.list_by_user_id_and_status(ada, "paid").limit(2).load()?);

    heading("users with their orders, cold: one statement a level, however many users");
    let pages: Vec<Option<(User, Vec<Order>)>> = users.with(User::orders()).find_many(&[ada, grace, 99])?;
    println!("    {pages:?}");
    heading("the same, warm");
    User::repository(&larder).with(User::orders()).find_many(&[ada, grace, 99])?;

    heading("a view: some columns, the dearest order of each, and how many there are");
    for card in User::repository(&larder).select::<Card>().find_many(&[ada, grace])?.into_iter().flatten() {
        println!("    {card:?}");
    }
    heading("columns only: answered by narrowing cached rows, and where there are none by a SELECT of just these");
    println!("    {:?}", User::repository(&larder).select::<Name>().find_many(&[ada, grace])?);
    println!("    {:?}", User::repository(&larder).select::<Name>().query(|query| query.order(users::name))?);

    heading("an update: marked before COMMIT, written through after it");
    let users = User::repository(&larder);
    users.update(ada, &UserChanges { email: Some("countess@example.com"), ..UserChanges::default() })?;
    heading("and everybody sees it: the new address finds her, the old one nobody, and both without a statement");
    println!("    {:?}", users.find_by_email("countess@example.com")?);
    println!("    {:?}", users.find_by_email("ada@example.com")?);

    heading("a rollback: the store hears nothing");
    let refused: larder::Result<()> = larder.transaction(|tx| {
        User::repository(tx).update(ada, &UserChanges { name: Some("Nobody"), ..UserChanges::default() })?;
        println!("    in the transaction: {:?}", User::repository(tx).get(ada)?.name);
        Err(larder::Error::other("thought better of it"))
    });
    println!("    {refused:?}");
    println!("    afterwards: {:?}", User::repository(&larder).get(ada)?.name);

    heading("a deletion takes the orders along, in the caches too");
    users.delete(ada)?;
    println!("    {:?}", orders.list_by_user_id(ada).load()?);
    Ok(())
}

/// Two users and their orders, in one transaction.
fn stock(larder: &Larder<Sqlite>) -> larder::Result<(i64, i64)> {
    heading("two users and their orders, in one transaction");
    larder.transaction(|tx| {
        let users = User::repository(tx);
        let ada = users.insert(&NewUser { email: "ada@example.com", name: "Ada" })?;
        let grace = users.insert(&NewUser { email: "grace@example.com", name: "Grace" })?;
        let orders = [(ada.id, "paid", 1200), (ada.id, "paid", 990), (ada.id, "pending", 50), (grace.id, "paid", 300)];
        for (user_id, status, cents) in orders {
            Order::repository(tx).insert(&NewOrder { user_id, status, cents })?;
        }
        Ok((ada.id, grace.id))
    })
}

fn heading(text: &str) {
    println!("\n== {text}");
}

/// A database file that goes when the program ends.
struct File {
    path: PathBuf,
}

impl File {
    fn new() -> Self {
        let file = Self { path: std::env::temp_dir().join(format!("larder-quickstart-{}.sqlite", std::process::id())) };
        file.remove();
        file
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn remove(&self) {
        for ending in ["", "-wal", "-shm"] {
            // One that is not there need not be removed.
            let _ = fs::remove_file(format!("{}{ending}", self.path.display()));
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.remove();
    }
}
