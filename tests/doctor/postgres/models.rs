use chrono::{DateTime, Utc};
use diesel::prelude::*;
use larder::{Models, Repository};

diesel::table! { ghosts (id) { id -> BigInt, } }
diesel::table! {
    accounts (id) {
        id -> BigInt,
        email -> Text,
        nickname -> Text,
        code -> Text,
        handle -> Text,
        age -> BigInt,
        seen_at -> Timestamptz,
        note -> Text,
        bio -> Nullable<Text>,
        lost -> Nullable<Text>,
    }
}
diesel::table! { ledgers (id) { id -> BigInt, name -> Text, } }
diesel::table! { shops (id) { id -> Integer, } }
diesel::table! {
    payments (id) {
        id -> Integer,
        shop_id -> Integer,
        status -> Text,
        kind -> Text,
        region -> Text,
        desk -> Integer,
        batch -> Integer,
        label -> Text,
        amount -> BigInt,
        created_at -> Timestamptz,
    }
}

#[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = ghosts, check_for_backend(diesel::pg::Pg))]
pub(super) struct Ghost {
    pub(super) id: i64,
}

#[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = accounts, check_for_backend(diesel::pg::Pg))]
#[larder(unique(email), unique(nickname), unique(code), unique(handle))]
pub(super) struct Account {
    pub(super) id: i64,
    pub(super) email: String,
    pub(super) nickname: String,
    pub(super) code: String,
    pub(super) handle: String,
    pub(super) age: i64,
    pub(super) seen_at: DateTime<Utc>,
    pub(super) note: String,
    pub(super) bio: Option<String>,
    pub(super) lost: Option<String>,
}

#[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = ledgers, check_for_backend(diesel::pg::Pg))]
pub(super) struct Ledger {
    pub(super) id: i64,
    pub(super) name: String,
}

#[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = shops, check_for_backend(diesel::pg::Pg))]
pub(super) struct Shop {
    pub(super) id: i32,
}

#[derive(Clone, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = payments, belongs_to(Shop), check_for_backend(diesel::pg::Pg))]
#[larder(index(status), index(kind; order = created_at.desc()), index(region, desk), index(batch), index(label))]
pub(super) struct Payment {
    pub(super) id: i32,
    pub(super) shop_id: i32,
    pub(super) status: String,
    pub(super) kind: String,
    pub(super) region: String,
    pub(super) desk: i32,
    pub(super) batch: i32,
    pub(super) label: String,
    pub(super) amount: i64,
    pub(super) created_at: DateTime<Utc>,
}

pub(super) fn models() -> Models<diesel::pg::Pg> {
    Models::new().with::<Ghost>().with::<Account>().with::<Ledger>().with::<Shop>().with::<Payment>()
}
