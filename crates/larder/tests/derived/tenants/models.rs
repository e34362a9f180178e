//! Tables that several tenants share, each of whose rows belongs to one of them.

use std::sync::Arc;

use diesel::{
    connection::SimpleConnection,
    prelude::*,
    r2d2::{ConnectionManager, Pool},
    sqlite::Sqlite,
};
use larder::{Larder, MemoryStore, NearOptions, Repository, View, store::Store};
use tempfile::TempDir;

diesel::table! { countries (code) { code -> Text, name -> Text, } }
diesel::table! { customers (org, id) { org -> BigInt, id -> BigInt, email -> Text, country -> Nullable<Text>, } }
diesel::table! { orders (org, id) { org -> BigInt, id -> BigInt, customer_id -> BigInt, status -> Text, total -> BigInt, } }
diesel::table! { tags (org, id) { org -> BigInt, id -> BigInt, label -> Text, } }
diesel::table! { taggings (org, order_id, tag_id) { org -> BigInt, order_id -> BigInt, tag_id -> BigInt, } }
diesel::table! { notes (org, id) { org -> BigInt, id -> BigInt, text -> Text, gone_at -> Nullable<Timestamp>, } }
diesel::table! { settings (org) { org -> BigInt, theme -> Text, } }

const TABLES: &str = "
    CREATE TABLE countries (code TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL);
    CREATE TABLE customers (
        org BIGINT NOT NULL, id BIGINT NOT NULL, email TEXT NOT NULL, country TEXT REFERENCES countries,
        PRIMARY KEY (org, id), UNIQUE (org, email)
    );
    CREATE TABLE orders (
        org BIGINT NOT NULL, id BIGINT NOT NULL, customer_id BIGINT NOT NULL, status TEXT NOT NULL, total BIGINT NOT NULL,
        PRIMARY KEY (org, id), FOREIGN KEY (org, customer_id) REFERENCES customers ON DELETE CASCADE
    );
    CREATE TABLE tags (org BIGINT NOT NULL, id BIGINT NOT NULL, label TEXT NOT NULL, PRIMARY KEY (org, id));
    CREATE TABLE taggings (
        org BIGINT NOT NULL, order_id BIGINT NOT NULL, tag_id BIGINT NOT NULL, PRIMARY KEY (org, order_id, tag_id)
    );
    CREATE TABLE notes (
        org BIGINT NOT NULL, id BIGINT NOT NULL, text TEXT NOT NULL, gone_at TIMESTAMP, PRIMARY KEY (org, id)
    );
    CREATE TABLE settings (org BIGINT PRIMARY KEY NOT NULL, theme TEXT NOT NULL);
";

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Repository)]
#[diesel(table_name = countries, primary_key(code), check_for_backend(Sqlite))]
pub(crate) struct Country {
    pub(crate) code: String,
    pub(crate) name: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Repository)]
#[diesel(table_name = customers, primary_key(org, id), check_for_backend(Sqlite))]
#[larder(tenant = org, unique(email), has_many(orders: Order, on_delete = cascade))]
#[larder(belongs_to(country: Country, foreign_key = country, common))]
pub(crate) struct Customer {
    pub(crate) org: i64,
    pub(crate) id: i64,
    pub(crate) email: String,
    pub(crate) country: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Repository)]
#[diesel(table_name = orders, primary_key(org, id), check_for_backend(Sqlite))]
#[larder(tenant = org, index(status; order = total.desc()), belongs_to(customer: Customer), index(org))]
#[larder(many_to_many(tags: Tag, through = Tagging))]
pub(crate) struct Order {
    pub(crate) org: i64,
    pub(crate) id: i64,
    pub(crate) customer_id: i64,
    pub(crate) status: String,
    pub(crate) total: i64,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Repository)]
#[diesel(table_name = tags, primary_key(org, id), check_for_backend(Sqlite))]
#[larder(tenant = org)]
pub(crate) struct Tag {
    pub(crate) org: i64,
    pub(crate) id: i64,
    pub(crate) label: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Repository)]
