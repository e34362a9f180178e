//! The commands of larder, for models whose tables are partitioned.

use std::process::ExitCode;

use diesel::prelude::*;
use larder::{Models, Repository};

use self::schema::{ledgers, readings};

mod schema {
    diesel::table! { readings (id) { id -> BigInt, place -> Text, } }
    diesel::table! { ledgers (tenant, id) { tenant -> Text, id -> BigInt, } }
}

#[derive(Debug, Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = readings, check_for_backend(diesel::pg::Pg))]
#[larder(partition(by = range(id), every = 100, keep = 200, ahead = 2))]
struct Reading {
    id: i64,
    place: String,
}

#[derive(Debug, Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = ledgers, primary_key(tenant, id), check_for_backend(diesel::pg::Pg))]
#[larder(partition(by = list(tenant)))]
struct Ledger {
    tenant: String,
    id: i64,
}

fn main() -> ExitCode {
    larder_cli::main(&Models::new().with::<Reading>().with::<Ledger>())
}
