use diesel::{
    PgConnection, RunQueryDsl,
    migration::{MigrationVersion, Result},
    sql_query,
    sql_types::BigInt,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

/// Every migration of the workspace's `migrations/`, compiled in: the same files that the diesel CLI runs.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// The advisory lock that processes starting together queue at. Any number will do that nobody else uses.
const LOCK: i64 = i64::from_be_bytes(*b"shopcore");

/// Runs the migrations that the database lacks, and returns their versions in the order they ran; none if there was
/// nothing to do.
///
/// Each migration is a transaction of its own. Several processes may call this at once: one works, the others wait and
/// then find nothing to do. Costs four statements when nothing is pending.
///
/// # Errors
/// The database can't be reached, or a migration failed; those before it stay.
pub fn migrate(connection: &mut PgConnection) -> Result<Vec<MigrationVersion<'static>>> {
    sql_query("SELECT pg_advisory_lock($1)").bind::<BigInt, _>(LOCK).execute(connection)?;
    let outcome = connection
        .run_pending_migrations(MIGRATIONS)
        .map(|versions| versions.iter().map(MigrationVersion::as_owned).collect());
    let release = sql_query("SELECT pg_advisory_unlock($1)").bind::<BigInt, _>(LOCK).execute(connection);
    // A failed migration is the better story when the release has failed as well.
    let versions = outcome?;
    release?;
    Ok(versions)
}