#[diesel(table_name = taggings, primary_key(org, order_id, tag_id), check_for_backend(Sqlite))]
#[larder(tenant = org, belongs_to(order: Order), belongs_to(tag: Tag))]
pub(crate) struct Tagging {
    pub(crate) org: i64,
    pub(crate) order_id: i64,
    pub(crate) tag_id: i64,
}

/// Notes stay when they are deleted.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Repository)]
#[diesel(table_name = notes, primary_key(org, id), check_for_backend(Sqlite))]
#[larder(tenant = org, soft_delete = gone_at)]
pub(crate) struct Note {
    pub(crate) org: i64,
    pub(crate) id: i64,
    pub(crate) text: String,
    pub(crate) gone_at: Option<chrono::NaiveDateTime>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Repository)]
#[diesel(table_name = settings, primary_key(org), check_for_backend(Sqlite))]
#[larder(tenant = org)]
pub(crate) struct Setting {
    pub(crate) org: i64,
    pub(crate) theme: String,
}

/// A view in which the tenant does not stand.
#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = Order)]
pub(crate) struct Total {
    pub(crate) total: i64,
}

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = Customer)]
pub(crate) struct Card {
    pub(crate) email: String,
    #[larder(with = orders, filter = total.gt(0).or(total.le(0)), order = total.desc())]
    pub(crate) totals: Vec<Total>,
    #[larder(count = orders)]
    pub(crate) n_orders: i64,
    #[larder(with = country)]
    pub(crate) country: Option<Country>,
}

#[derive(AsChangeset, Clone, Default)]
#[diesel(table_name = orders, primary_key(id))]
pub(crate) struct OrderChanges {
    pub(crate) org: Option<i64>,
    pub(crate) status: Option<&'static str>,
    pub(crate) total: Option<i64>,
}

pub(crate) struct Shop {
    pub(crate) larder: Larder<Sqlite>,
    pub(crate) pool: Pool<ConnectionManager<SqliteConnection>>,
    store: Arc<dyn Store>,
    _folder: TempDir,
}

impl Shop {
    /// Tenants 1 and 2, who have the same ids for everything: customers 1 and 2 each, and orders 1 to 3, whose totals tell whose they are.
    pub(crate) fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("shop.sqlite").to_str().unwrap().to_owned();
        let pool = Pool::builder().max_size(4).build(ConnectionManager::new(path)).unwrap();
        let connection: &mut SqliteConnection = &mut pool.get().unwrap();
        connection.batch_execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF").unwrap();
        connection.batch_execute(TABLES).unwrap();
        connection.batch_execute("INSERT INTO countries VALUES ('at', 'Austria'), ('ch', 'Switzerland');").unwrap();
        for org in [1, 2] {
            connection
                .batch_execute(&format!(
                    "INSERT INTO customers VALUES ({org}, 1, 'ada@x', 'at'), ({org}, 2, 'bob@x', NULL);
                     INSERT INTO orders VALUES ({org}, 1, 1, 'paid', {org}01), ({org}, 2, 1, 'open', {org}02),
                         ({org}, 3, 2, 'paid', {org}03);
                     INSERT INTO tags VALUES ({org}, 1, 'tag of {org}');
                     INSERT INTO taggings VALUES ({org}, 1, 1);
                     INSERT INTO settings VALUES ({org}, 'theme of {org}');"
                ))
                .unwrap();
        }
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let larder = handle(&pool, &store);
        Self { larder, pool, store, _folder: folder }
    }

    /// Another handle on the same database and store.
    pub(crate) fn other(&self) -> Larder<Sqlite> {
        handle(&self.pool, &self.store)
    }

    pub(crate) fn connection(&self) -> impl std::ops::DerefMut<Target = SqliteConnection> + use<> {
        Connected(self.pool.get().unwrap())
    }
}

struct Connected(diesel::r2d2::PooledConnection<ConnectionManager<SqliteConnection>>);

impl std::ops::Deref for Connected {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.0
    }
}

impl std::ops::DerefMut for Connected {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }
}

fn handle(pool: &Pool<ConnectionManager<SqliteConnection>>, store: &Arc<dyn Store>) -> Larder<Sqlite> {
    let builder = Larder::builder(pool.clone()).shared_arc(Arc::clone(store)).cursor_key([7; 32]);
    builder.near(NearOptions::bytes(1 << 20)).build()
}
