//! For how long a keeper keeps others waiting who write all the time.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use chrono::{DateTime, TimeZone as _, Utc};
use diesel::{PgConnection, connection::SimpleConnection as _, pg::Pg};
use larder::{
    Larder, Models,
    partitions::{Action, Keeper},
};

use super::orders::{Cut, FIRST_NEW, Order as _};

const TO_MOVE: i64 = 50_000;

fn day(year: i32, month: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, month, 15, 0, 0, 0).unwrap()
}

pub(crate) fn measure(larder: &Larder<Pg>, connection: &mut PgConnection) {
    println!(
        "\n| the keeper, with a writer that never pauses | others waited for at most, by its own figure | the writer's longest insert |"
    );
    println!("| --- | ---: | ---: |");
    let (is_over, longest) = (AtomicBool::new(false), Mutex::new(Duration::ZERO));
    thread::scope(|scope| {
        scope.spawn(|| {
            for id in FIRST_NEW + (1 << 32).. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let begun = Instant::now();
                Cut::repository(larder).insert(Cut::new(id)).unwrap();
                let mut longest = longest.lock().unwrap_or_else(PoisonError::into_inner);
                *longest = longest.max(begun.elapsed());
            }
        });
        let look = |what: &str, at: DateTime<Utc>| {
            *longest.lock().unwrap_or_else(PoisonError::into_inner) = Duration::ZERO;
            let actions = look(larder, at);
            let waited = *longest.lock().unwrap_or_else(PoisonError::into_inner);
            tell(what, &actions, waited);
        };
        look("the first look", day(2026, 11));
        look("at the turn of a month", day(2026, 12));
        connection.batch_execute(&homeless()).unwrap();
        look("four months later, with rows in the default partition", day(2027, 4));
        is_over.store(true, Ordering::Relaxed);
    });
}

/// Rows of a month that has no partition yet.
fn homeless() -> String {
    format!(
        "INSERT INTO cut SELECT -n, '2027-06-02 00:00:00+00'::timestamptz + n * interval '1 second', n % 1000, n
         FROM generate_series(1, {TO_MOVE}) AS n"
    )
}

/// Looks until there is nothing left to do, since a step may be in others' way at first.
fn look(larder: &Larder<Pg>, at: DateTime<Utc>) -> Vec<Action> {
    let now = SystemTime::from(at);
    let keeper = Keeper::of(larder, &Models::new().with::<Cut>()).clock(move || now);
    let mut actions = Vec::new();
    loop {
        let report = keeper.run_once();
        for failure in &report.failures {
            eprintln!("# {}: {}", failure.what, failure.error);
        }
        let is_idle = report.done.is_empty() && report.failures.is_empty();
        actions.extend(report.done.into_iter().map(|(_, action)| action));
        if is_idle {
            return actions;
        }
    }
}

fn tell(what: &str, actions: &[Action], waited: Duration) {
    let kind = |action: &Action| match action {
        Action::Created { n_moved: 0, .. } => Some("a partition was made"),
        Action::Created { .. } => Some("rows were moved"),
        Action::Detached { .. } => Some("a partition was detached"),
        _ => None,
    };
    let mut longest = BTreeMap::new();
    for (kind, action) in actions.iter().filter_map(|action| Some((kind(action)?, action))) {
        let blocked: &mut Duration = longest.entry(kind).or_default();
        *blocked = action.blocked().max(*blocked);
    }
    let told = longest.iter().map(|(kind, blocked)| format!("{kind}: {:.1} ms", blocked.as_secs_f64() * 1e3));
    let told = told.collect::<Vec<_>>().join("; ");
    println!("| {what} | {told} | {:.1} ms |", waited.as_secs_f64() * 1e3);
}
