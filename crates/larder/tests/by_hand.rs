//! What the derives write, written by hand.
#![allow(missing_docs, non_camel_case_types, reason = "a test")]

use diesel::{
    connection::SimpleConnection,
    prelude::*,
    r2d2::{ConnectionManager, Pool},
    sqlite::Sqlite,
};
use larder::{__private as p, Larder, MemoryStore};

diesel::table! { users (id) { id -> BigInt, email -> Text, name -> Text, } }
diesel::table! { orders (id) { id -> BigInt, user_id -> BigInt, status -> Text, total -> BigInt, } }
diesel::table! { items (order_id, line) { order_id -> BigInt, line -> Integer, sku -> Text, } }

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = users)]
pub struct User {
    pub id: i64,
    pub email: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = orders)]
pub struct Order {
    pub id: i64,
    pub user_id: i64,
    pub status: String,
    pub total: i64,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = items, primary_key(order_id, line))]
pub struct Item {
    pub order_id: i64,
    pub line: i32,
    pub sku: String,
}

// ---------------------------------------------------------------- expansion of #[derive(Repository)] on User
// #[larder(unique(email), has_many(orders: Order, on_delete = cascade))]
const _: () = {
    #[derive(Debug, Clone, Copy)]
    pub struct Columns {
        pub id: users::id,
        pub email: users::email,
        pub name: users::name,
    }

    impl p::Entity for User {
        type Key = <i64 as p::KeyField>::Part;
        type Backend = Sqlite;
        type Primary = UserById;
        type Columns = Columns;
        const COLUMNS: Columns = Columns { id: users::id, email: users::email, name: users::name };
        const NAME: &'static str = "users";
        const LAYOUT: p::Layout = p::Layout::new(
            p::Fingerprint::of("users")
                .and("id")
                .then(<i64 as p::Codec>::FINGERPRINT)
                .and("email")
                .then(<String as p::Codec>::FINGERPRINT)
                .and("name")
                .then(<String as p::Codec>::FINGERPRINT)
                .bits(),
        );
        const TTL: Option<std::time::Duration> = None;
        const WRITE_THROUGH: bool = true;
        fn key(&self) -> Self::Key {
            self.id
        }
        fn encode(&self, out: &mut Vec<u8>) {
            p::Codec::encode(&self.id, out);
            p::Codec::encode(&self.email, out);
            p::Codec::encode(&self.name, out);
        }
        fn decode(input: &mut p::Input<'_>) -> Result<Self, p::Corrupt> {
            Ok(Self { id: p::Codec::decode(input)?, email: p::Codec::decode(input)?, name: p::Codec::decode(input)? })
        }
        fn cells(&self, cells: &mut p::Cells<'_, Self>) {
            cells.add::<UserById>(self);
            cells.add::<UserByEmail>(self);
        }
    }
    impl p::Table<Sqlite> for User {
        type ByKey = UserById;
        type Table = users::table;
        type Query<'q> = users::BoxedQuery<'q, Sqlite>;
        const HAS_DEPENDENTS: bool = true;
        fn query<'q>() -> Self::Query<'q> {
            diesel::QueryDsl::into_boxed(users::table)
        }
        fn select<'q>(query: Self::Query<'q>, list: p::SelectList<Sqlite>) -> p::Fragment<'q, Sqlite> {
            list.of(query)
        }
        fn columns(list: &mut p::SelectList<Sqlite>) {
            list.column(users::id).column(users::email).column(users::name);
        }
        fn build<'r, R: diesel::row::Row<'r, Sqlite>>(
            row: &mut p::RowReader<'_, R>,
        ) -> diesel::deserialize::Result<Self> {
            Ok(Self { id: row.column(users::id)?, email: row.column(users::email)?, name: row.column(users::name)? })
        }
        fn dependents(parents: &mut p::Dependents<'_, Sqlite, Self>) -> p::Result<()> {
            parents.cascade::<UserOrders>()
        }
    }
    impl p::Load<Sqlite> for User {
        type Entity = Self;
        type Head = p::Whole<Self>;
        fn assemble(_: p::Access<'_, Sqlite>, heads: Vec<p::Whole<Self>>) -> p::Result<Vec<Self>> {
            Ok(heads.into_iter().map(|head| head.0).collect())
        }
    }
    impl p::Related<{ p::Fingerprint::of("orders").bits() }> for User {
        type Relation = p::Rel<UserOrders, p::Of<Order>>;
        fn relation() -> Self::Relation {
            p::Rel::new()
        }
    }
};
pub struct UserById;
impl p::Pattern for UserById {
    type Entity = User;
    type Key = <i64 as p::KeyField>::Part;
    const COLUMNS: &'static [&'static str] = &[<users::id as diesel::Column>::NAME];
    const UNIQUE: bool = true;
    const WRITE_THROUGH: bool = true;
    const ORDER: p::Ordering = &[];
    const HEAD: usize = 1;
    fn key_of(row: &User) -> Option<Self::Key> {
        p::KeyField::part(&row.id)
    }
}
impl p::PatternOn<Sqlite> for UserById {
    fn select(list: &mut p::SelectList<Sqlite>) {
        <Self::Key as p::BindKey<Sqlite, users::id>>::select(list);
    }
    fn matching<'q>(keys: Vec<Self::Key>, statement: &mut p::Statement<'q, Sqlite>) {
        <Self::Key as p::BindKey<Sqlite, users::id>>::matching(keys, statement);
    }
    fn read<'r, R: diesel::row::Row<'r, Sqlite>>(
        row: &mut p::RowReader<'_, R>,
    ) -> diesel::deserialize::Result<Option<Self::Key>> {
        <Self::Key as p::BindKey<Sqlite, users::id>>::read(row)
    }
}
pub struct UserByEmail;
impl p::Pattern for UserByEmail {
    type Entity = User;
    type Key = <String as p::KeyField>::Part;
    const COLUMNS: &'static [&'static str] = &[<users::email as diesel::Column>::NAME];
    const UNIQUE: bool = true;
    const WRITE_THROUGH: bool = true;
    const ORDER: p::Ordering = &[];
    const HEAD: usize = 1;
    fn key_of(row: &User) -> Option<Self::Key> {
        p::KeyField::part(&row.email)
    }
}
impl p::PatternOn<Sqlite> for UserByEmail {
    fn select(list: &mut p::SelectList<Sqlite>) {
        <Self::Key as p::BindKey<Sqlite, users::email>>::select(list);
    }
    fn matching<'q>(keys: Vec<Self::Key>, statement: &mut p::Statement<'q, Sqlite>) {
        <Self::Key as p::BindKey<Sqlite, users::email>>::matching(keys, statement);
    }
    fn read<'r, R: diesel::row::Row<'r, Sqlite>>(
        row: &mut p::RowReader<'_, R>,
    ) -> diesel::deserialize::Result<Option<Self::Key>> {
        <Self::Key as p::BindKey<Sqlite, users::email>>::read(row)
    }
}
pub struct UserOrders;
impl p::Link for UserOrders {
    type From = UserById;
    type To = <Order as p::ListedBy<{ p::Fingerprint::of("user_id").bits() }>>::Pattern;
    type Arity = p::Many;
}
impl User {
    pub fn orders() -> p::Rel<UserOrders, p::Of<Order>> {
        p::Rel::new()
    }
    pub fn repository<S: p::Session<Backend: p::Backend>>(session: &S) -> UserRepository<'_, S::Backend, p::Of<Self>> {
        UserRepository { inner: p::Repository::new(session) }
    }
}
pub struct UserRepository<'s, DB: p::Backend, S> {
    inner: p::Repository<'s, DB, S>,
}
impl<'s, DB: p::Backend, S> std::ops::Deref for UserRepository<'s, DB, S> {
    type Target = p::Repository<'s, DB, S>;
    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}
