//! Derive macros of larder; use them through the `larder` crate.
//!
//! Five steps, a module each: the shape of the input (`ast`), what was written in its attributes (`attr`), the rules over
//! the whole (`check`), what follows from it (`facts`), and the tokens (`expand`). Mistakes are collected on the way
//! (`errors`), and all of them are shown at once.

mod ast;
mod attr;
mod check;
mod errors;
mod expand;
mod facts;
mod names;

#[cfg(test)]
#[path = "../tests/expansion/cases.rs"]
mod expansion;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a repository for a Diesel model: `Model::repository(&session)`.
///
/// The model is an ordinary one, and what Diesel knows of it is not said again. Its fields need
/// [`Codec`](macro@crate::Codec), or `#[larder(serde)]`.
///
/// ```
/// use diesel::prelude::*;
/// use larder::Repository;
/// # diesel::table! { users (id) { id -> BigInt, email -> Text, boss_id -> Nullable<BigInt>, } }
/// # diesel::table! { orders (id) { id -> BigInt, user_id -> BigInt, status -> Text, placed -> BigInt, } }
///
/// #[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
/// #[diesel(table_name = users, check_for_backend(diesel::sqlite::Sqlite))]
/// #[larder(ttl = "10m", unique(email), has_many(orders: Order, on_delete = cascade))]
/// #[larder(belongs_to(boss: User, foreign_key = boss_id))]
/// pub struct User {
///     pub id: i64,
///     pub email: String,
///     pub boss_id: Option<i64>,
/// }
///
/// #[derive(Clone, Queryable, Selectable, Identifiable, Associations, Repository)]
/// #[diesel(table_name = orders, belongs_to(User), check_for_backend(diesel::sqlite::Sqlite))]
/// #[larder(index(user_id, status; order = placed.desc(), head = 50))]
/// pub struct Order {
///     pub id: i64,
///     pub user_id: i64,
///     pub status: String,
///     pub placed: i64,
/// }
///
/// # fn calls(larder: &larder::Larder<diesel::sqlite::Sqlite>) -> larder::Result<()> {
/// let ada: Option<User> = User::repository(larder).find_by_email("ada@example.com")?;
/// let paid: Vec<Order> = Order::repository(larder).list_by_user_id_and_status(1, "paid").limit(20).load()?;
/// let both: Option<(User, Vec<Order>)> = User::repository(larder).with(User::orders()).find(1)?;
/// # Ok(())
/// # }
/// ```
///
/// # What it makes
/// `UserRepository`, which has all that [`larder::Repository`](../larder/struct.Repository.html) has, and for
/// - a unique key: `find_by_email`, `find_by_email_many`;
/// - a foreign key or an index: `list_by_user_id`, `list_by_user_id_many`, `count_by_user_id`;
/// - a relation: a function of the model, `User::orders()`.
///
/// # From `#[diesel(..)]`
/// | on | attribute | says |
/// | --- | --- | --- |
/// | model | `check_for_backend(A, B)` | the databases it is on. Required; views are for the first unless they say otherwise |
/// | model | `table_name`, `primary_key(..)` | with Diesel's defaults |
/// | model | `belongs_to(Parent)` | a relation, called as the foreign key is without `_id`, and a list by it |
/// | field | `column_name = ..`, `embed` | as Diesel has them |
///
/// # `#[larder(..)]` on the model
/// Fields are named by their names in Rust. All of it may be repeated, or stand in one attribute between commas.
///
/// | attribute | says |
/// | --- | --- |
/// | `unique(a, b)` | at most one row has these values. `unique(a; deferrable)` where the database may check that at COMMIT only |
/// | `index(a, b; order = c.desc(), head = 256)` | rows are listed by these columns, in this order (or that of the primary key). `order` may be a tuple. A cell holds the first `head` rows of a list; defaults to 256 |
/// | `has_many(name: Child)`, `has_one(name: Child)` | rows of another model, or of this one, refer to this one |
/// | `.., foreign_key = field` or `= (a, b)` | by these fields of the child; defaults to `model_id`. The child needs a pattern by them |
/// | `.., on_delete = cascade` or `= set_null` | what the database does with them when this row is deleted. Where it does and this is not said, caches go on serving them |
/// | `belongs_to(name: Parent, foreign_key = a)` | a second reference to one model, one of several columns, or one to this model |
/// | `many_to_many(name: Target, through = Join)` | over the rows of a join table, which has a model too; `foreign_key` and `target_key` are fields of the join model |
/// | `maintains(Parent: number = count, total = sum(a * b); by = parent_id)` | columns of another model's rows that every write of this one keeps right, in its own transaction, on PostgreSQL: [`upkeep`](../larder/upkeep/index.html) |
/// | `..; by = field, insert` | a row that is missing is inserted with its first child, and kept when its last one goes |
/// | `..; by = field, insert, delete` | and is deleted then. Needs a `count` |
/// | `tenant = field` | each row belongs to the tenant in this field, the first of the primary key: [`tenant`](../larder/tenant/index.html). It stands before the columns of each `unique`, `index` and foreign key that does not name it, and the repository is made on `larder.tenant(id)` only |
/// | `belongs_to(name: Parent, .., common)` | of a tenant's row: what it refers to belongs to no tenant |
/// | `ttl = "10m"` | how long its cells live, in `ms`, `s`, `m`, `h` or `d`; defaults to what the handle says |
/// | `soft_delete = field` | rows stay in their table when they are deleted, with that time in this field, an `Option` of one: [`SoftDelete`](../larder/trait.SoftDelete.html) |
/// | `name = ".."` | what its cells' keys begin with; defaults to the table's name. For tables of one name in two schemas |
/// | `write_through = false` | a committed write empties its cells, and does not put the new row into them. For tables with triggers that change a row after its statement |
/// | `writes = strict` or `= available` | whether a write of its rows is rolled back when the shared store can't be told of it, or goes on by way of the outbox; defaults to what the handle says, and to `strict` where `near` is `strict` or `outwaited` |
/// | `in_view(UserTree)` | its rows are in views that are stored whole (`cached`), and its writes mark their cells: one statement more for each level between row and root |
/// | `near = off`, `bounded`, `strict` or `outwaited` | whether handles with a near cache keep its rows there, and what its writers do about them ([`Near`](../larder/enum.Near.html)); defaults to `bounded` |
/// | `near_ttl = "5s"` | how long they are kept there at most; defaults to what the handle says |
/// | `near_bytes = "8MiB"` | gives them a part of the near cache that no other model's rows push them out of, in `KiB`, `MiB` or `GiB`. It is taken out of the handle's near cache when a row is first read, half of what is left there at most; without it they are among the others |
/// | `reads = near`, `shared` or `database` | where its rows are read from, unless the scope or the repository says so ([`Consistency`](../larder/enum.Consistency.html)); defaults to `near`. Views of it are read from there too |
///
/// On a field:
///
/// | attribute | says |
/// | --- | --- |
/// | `serde` | it is written into cells by its own serde implementation; raise `version = 2` whenever that changes form |
/// | `version` | an `i32` or `i64` to which every write adds one, and that [`update_at`](../larder/struct.Repository.html#method.update_at) checks. Changes must not set it |
/// | `updated_at` | a time that every update sets to the database's clock, unless the changes set it themselves |
/// | `created_at` | a time that the column's DEFAULT sets, and that no update may |
#[proc_macro_derive(Repository, attributes(larder, diesel))]
pub fn repository(input: TokenStream) -> TokenStream {
    expand::repository(&parse_macro_input!(input as DeriveInput)).into()
}

