//! Accounts, their purchases and the lines of a purchase, with columns that are maintained on all three levels.

use bigdecimal::BigDecimal;
use diesel::{connection::SimpleConnection as _, prelude::*};
use larder::{MaterializedView, Repository};
use tests::Template;

diesel::table! { accounts (id) { id -> BigInt, name -> Text, n_purchases -> Integer, n_refunds -> SmallInt, } }
diesel::table! { purchases (id) { id -> BigInt, account_id -> Nullable<BigInt>, n_lines -> BigInt, lines_total -> Numeric, } }
diesel::table! { lines (purchase_id, number) { purchase_id -> BigInt, number -> Integer, quantity -> Nullable<Integer>, price -> Numeric, } }
diesel::table! { account_totals (account_id) { account_id -> BigInt, purchase_count -> BigInt, total_spent -> Numeric, } }
diesel::table! { account_stats (account_id) { account_id -> BigInt, purchase_count -> BigInt, total_spent -> Numeric, } }
diesel::table! { refunds (id) { id -> BigInt, account_id -> BigInt, shelf_id -> Nullable<BigInt>, } }
diesel::table! { shelves (id) { id -> BigInt, n_refunds -> BigInt, } }
diesel::table! { wheels (id) { id -> BigInt, turns_id -> BigInt, turns -> BigInt, } }
diesel::table! { folders (id) { id -> BigInt, parent_id -> Nullable<BigInt>, n_children -> BigInt, } }

pub(super) static BOOKS: Template = Template::new("books", |connection| {
    let tables = "
        CREATE TABLE accounts (id bigint PRIMARY KEY, name text NOT NULL, n_purchases integer NOT NULL DEFAULT 0,
            n_refunds smallint NOT NULL DEFAULT 0);
        CREATE TABLE refunds (id bigint PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
            shelf_id bigint);
        CREATE TABLE shelves (id bigint PRIMARY KEY, n_refunds bigint NOT NULL DEFAULT 0);
        CREATE INDEX ON refunds (account_id);
        CREATE TABLE wheels (id bigint PRIMARY KEY, turns_id bigint NOT NULL, turns bigint NOT NULL);
        CREATE TABLE purchases (id bigint PRIMARY KEY, account_id bigint REFERENCES accounts ON DELETE SET NULL,
            n_lines bigint NOT NULL DEFAULT 0, lines_total numeric NOT NULL DEFAULT 0);
        CREATE INDEX ON purchases (account_id);
        CREATE TABLE lines (purchase_id bigint REFERENCES purchases ON DELETE CASCADE, number integer, quantity integer,
            price numeric(10, 2) NOT NULL, PRIMARY KEY (purchase_id, number));
        CREATE TABLE account_totals (account_id bigint PRIMARY KEY, purchase_count bigint NOT NULL CHECK (purchase_count >= 0),
            total_spent numeric NOT NULL CHECK (total_spent >= 0));
        CREATE MATERIALIZED VIEW account_stats AS SELECT account_id, count(*) AS purchase_count,
            coalesce(sum(total), 0) AS total_spent FROM purchases CROSS JOIN LATERAL
            (SELECT coalesce(sum(quantity * price), 0) AS total FROM lines WHERE purchase_id = purchases.id) AS sums
            WHERE account_id IS NOT NULL GROUP BY account_id;
        CREATE UNIQUE INDEX ON account_stats (account_id);
        CREATE TABLE folders (id bigint PRIMARY KEY, parent_id bigint REFERENCES folders ON DELETE CASCADE,
            n_children bigint NOT NULL DEFAULT 0);
        CREATE INDEX ON folders (parent_id);";
    connection.batch_execute(larder::outbox::UP).expect("there is no outbox yet");
    connection.batch_execute(tables).expect("the tables can be made");
});

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Insertable, Repository)]
#[diesel(table_name = accounts, check_for_backend(diesel::pg::Pg))]
#[larder(has_many(purchases: Purchase, on_delete = set_null), has_many(refunds: Refund, on_delete = cascade))]
pub(super) struct Account {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) n_purchases: i32,
    pub(super) n_refunds: i16,
}

/// A second relation to the same table.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Insertable, Repository)]
#[diesel(table_name = refunds, check_for_backend(diesel::pg::Pg))]
#[larder(maintains(Account: n_refunds = count; by = account_id), maintains(Shelf: n_refunds = count; by = shelf_id))]
pub(super) struct Refund {
    pub(super) id: i64,
    pub(super) account_id: i64,
    pub(super) shelf_id: Option<i64>,
}

/// Where what came back lies, whoever sent it.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Insertable, Repository)]
#[diesel(table_name = shelves, check_for_backend(diesel::pg::Pg))]
pub(super) struct Shelf {
    pub(super) id: i64,
    pub(super) n_refunds: i64,
}

/// Each turns another one.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Insertable, Repository)]
#[diesel(table_name = wheels, check_for_backend(diesel::pg::Pg))]
#[larder(maintains(Wheel: turns = sum(turns); by = turns_id))]
pub(super) struct Wheel {
    pub(super) id: i64,
    pub(super) turns_id: i64,
    pub(super) turns: i64,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = purchases, check_for_backend(diesel::pg::Pg))]
#[larder(index(account_id), has_many(lines: Line, on_delete = cascade))]
#[larder(maintains(Account: n_purchases = count; by = account_id))]
#[larder(maintains(AccountTotals: purchase_count = count, total_spent = sum(lines_total); by = account_id, insert, delete))]
pub(super) struct Purchase {
    pub(super) id: i64,
    pub(super) account_id: Option<i64>,
    pub(super) n_lines: i64,
    pub(super) lines_total: BigDecimal,
}

#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = purchases)]
pub(super) struct NewPurchase {
    pub(super) id: i64,
    pub(super) account_id: Option<i64>,
}

/// Where a purchase belongs.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = purchases)]
pub(super) struct Moved {
    pub(super) account_id: Option<Option<i64>>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Insertable, AsChangeset, Repository)]
#[diesel(table_name = lines, primary_key(purchase_id, number), treat_none_as_null = true, check_for_backend(diesel::pg::Pg))]
#[larder(index(purchase_id))]
#[larder(maintains(Purchase: n_lines = count, lines_total = sum(quantity * price); by = purchase_id))]
pub(super) struct Line {
    pub(super) purchase_id: i64,
    pub(super) number: i32,
    pub(super) quantity: Option<i32>,
    pub(super) price: BigDecimal,
}

/// What an account has bought: a row for each that has bought anything.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = account_totals, primary_key(account_id), check_for_backend(diesel::pg::Pg))]
pub(super) struct AccountTotals {
    pub(super) account_id: i64,
    pub(super) purchase_count: i64,
    pub(super) total_spent: BigDecimal,
}

/// The same as of the last refresh, and of nothing that is maintained.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, MaterializedView)]
#[diesel(table_name = account_stats, primary_key(account_id), check_for_backend(diesel::pg::Pg))]
pub(super) struct AccountStats {
    pub(super) account_id: i64,
    pub(super) purchase_count: i64,
    pub(super) total_spent: BigDecimal,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Insertable, Repository)]
#[diesel(table_name = folders, check_for_backend(diesel::pg::Pg))]
#[larder(has_many(children: Folder, foreign_key = parent_id, on_delete = cascade))]
#[larder(maintains(Folder: n_children = count; by = parent_id))]
pub(super) struct Folder {
    pub(super) id: i64,
    pub(super) parent_id: Option<i64>,
    pub(super) n_children: i64,
}