impl<'s, DB: p::Backend, S> UserRepository<'s, DB, S> {
    pub fn select<T>(self) -> UserRepository<'s, DB, p::Of<T>>
    where
        T: p::Load<DB, Entity = User>,
    {
        UserRepository { inner: self.inner.select() }
    }
    pub fn with<R>(self, relation: R) -> UserRepository<'s, DB, S::Extended>
    where
        S: p::Extend<R>,
    {
        UserRepository { inner: self.inner.with(relation) }
    }
}
impl<'s, DB, S> UserRepository<'s, DB, S>
where
    DB: p::Backend,
    S: p::Shape<DB, Entity = User>,
    UserByEmail: p::PatternOn<DB, Entity = User>,
{
    pub fn find_by_email(&self, email: impl Into<<String as p::KeyField>::Part>) -> p::Result<Option<S::Output>> {
        self.inner.find_by::<UserByEmail>(email.into())
    }
    pub fn find_by_email_many<K>(&self, keys: &[K]) -> p::Result<Vec<Option<S::Output>>>
    where
        K: Clone + Into<<String as p::KeyField>::Part>,
    {
        self.inner.find_by_many::<UserByEmail>(keys.iter().cloned().map(Into::into))
    }
}

// ---------------------------------------------------------------- Order: belongs_to(User), index(user_id, status; order = total.desc()), has_many(items: Item, on_delete = cascade)
const _: () = {
    #[derive(Debug, Clone, Copy)]
    pub struct Columns {
        pub id: orders::id,
        pub user_id: orders::user_id,
        pub status: orders::status,
        pub total: orders::total,
    }
    impl p::Entity for Order {
        type Key = i64;
        type Backend = Sqlite;
        type Primary = OrderById;
        type Columns = Columns;
        const COLUMNS: Columns =
            Columns { id: orders::id, user_id: orders::user_id, status: orders::status, total: orders::total };
        const NAME: &'static str = "orders";
        const LAYOUT: p::Layout = p::Layout::new(p::Fingerprint::of("orders").bits());
        const TTL: Option<std::time::Duration> = None;
        const WRITE_THROUGH: bool = true;
        fn key(&self) -> Self::Key {
            self.id
        }
        fn encode(&self, out: &mut Vec<u8>) {
            p::Codec::encode(&self.id, out);
            p::Codec::encode(&self.user_id, out);
            p::Codec::encode(&self.status, out);
            p::Codec::encode(&self.total, out);
        }
        fn decode(input: &mut p::Input<'_>) -> Result<Self, p::Corrupt> {
            Ok(Self {
                id: p::Codec::decode(input)?,
                user_id: p::Codec::decode(input)?,
                status: p::Codec::decode(input)?,
                total: p::Codec::decode(input)?,
            })
        }
        fn cells(&self, cells: &mut p::Cells<'_, Self>) {
            cells.add::<OrderById>(self);
            cells.add::<OrderByUserId>(self);
            cells.add::<OrderByUserIdAndStatus>(self);
        }
    }
    impl p::Table<Sqlite> for Order {
        type ByKey = OrderById;
        type Table = orders::table;
        type Query<'q> = orders::BoxedQuery<'q, Sqlite>;
        fn query<'q>() -> Self::Query<'q> {
            diesel::QueryDsl::into_boxed(orders::table)
        }
        fn select<'q>(query: Self::Query<'q>, list: p::SelectList<Sqlite>) -> p::Fragment<'q, Sqlite> {
            list.of(query)
        }
        fn columns(list: &mut p::SelectList<Sqlite>) {
            list.column(orders::id).column(orders::user_id).column(orders::status).column(orders::total);
        }
        fn build<'r, R: diesel::row::Row<'r, Sqlite>>(
            row: &mut p::RowReader<'_, R>,
        ) -> diesel::deserialize::Result<Self> {
            Ok(Self {
                id: row.column(orders::id)?,
                user_id: row.column(orders::user_id)?,
                status: row.column(orders::status)?,
                total: row.column(orders::total)?,
            })
        }
    }
    impl p::Load<Sqlite> for Order {
        type Entity = Self;
        type Head = p::Whole<Self>;
        fn assemble(_: p::Access<'_, Sqlite>, heads: Vec<p::Whole<Self>>) -> p::Result<Vec<Self>> {
            Ok(heads.into_iter().map(|head| head.0).collect())
        }
    }
    impl p::ListedBy<{ p::Fingerprint::of("user_id").bits() }> for Order {
        type Pattern = OrderByUserId;
    }
};
macro_rules! pattern { ($name:ident, $entity:ident, $key:ty, $cols:ty, [$($c:path),*], $unique:expr, $order:expr, |$row:ident| $of:expr) => {
    pub struct $name;
    impl p::Pattern for $name {
        type Entity = $entity; type Key = $key;
        const COLUMNS: &'static [&'static str] = &[$(<$c as diesel::Column>::NAME),*];
        const UNIQUE: bool = $unique; const WRITE_THROUGH: bool = $unique; const ORDER: p::Ordering = $order; const HEAD: usize = 256;
        fn key_of($row: &$entity) -> Option<Self::Key> { $of }
    }
    impl p::PatternOn<Sqlite> for $name {
        fn select(list: &mut p::SelectList<Sqlite>) { <Self::Key as p::BindKey<Sqlite, $cols>>::select(list); }
        fn matching<'q>(keys: Vec<Self::Key>, statement: &mut p::Statement<'q, Sqlite>) { <Self::Key as p::BindKey<Sqlite, $cols>>::matching(keys, statement); }
        fn read<'r, R: diesel::row::Row<'r, Sqlite>>(row: &mut p::RowReader<'_, R>) -> diesel::deserialize::Result<Option<Self::Key>> { <Self::Key as p::BindKey<Sqlite, $cols>>::read(row) }
    }
} }
pattern!(OrderById, Order, i64, orders::id, [orders::id], true, &[], |row| p::KeyField::part(&row.id));
pattern!(OrderByUserId, Order, i64, orders::user_id, [orders::user_id], false, &[], |row| p::KeyField::part(
    &row.user_id
));
pattern!(
    OrderByUserIdAndStatus,
    Order,
    (i64, String),
    (orders::user_id, orders::status),
    [orders::user_id, orders::status],
    false,
    &[p::Term { column: "total", descending: true }],
    |row| Some((p::KeyField::part(&row.user_id)?, p::KeyField::part(&row.status)?))
);
pub struct OrderUser;
impl p::Link for OrderUser {
    type From = OrderByUserId;
    type To = <User as p::Entity>::Primary;
    type Arity = <i64 as p::KeyField>::Arity;
}
impl Order {
    pub fn user() -> p::Rel<OrderUser, p::Of<User>> {
        p::Rel::new()
    }
}

