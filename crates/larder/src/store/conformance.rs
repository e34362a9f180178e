//! What every implementation of [`Store`] must do, as tests (feature `conformance`).
//!
//! Each property is a function whose name is its claim; it panics when a store breaks it. They need a fresh [`Subject`] each.
//! In a test crate, one line makes a test of each:
//!
//! ```
//! # #![allow(dead_code, reason = "the tests are not run here")]
//! use larder::store::{ManualClock, MemoryStore, conformance::Subject};
//!
//! fn memory() -> Subject {
//!     let clock = ManualClock::default();
//!     Subject::new(MemoryStore::new().with_clock(clock.clone())).on_clock(clock)
//! }
//!
//! larder::store_conformance_tests!(memory);
//! ```
//!
//! [`run`] does the same in one call, and [`schedule`] runs random schedules of readers and writers against an oracle.
//!
//! What the suite can't see from outside is the implementation's own to test: a server that restarts or fails over, time-outs,
//! and bytes under a key that are no cell.

mod batches;
mod bytes;
mod extending;
mod finishing;
mod inspecting;
mod leases;
mod listening;
mod marking;
mod reads;
mod scanning;
pub mod schedule;
mod settling;
mod stamps;
mod subject;
mod threads;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use self::subject::Subject;
#[cfg(doc)]
use super::Store;

