#[path = "../schema.rs"]
mod schema;

use larder::{Larder, Repository};

diesel::table! { jobs (id) { id -> BigInt, queue -> BigInt, due -> Nullable<BigInt>, } }

#[derive(Debug, Clone, PartialEq, Repository)]
#[diesel(table_name = jobs, check_for_backend(diesel::sqlite::Sqlite))]
#[larder(index(queue; order = due.asc()))]
struct Job {
    id: i64,
    queue: i64,
    due: Option<i64>,
}

fn pages(larder: &Larder<diesel::sqlite::Sqlite>) -> larder::Result<()> {
    // The list itself is there.
    Job::repository(larder).list_by_queue(1).load()?;
    Job::repository(larder).list_by_queue(1).page(20)?;
    Ok(())
}

fn main() {}