/// Makes a repository for a Diesel model of a materialized view: what [`Repository`](macro@crate::Repository) makes, but for writes.
///
/// Its rows are found, listed, projected and related as those of a table are, and cached in the same way. What they are is for the view's
/// query to say: they change when it is refreshed ([`MaterializedView::refresh`](../larder/trait.MaterializedView.html#method.refresh)),
/// and an insert does not compile.
///
/// ```
/// # use diesel::prelude::*;
/// # use larder::Repository;
/// # diesel::table! { users (id) { id -> BigInt, email -> Text, } }
/// use larder::MaterializedView;
///
/// diesel::table! { user_stats (user_id) { user_id -> BigInt, order_count -> BigInt, total_spent -> BigInt, } }
///
/// # #[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
/// # #[diesel(table_name = users, check_for_backend(diesel::sqlite::Sqlite))]
/// # #[larder(has_one(stats: UserStats))]
/// # pub struct User { pub id: i64, pub email: String }
/// #[derive(Clone, Queryable, Selectable, Identifiable, Associations, MaterializedView)]
/// #[diesel(table_name = user_stats, primary_key(user_id), belongs_to(User), check_for_backend(diesel::sqlite::Sqlite))]
/// #[larder(ttl = "1h", query = "
///     SELECT u.id AS user_id, count(o.id) AS order_count, coalesce(sum(o.total), 0) AS total_spent
///     FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY u.id")]
/// pub struct UserStats {
///     pub user_id: i64,
///     pub order_count: i64,
///     pub total_spent: i64,
/// }
///
/// # fn calls(larder: &larder::Larder<diesel::sqlite::Sqlite>) -> larder::Result<()> {
/// // `User` says `has_one(stats: UserStats)`.
/// let ada: Option<(User, Option<UserStats>)> = User::repository(larder).with(User::stats()).find(1)?;
/// # Ok(())
/// # }
/// ```
///
/// Diesel's CLI does not print views, so its `table!` is written by hand. Attributes are those of
/// [`Repository`](macro@crate::Repository), with these differences:
///
/// | attribute | says |
/// | --- | --- |
/// | `#[diesel(primary_key(..))]` | the columns of a unique index on the view, without a condition: by it a refresh finds what has changed. Required |
/// | `query = ".."` | the view's query, of which the migration helpers make SQL; nothing else reads it |
/// | `write_through`, `writes`, `on_delete` | have no place here |
/// | `near = off` or `bounded` | `strict` copies would have to be told of a refresh before it commits, and are not to be had |
///
/// A `belongs_to` gives an `Option`, whatever the column's type is: a row of the view may outlive what it refers to, until the next refresh.
#[proc_macro_derive(MaterializedView, attributes(larder, diesel))]
pub fn materialized_view(input: TokenStream) -> TokenStream {
    expand::materialized_view(&parse_macro_input!(input as DeriveInput)).into()
}

