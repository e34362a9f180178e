use diesel::prelude::*;
use larder::{Repository, types::Moment};

use self::schema::{docs, files, shelves};

/// The tables, as they are for every back end.
pub mod schema {
    diesel::table! {
        use diesel::sql_types::{BigInt, Nullable};
        use larder::types::sql::Moment;

        /// Where documents stand.
        shelves (id) {
            /// Given by whoever inserts.
            id -> BigInt,
            /// The shelf that it is a part of.
            parent_id -> Nullable<BigInt>,
            /// When it was taken down.
            gone_at -> Nullable<Moment>,
        }
    }

    diesel::table! {
        use diesel::sql_types::{BigInt, Integer, Nullable, Text};
        use larder::types::sql::Moment;

        /// What is written, and who may have changed it meanwhile.
        docs (id) {
            /// Given by whoever inserts.
            id -> BigInt,
            /// On which shelf it stands. It goes when its shelf goes.
            shelf_id -> BigInt,
            /// Unique among those that are there.
            name -> Text,
            /// How often it was read.
            n_reads -> BigInt,
            /// Counts its changes.
            version -> Integer,
            /// When it was deleted.
            gone_at -> Nullable<Moment>,
            /// When it was inserted.
            made_at -> Moment,
            /// When it was changed.
            changed_at -> Moment,
        }
    }

    diesel::table! {
        use diesel::sql_types::{BigInt, Nullable, Text};
        use larder::types::sql::Moment;

        /// What teams keep, each for itself.
        files (team, id) {
            /// Whose file it is.
            team -> BigInt,
            /// Given by the team.
            id -> BigInt,
            /// Unique in the team.
            label -> Text,
            /// One of draft, final.
            state -> Text,
            /// When it was deleted.
            gone_at -> Nullable<Moment>,
        }
    }

    diesel::allow_tables_to_appear_in_same_query!(docs, files, shelves);
}

/// Where documents stand.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Insertable, Repository)]
#[diesel(table_name = shelves, check_for_backend(diesel::pg::Pg, diesel::mysql::Mysql, diesel::sqlite::Sqlite))]
#[larder(index(parent_id), soft_delete = gone_at, has_many(docs: Doc, on_delete = cascade))]
pub struct Shelf {
    /// The primary key.
    pub id: i64,
    /// The shelf that it is a part of.
    pub parent_id: Option<i64>,
    /// When it was taken down.
    pub gone_at: Option<Moment>,
}

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = docs, belongs_to(Shelf), check_for_backend(diesel::pg::Pg, diesel::mysql::Mysql, diesel::sqlite::Sqlite))]
#[larder(unique(name), soft_delete = gone_at)]
pub struct Doc {
    /// The primary key.
    pub id: i64,
    /// On which shelf it stands.
    pub shelf_id: i64,
    /// Unique among those that are there.
    pub name: String,
    /// How often it was read.
    pub n_reads: i64,
    /// Counts its changes.
    #[larder(version)]
    pub version: i32,
    /// When it was deleted.
    pub gone_at: Option<Moment>,
    /// When it was inserted.
    #[larder(created_at)]
    pub made_at: Moment,
    /// When it was changed.
    #[larder(updated_at)]
    pub changed_at: Moment,
}

/// A document to insert.
#[derive(Debug, Clone, PartialEq, Eq, Insertable)]
#[diesel(table_name = docs)]
pub struct NewDoc {
    /// The primary key.
    pub id: i64,
    /// On which shelf it stands.
    pub shelf_id: i64,
    /// Unique among those that are there.
    pub name: String,
}

/// What a team keeps.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, Repository)]
#[diesel(table_name = files, primary_key(team, id), check_for_backend(diesel::pg::Pg, diesel::mysql::Mysql, diesel::sqlite::Sqlite))]
#[larder(tenant = team, unique(label), index(state), soft_delete = gone_at)]
pub struct File {
    /// Whose file it is.
    pub team: i64,
    /// Given by the team.
    pub id: i64,
    /// Unique in the team.
    pub label: String,
    /// One of draft, final.
    pub state: String,
    /// When it was deleted.
    pub gone_at: Option<Moment>,
}
