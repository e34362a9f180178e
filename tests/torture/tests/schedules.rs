//! The run of CI: larder as it is, and the controls that show that the run would find what it looks for.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use larder::{failpoints::Point, store::Operation};
use torture::{
    lane::{Lane, Subject},
    mutant::Mutation,
    run::{self, Outcome, Until},
    schedule,
    tally::{Fault, name},
};

/// The seeds of the run: 0 and those that follow, after those that are kept.
const N_SCHEDULES: u64 = 20_000;

/// The most that a rule that was taken out may hide.
const N_FOR_MUTANTS: u64 = 8_000;

/// Where strict writes never come: the run has no other ones, and no relay.
const OF_OTHER_WRITES: [Point; 9] = [
    Point::PartitionFilled,
    Point::PartitionDetached,
    Point::PartitionForgotten,
    Point::PartitionArchived,
    Point::BeforeOutbox,
    Point::AfterOutbox,
    Point::RelayTaken,
    Point::RelaySettled,
    Point::RelayDeleted,
];

/// What is asked of a buffer.
const OF_BUFFERS: [&str; 3] = ["append", "read of the buffer", "removal"];

/// Two lanes keep two cores busy, so one run waits for the other.
fn alone() -> MutexGuard<'static, ()> {
    static RUNS: Mutex<()> = Mutex::new(());
    RUNS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn kept() -> Vec<u64> {
    let lines = include_str!("../regressions.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let (seed, reason) = line.split_once(' ').expect("behind each seed stands what it showed");
            assert!(!reason.trim().is_empty(), "{seed}: what did it show?");
            seed.parse().expect("a line begins with a seed")
        })
        .collect()
}

fn play(subject: Subject, until: Until, n_schedules: u64) -> Outcome {
    let _alone = alone();
    let kept = kept();
    let seed_of = |n: u64| {
        let of_run = |n: u64| (n < n_schedules).then_some(n);
        usize::try_from(n).ok().and_then(|n| kept.get(n).copied()).or_else(|| of_run(n - kept.len() as u64))
    };
    run::run(subject, until, seed_of, |_| ())
}

fn assert_right(outcome: &Outcome) {
    if let Some(played) = outcome.wrong.first() {
        panic!("{played}again: cargo xtask torture --seed {} --trace", played.seed);
    }
}

#[test]
fn every_read_gives_what_the_database_was_while_it_lasted() {
    let outcome = play(Subject::Larder, Until::Wrong, N_SCHEDULES);
    println!("{}", outcome.tally);
    assert_right(&outcome);
    // A run that has stopped testing something is to fail.
    let tally = outcome.tally;
    let points: BTreeSet<Point> = Point::ALL.into_iter().filter(|point| !OF_OTHER_WRITES.contains(point)).collect();
    assert_eq!(tally.points.keys().copied().collect::<BTreeSet<_>>(), points);
    assert_eq!(tally.faults.keys().copied().collect::<BTreeSet<_>>(), Fault::ALL.into());
    let operations = [
        Operation::Read,
        Operation::Lease,
        Operation::Stamp,
        Operation::Fill,
        Operation::Begin,
        Operation::Finish,
        Operation::Settle,
    ];
    let operations: BTreeSet<_> = operations.map(name).into_iter().chain(OF_BUFFERS).collect();
    assert_eq!(tally.operations.keys().copied().collect::<BTreeSet<_>>(), operations);
    let late = [
        "lease",
        "stamp",
        "fill",
        "begin",
        "finish",
        "COMMIT",
        "settle after an unknown COMMIT",
        "append",
        "removal",
        "write of a home",
    ];
    // What could not be stored is settled: a few hundred times, of which hardly any is late.
    let seen: BTreeSet<_> = tally.late.keys().copied().filter(|late| *late != "settle").collect();
    assert_eq!(seen, late.into());
    assert!(tally.hits * 5 > tally.reads, "caches that are hardly read prove little");
    // Trees never are.
    assert!(tally.near * 10 > tally.reads - tally.trees, "a near cache that is hardly read proves little");
    assert!(tally.old > 30, "nor does one that is never behind");
    assert!(tally.waits > 1_000, "nor do loads that nobody waits for");
    assert!(tally.denied > 100, "nor do failures that could not have been lies");
    assert!(tally.commits * 2 > tally.writes, "writes that hardly ever happen prove little");
    assert!(tally.cells > tally.schedules, "cells that serve nothing prove little");
    assert!(tally.acknowledged * 2 > tally.schedules, "nor do changes that wait where hardly any is acknowledged");
    assert!(tally.written_through > 20, "nor where none goes to the database at once");
    assert!(tally.refused > 200, "nor where hardly any is refused");
    assert!(tally.acknowledged + tally.refused + 100 < tally.changes, "nor such of which all are");
    assert!(tally.found > 500, "nor rows with what waits that nobody asks for");
    assert!(tally.books > tally.schedules / 4, "nor sums that hardly ever change");
    assert!(tally.refreshes > tally.schedules / 20, "nor a view that is hardly ever refreshed");
    assert!(tally.trees > tally.schedules / 2, "nor trees that hardly anybody reads");
    assert!(tally.mixed > 20, "nor such of which all rows are of one state");
    assert!(tally.asides > tally.schedules / 2, "nor values aside");
}