/// Makes one `#[test]` of each property in [`store::conformance`](crate::store::conformance), and one of its random schedules.
///
/// Takes a path to, or a closure that is, a `Fn() -> Subject` which makes a store with no cells in it.
#[macro_export]
macro_rules! store_conformance_tests {
    ($fresh:expr) => {
        $crate::store_conformance_tests! { @list @tests ($fresh) }
    };
    (@tests ($fresh:expr) $($module:ident: $($claim:ident),+;)+) => {
        $($(
            #[test]
            fn $claim() {
                $crate::store::conformance::$claim(&($fresh)());
            }
        )+)+

        #[test]
        fn no_random_schedule_shows_a_stale_or_uncommitted_value() {
            $crate::store::conformance::schedule::run_all(&$fresh);
        }
    };
    (@items () $($module:ident: $($claim:ident),+;)+) => {
        $(pub use self::$module::{$($claim),+};)+

        /// Every property, by its claim.
        pub const PROPERTIES: &[(&str, fn(&Subject))] = &[$($((stringify!($claim), $claim)),+),+];
    };
    (@list $($then:tt)+) => {
        $crate::store_conformance_tests! { $($then)+
                reads:
                    an_untouched_key_is_vacant,
                    cells_come_in_the_order_of_their_keys,
                    a_value_of_another_layout_is_foreign,
                    a_lease_of_another_layout_is_foreign,
                    a_marker_counts_whatever_its_layout,
                    a_value_expires;
                leases:
                    a_lease_is_granted_once,
                    a_lease_tells_who_holds_it,
                    a_value_is_not_leased,
                    a_marked_cell_is_not_leased,
                    a_foreign_value_gives_way_to_a_lease,
                    a_foreign_lease_gives_way_to_a_lease,
                    a_lease_expires,
                    a_call_has_one_token_and_the_next_call_another,
                    a_fill_under_its_lease_is_served,
                    a_lease_is_good_for_one_fill,
                    a_fill_with_another_token_changes_nothing,
                    a_fill_of_another_fence_changes_nothing,
                    a_fill_of_another_layout_changes_nothing,
                    a_fill_without_its_lease_changes_nothing;
                marking:
                    begin_marks_an_empty_cell,
                    begin_takes_a_value_away,
                    begin_takes_a_foreign_value_away,
                    begin_takes_a_lease_and_its_fill_away,
                    a_marker_expires,
                    the_longest_hold_counts,
                    a_marker_that_others_have_touched_still_expires,
                    a_write_that_was_ever_in_company_stores_nothing,
                    the_next_writer_forgets_a_hold_that_has_run_out,
                a_crowd_of_writers_waits_for_its_holds;
                finishing:
                    a_sole_write_stores_its_value,
                    a_sole_write_empties_the_cell,
                    a_rolled_back_write_leaves_nothing,
                    the_first_of_two_writes_leaves_the_cell_in_doubt,
                    the_last_of_two_writes_stores_nothing,
                    a_roll_back_beside_another_write_is_remembered,
                    finishing_without_any_marker_stores_nothing,
                    finishing_over_a_value_takes_it_away,
                    finishing_over_a_lease_takes_its_fill_away,
                    finishing_beside_a_foreign_marker_makes_it_store_nothing,
                    rolling_back_without_a_marker_changes_nothing,
                    finishing_twice_leaves_nothing_stale,
                    a_written_value_expires;
                settling:
                    settling_an_empty_cell_changes_nothing,
                    settling_takes_a_value_away,
                    settling_takes_a_foreign_value_away,
                    settling_takes_a_lease_and_its_fill_away,
                    settling_a_write_keeps_what_it_stored,
                    settling_one_write_takes_the_value_of_another,
                    settling_a_write_in_doubt_leaves_it_alone,
                    settling_beside_a_write_makes_it_store_nothing;
                listening:
                    who_listens_joins_before_all_else,
                    who_joins_learns_how_far_it_is,
                    a_write_is_told_before_the_next_proof,
                    places_are_told_in_their_order,
                    finishing_after_the_marker_has_expired_is_told,
                    finishing_over_nothing_is_told,
                    finishing_a_write_that_is_still_marked_is_not_told,
                    settling_is_told,
                    who_has_stopped_listening_is_told_nothing_more,
                    copies_of_strict_models_may_be_asked_for_later,
                    a_write_that_recalls_copies_returns_when_nobody_serves_them;
                inspecting:
                    what_is_inspected_is_what_is_read,
                    more_keys_than_a_batch_are_inspected_in_their_order,
                    the_stamp_of_a_value_is_its_lease_or_its_write,
                    an_equal_value_stored_anew_has_another_stamp,
                    the_time_that_is_left_runs_out;
                extending:
                    a_value_that_is_still_there_gets_more_time,
                    what_is_not_that_value_gets_no_more_time,
                    more_values_than_a_batch_are_extended_in_their_order;
                stamps:
                    stamps_come_with_cells_in_their_order,
                    only_values_have_stamps_and_those_of_every_layout,
                    a_stamp_is_put_where_there_is_nothing,
                    a_stamp_gives_way_to_a_value_and_to_a_write,
                    many_stamps_are_put_in_the_order_of_their_keys,
                    an_outdated_value_gives_way_to_a_lease;
                scanning:
                    a_scan_finds_values_leases_and_markers,
                    a_scan_takes_its_prefix_literally,
                    a_prefix_may_be_any_bytes,
                    a_scan_of_many_keys_finds_each,
                    what_stays_is_found_whatever_comes_and_goes,
                    what_a_scan_finds_may_be_settled;
                batches:
                    nothing_asked_is_nothing_done,
                    more_keys_than_a_batch_keep_their_order,
                    a_key_given_twice_is_leased_and_filled_once,
                    a_key_written_twice_in_a_call_is_never_stale,
                    one_call_treats_each_cell_by_itself;
                bytes:
                    keys_may_be_any_bytes,
                    keys_that_begin_alike_are_different_cells,
                    values_may_be_any_bytes,
                    a_large_value_is_served,
                    no_time_to_live_is_too_short_or_too_long;
            threads:
                threads_never_read_older_than_what_was_committed;
        }
    };
}

store_conformance_tests! { @list @items () }

/// Checks every property and [`schedule::N_SEEDS`] random schedules, each on a store that `fresh` makes.
///
/// # Panics
/// After all of them have run, naming those that failed.
pub fn run(fresh: &dyn Fn() -> Subject) {
    let mut failed = Vec::new();
    for (claim, property) in PROPERTIES {
        if catch_unwind(AssertUnwindSafe(|| property(&fresh()))).is_err() {
            failed.push((*claim).to_owned());
        }
    }
    if catch_unwind(AssertUnwindSafe(|| schedule::run_all(fresh))).is_err() {
        failed.push("no_random_schedule_shows_a_stale_or_uncommitted_value".to_owned());
    }
    assert!(failed.is_empty(), "the store does not conform: {}", failed.join(", "));
}