// ---------------------------------------------------------------- #[derive(View)] #[larder(of = User)] struct UserCard { email, #[larder(with = orders, order = total.desc(), limit = 2)] recent: Vec<OrderCard>, #[larder(count = orders)] n_orders: i64 }
#[derive(Debug, Clone, PartialEq)]
pub struct UserCard {
    pub email: String,
    pub recent: Vec<OrderCard>,
    pub n_orders: i64,
}
#[derive(Debug, Clone, PartialEq)]
pub struct OrderCard {
    pub status: String,
    pub total: i64,
}
const _: () = {
    type R0 = <User as p::Related<{ p::Fingerprint::of("orders").bits() }>>::Relation;
    type R1 = <R0 as p::Count>::Counted;
    #[derive(Clone)]
    pub struct Columns {
        email: String,
    }
    impl p::Head<Sqlite> for Columns {
        type Entity = User;
        const WHOLE: bool = false;
        fn columns(list: &mut p::SelectList<Sqlite>) {
            list.column(<User as p::Entity>::COLUMNS.email);
        }
        fn build<'r, R: diesel::row::Row<'r, Sqlite>>(
            row: &mut p::RowReader<'_, R>,
        ) -> diesel::deserialize::Result<Self> {
            Ok(Self { email: row.column(<User as p::Entity>::COLUMNS.email)? })
        }
        fn narrow(row: User) -> Self {
            Self { email: row.email }
        }
    }
    impl p::Load<Sqlite> for UserCard {
        type Entity = User;
        type Head = p::LinkedBy<Columns, <(R0, R1) as p::Relations<Sqlite, User>>::Keys, (R0, R1)>;
        fn assemble(access: p::Access<'_, Sqlite>, heads: Vec<Self::Head>) -> p::Result<Vec<Self>> {
            let (columns, (k0, k1)) = p::unlink(heads);
            let r0 = <User as p::Related<{ p::Fingerprint::of("orders").bits() }>>::relation()
                .select()
                .order(diesel::ExpressionMethods::desc(<Order as p::Entity>::COLUMNS.total))
                .limit(2);
            let mut r0 = p::Relation::<Sqlite>::load(&r0, access, k0)?.into_iter();
            let r1 = <User as p::Related<{ p::Fingerprint::of("orders").bits() }>>::relation().count();
            let mut r1 = p::Relation::<Sqlite>::load(&r1, access, k1)?.into_iter();
            Ok(columns
                .into_iter()
                .map_while(|columns| Some(Self { email: columns.email, recent: r0.next()?, n_orders: r1.next()? }))
                .collect())
        }
    }
    #[derive(Clone)]
    pub struct Columns2 {
        status: String,
        total: i64,
    }
    impl p::Head<Sqlite> for Columns2 {
        type Entity = Order;
        const WHOLE: bool = false;
        fn columns(list: &mut p::SelectList<Sqlite>) {
            list.column(<Order as p::Entity>::COLUMNS.status).column(<Order as p::Entity>::COLUMNS.total);
        }
        fn build<'r, R: diesel::row::Row<'r, Sqlite>>(
            row: &mut p::RowReader<'_, R>,
        ) -> diesel::deserialize::Result<Self> {
            Ok(Self {
                status: row.column(<Order as p::Entity>::COLUMNS.status)?,
                total: row.column(<Order as p::Entity>::COLUMNS.total)?,
            })
        }
        fn narrow(row: Order) -> Self {
            Self { status: row.status, total: row.total }
        }
    }
    impl p::Load<Sqlite> for OrderCard {
        type Entity = Order;
        type Head = Columns2;
        fn assemble(_: p::Access<'_, Sqlite>, heads: Vec<Self::Head>) -> p::Result<Vec<Self>> {
            Ok(heads.into_iter().map(|c| Self { status: c.status, total: c.total }).collect())
        }
    }
};