/// Makes a view of an entity: some of its columns, and relations that come with them.
///
/// A view is loaded where its entity is: `User::repository(&larder).select::<UserCard>()`. Where the whole row is cached, it is
/// narrowed from that; otherwise only its columns are selected, and nothing is stored. Each relation is loaded for all rows at once.
///
/// ```
/// # use diesel::prelude::*;
/// # use larder::Repository;
/// # diesel::table! { users (id) { id -> BigInt, email -> Text, } }
/// # diesel::table! { orders (id) { id -> BigInt, user_id -> BigInt, status -> Text, placed -> BigInt, } }
/// # #[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
/// # #[diesel(table_name = users, check_for_backend(diesel::sqlite::Sqlite))]
/// # #[larder(has_many(orders: Order))]
/// # pub struct User { pub id: i64, pub email: String }
/// # #[derive(Clone, Queryable, Selectable, Identifiable, Associations, Repository)]
/// # #[diesel(table_name = orders, belongs_to(User), check_for_backend(diesel::sqlite::Sqlite))]
/// # pub struct Order { pub id: i64, pub user_id: i64, pub status: String, pub placed: i64 }
/// use larder::View;
///
/// #[derive(View)]
/// #[larder(of = User)]
/// pub struct UserCard {
///     #[larder(field = email)]
///     pub address: String,
///     #[larder(with = orders, filter = status.ne("open"), order = placed.desc(), limit = 10)]
///     pub recent: Vec<OrderLine>, // 10 of each user, not 10 in all
///     #[larder(count = orders)]
///     pub n_orders: i64,
/// }
///
/// #[derive(View)]
/// #[larder(of = Order)]
/// pub struct OrderLine {
///     pub status: String,
/// }
///
/// # fn calls(larder: &larder::Larder<diesel::sqlite::Sqlite>) -> larder::Result<()> {
/// let cards: Vec<Option<UserCard>> = User::repository(larder).select::<UserCard>().find_many(&[1, 2, 3])?;
/// # Ok(())
/// # }
/// ```
///
/// | on | attribute | says |
/// | --- | --- | --- |
/// | view | `larder(of = Entity)` | whose view it is. Required |
/// | view | `larder(of = Entity, cached)` | its trees are stored whole, one cell a root. `cached(limit = "256KiB", most_roots = 1000, ttl = "10m", fill = false)` says how large they are at most, how many a transaction marks one by one, how long they live, and whether they are stored yet. All models in it say `in_view(View)` |
/// | view | `larder(of = Entity, packed)` | it may stand in a view that is `cached` |
/// | view | `diesel(check_for_backend(A, B))` | for which databases; defaults to the first of the entity's |
/// | field | none, or `larder(field = email)` | a field of the entity of this name, or of that one, with the same type |
/// | field | `larder(with = orders)` | a relation: `Vec`, `Option` or one, of the child or a view of it |
/// | field | `.., filter = ..` | only rows that meet a condition, in Diesel's language. A bare name on which a method is called is a column of the child; anything else is as usual |
/// | field | `.., order = a.desc()`, or a tuple | in this order; rows that it leaves equal are ordered by primary key |
/// | field | `.., limit = n` | at most so many of each row. Needs an order |
/// | field | `larder(serde)`, `version = 2` | of a view that is `cached` or `packed`: the column is written into the cell as in the model |
/// | field | `larder(count = orders)` | the number of a relation's rows, an `i64`; `filter` as above |
///
/// Costs one statement for the columns and one for each relation, and so on down, whatever the number of rows.
#[proc_macro_derive(View, attributes(larder, diesel))]
pub fn view(input: TokenStream) -> TokenStream {
    expand::view(&parse_macro_input!(input as DeriveInput)).into()
}

/// Writes a struct or an enum into cache cells, and reads it back.
///
/// Its fields need `Codec`, or `#[larder(serde)]`. The fingerprint is made of the names and types of all fields and variants in
/// their order, so a change of any of them makes cells that hold the old form a miss. A type that contains itself can't be
/// written: its fingerprint would have no end.
///
/// ```
/// #[derive(larder::Codec)]
/// enum Payment {
///     Cash,
///     Card { last_digits: u16, issuer: Option<String> },
/// }
/// ```
#[proc_macro_derive(Codec, attributes(larder))]
pub fn codec(input: TokenStream) -> TokenStream {
    expand::codec(&parse_macro_input!(input as DeriveInput)).into()
}

/// Makes an enum without fields a part of keys: each variant is written as its name.
///
/// ```
/// #[derive(Clone, PartialEq, Eq, Hash, larder::KeyPart)]
/// enum Status {
///     Pending,
///     Paid,
/// }
/// ```
#[proc_macro_derive(KeyPart)]
pub fn key_part(input: TokenStream) -> TokenStream {
    expand::key_part(&parse_macro_input!(input as DeriveInput)).into()
}