#[test]
fn a_seed_is_a_schedule() {
    let _alone = alone();
    let (one, other) = (Lane::new(Subject::Larder), Lane::new(Subject::Larder));
    for seed in 0..150 {
        // On another lane and after other schedules: what a lane keeps must not matter.
        let first = schedule::play(&one, seed, true);
        let second = schedule::play(&other, 149 - seed, true);
        assert!(!first.trace.is_empty() && !second.trace.is_empty());
        let again = schedule::play(&other, seed, true);
        let place = first.trace.iter().zip(&again.trace).position(|(a, b)| a != b);
        let line = place.unwrap_or(first.trace.len().min(again.trace.len()));
        assert_eq!(first.trace.get(line), again.trace.get(line), "seed {seed}, line {line}");
    }
}

#[test]
fn cache_aside_is_caught() {
    let outcome = play(Subject::CacheAside, Until::Done, 500);
    println!("cache-aside: wrong in {} of {} schedules", outcome.n_wrong, outcome.tally.schedules);
    assert!(outcome.n_wrong > 0);
}

#[test]
fn markers_that_are_evicted_leave_nothing_old_behind_when_all_writes_are_finished() {
    let outcome = play(Subject::Evicting, Until::Wrong, 1_000);
    assert_right(&outcome);
    assert!(outcome.tally.faults[&Fault::MarkerEvicted] > 100);
}

macro_rules! caught {
    ($($name:ident: $mutation:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                let outcome = play(Subject::Mutant(Mutation::$mutation), Until::Wrong, N_FOR_MUTANTS);
                let played = outcome.wrong.first().expect("a rule that is taken out shows");
                let violation = played.violation.as_deref().expect("what is wrong is told");
                println!("{}: caught after {} schedules: {violation}", stringify!($mutation), outcome.tally.schedules);
            }
        )*

        #[test]
        fn every_mutation_is_tried() {
            assert_eq!([$(Mutation::$mutation),*], Mutation::ALL);
        }
    };
}

caught! {
    a_begin_that_marks_nothing_is_caught: BeginsNot,
    a_begin_that_marks_half_of_its_cells_is_caught: BeginsHalf,
    a_begin_that_takes_the_place_of_others_is_caught: BeginReplaces,
    a_lease_over_a_marker_is_caught: LeasesOverMarkers,
    a_fill_without_its_lease_is_caught: FillsWithoutLease,
    a_fill_after_a_lease_timed_out_is_caught: FillsAfterLeaseTimedOut,
    a_writer_that_stores_whatever_came_between_is_caught: StoresWhateverCame,
    a_finish_that_leaves_what_came_when_its_marker_was_lost_is_caught: LeavesWhatIsNotItsOwn,
    a_second_begin_under_the_same_nonce_is_caught: RepeatsNonce,
    a_release_after_an_unknown_commit_is_caught: ReleasesAfterUnknownCommit,
    a_lease_without_quarantine_is_caught: NoQuarantine,
    serving_what_is_near_without_proof_is_caught: ServesNearUnproven,
    keeping_what_is_near_when_the_line_is_lost_is_caught: KeepsNearWhenLost,
    keeping_near_what_was_written_meanwhile_is_caught: KeepsNearUnclaimed,
    a_process_that_does_not_drop_its_own_writes_is_caught: DropsNoOwnWrites,
    a_write_that_happens_and_says_that_it_does_not_is_caught: DeniesCommits,
    a_savepoint_that_is_not_rolled_back_is_caught: KeepsWhatIsUndone,
    a_result_whose_stamps_are_gone_is_caught: KeepsLostStamps,
    a_write_that_does_not_mark_its_table_is_caught: ForgetsTables,
    a_flusher_that_removes_before_it_commits_is_caught: RemovesBeforeCommit,
    a_flusher_that_takes_down_nothing_is_caught: MarksNothing,
    a_buffer_that_leaves_out_an_entry_is_caught: SkipsEntries,
    a_change_that_is_denied_and_counts_all_the_same_is_caught: DeniesUnanswered,
    a_value_that_is_forgotten_and_may_yet_be_stored_is_caught: SettleKeepsLeases,
    a_sum_that_misses_a_change_is_caught: LosesPrices,
    a_refresh_that_leaves_old_rows_in_cells_is_caught: WalksPastCells,
    a_way_to_the_root_that_is_left_open_is_caught: LeavesWayOpen,
    a_write_that_marks_one_of_its_trees_is_caught: MarksOneTree,
    a_write_of_all_trees_that_marks_none_is_caught: ForgetsVersions,
    a_tree_that_is_served_under_another_version_is_caught: KeepsVersions,
    a_tree_that_is_stamped_after_its_query_is_caught: StampsTreesLate,
}
