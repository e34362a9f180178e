//! PostgreSQL is broken.

use std::time::Duration;

use diesel::{Connection as _, PgConnection, RunQueryDsl as _, sql_query};

use super::{Bound, Failing, Scenario, Setting, Storm, workers};
use crate::Result;

pub(super) const KILLED: Scenario = Scenario {
    name: "postgres-killed",
    breaks: "PostgreSQL is killed with all its processes, and recovers",
    bound: Bound::Never,
    failing: Failing::Any,
    setting: Setting::PLAIN,
    every: 300..1_200,
    faults: &[kill],
};

pub(super) const SESSIONS_ENDED: Scenario = Scenario {
    name: "postgres-sessions",
    breaks: "pg_terminate_backend of some sessions",
    bound: Bound::Never,
    failing: Failing::Any,
    setting: Setting::PLAIN,
    every: 5..100,
    faults: &[end_sessions],
};

pub(super) const LATE_COMMIT: Scenario = Scenario {
    name: "postgres-late-commit",
    breaks: "a COMMIT is under way for long, and mostly for longer than is allowed; the workers are killed meanwhile",
    bound: Bound::Never,
    failing: Failing::Any,
    setting: Setting::PROXIED,
    every: 1..100,
    faults: &[hold_commit],
};

pub(super) fn kill(storm: &mut Storm) -> Result<bool> {
    storm.arena.postgres.kill()?;
    storm.wait(0..200);
    storm.arena.postgres.restart()?;
    Ok(true)
}

pub(super) fn end_sessions(storm: &mut Storm) -> Result<bool> {
    let mut connection = PgConnection::establish(&storm.arena.postgres.url())?;
    let n_ended = sql_query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.3",
    )
    .execute(&mut connection)?;
    Ok(n_ended > 0)
}

pub(super) fn hold_commit(storm: &mut Storm) -> Result<bool> {
    // As long as is allowed, or longer than markers are held: were it done then, readers would have stored the old rows again.
    let is_allowed = storm.dice.bool();
    let time = Duration::from_millis(storm.dice.u64(if is_allowed { 50..250 } else { 1_100..1_700 }));
    let is_answer_lost = storm.dice.bool();
    let (proxies, pace) = (storm.proxies()?, &storm.pace);
    if is_answer_lost {
        proxies.postgres.lose_the_answer_to_commit();
    }
    proxies.postgres.hold_the_next_commit(time);
    pace.wait_while(Duration::from_secs(1), || proxies.postgres.awaits_a_commit());
    // Whoever gets an answer makes up for a COMMIT that came too late. One that is no more does not.
    let is_struck = !storm.proxies()?.postgres.awaits_a_commit();
    if storm.dice.u8(..4) == 0 {
        workers::kill_all(storm)?;
    }
    Ok(is_struck)
}