#[derive(Insertable)]
#[diesel(table_name = users)]
struct NewUser<'a> {
    id: i64,
    email: &'a str,
    name: &'a str,
}
#[derive(AsChangeset, Default)]
#[diesel(table_name = users)]
struct UserChanges<'a> {
    email: Option<&'a str>,
    name: Option<&'a str>,
}
#[derive(Insertable)]
#[diesel(table_name = orders)]
struct NewOrder<'a> {
    id: i64,
    user_id: i64,
    status: &'a str,
    total: i64,
}

#[test]
fn the_whole_path() {
    let dir = std::env::temp_dir().join(format!("larder-by-hand-{}.sqlite", std::process::id()));
    let _ = std::fs::remove_file(&dir);
    let pool =
        Pool::builder().max_size(2).build(ConnectionManager::<SqliteConnection>::new(dir.to_str().unwrap())).unwrap();
    pool.get().unwrap().batch_execute("PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON; CREATE TABLE users(id BIGINT PRIMARY KEY, email TEXT UNIQUE NOT NULL, name TEXT NOT NULL); CREATE TABLE orders(id BIGINT PRIMARY KEY, user_id BIGINT NOT NULL REFERENCES users ON DELETE CASCADE, status TEXT NOT NULL, total BIGINT NOT NULL);").unwrap();
    let larder: Larder<Sqlite> = Larder::builder(pool).shared(MemoryStore::new()).build();
    let users = User::repository(&larder);
    let ada = users.insert(&NewUser { id: 1, email: "ada@x", name: "Ada" }).unwrap();
    assert_eq!(users.find(1).unwrap(), Some(ada.clone()));
    users.insert_many(&[NewUser { id: 2, email: "b", name: "B" }, NewUser { id: 3, email: "c", name: "C" }]).unwrap();
    assert_eq!(users.find_by_email("ada@x").unwrap(), Some(ada.clone()));
    assert_eq!(users.update(1, &UserChanges { email: Some("ada@y"), ..Default::default() }).unwrap().email, "ada@y");
    assert_eq!(users.find_by_email("ada@x").unwrap(), None);
    assert_eq!(users.find_by_email("ada@y").unwrap().unwrap().id, 1);
    let all = users.find_many(&[3, 9, 1, 3]).unwrap();
    assert_eq!(all.iter().map(|u| u.as_ref().map(|u| u.id)).collect::<Vec<_>>(), [Some(3), None, Some(1), Some(3)]);
    larder
        .transaction(|tx| {
            for id in 1..6 {
                p::Repository::<Sqlite, p::Of<Order>>::new(tx).insert(&NewOrder {
                    id,
                    user_id: 1 + id % 2,
                    status: "paid",
                    total: id * 10,
                })?;
            }
            Ok(())
        })
        .unwrap();
    let page = User::repository(&larder).with(User::orders()).find(1).unwrap().unwrap();
    assert_eq!(page.1.len(), 2);
    let deep = User::repository(&larder)
        .with(User::orders().with(Order::user()))
        .query(|q| q.filter(users::id.lt(3)).order(users::id))
        .unwrap();
    assert_eq!(deep.len(), 2);
    assert_eq!(deep[0].1[0].1.id, 1);
    let cards = User::repository(&larder).select::<UserCard>().find_many(&[1, 2, 3, 4]).unwrap();
    assert_eq!(
        cards[1],
        Some(UserCard {
            email: "b".into(),
            recent: vec![
                OrderCard { status: "paid".into(), total: 50 },
                OrderCard { status: "paid".into(), total: 30 }
            ],
            n_orders: 3
        })
    );
    assert_eq!(cards[3], None);
    users.delete(1).unwrap();
    assert_eq!(p::Repository::<Sqlite, p::Of<Order>>::new(&larder).find(2).unwrap(), None);
    assert_eq!(users.update_where(users::id.gt(1), users::name.eq("Z")).unwrap().len(), 2);
    assert_eq!(users.get(3).unwrap().name, "Z");
    let _ = std::fs::remove_file(&dir);
}
