use super::*;
use crate::store::ManualClock;

const RAMP: Duration = Duration::from_secs(5);

fn circuit(failures: u32) -> (Circuit, ManualClock) {
    let clock = ManualClock::default();
    let options = BreakerOptions::default().failures(failures).ramp(RAMP).clock(clock.clone());
    (Circuit::new(options), clock)
}

fn timed_out() -> StoreError {
    StoreError::timed_out("no answer")
}

const SLOW: Outcome<'_> = Outcome::Slow(Duration::from_millis(203));

/// Whether any of these calls opened the breaker.
fn make(circuit: &Circuit, outcomes: impl IntoIterator<Item = Outcome<'static>>) -> bool {
    outcomes.into_iter().filter(|outcome| circuit.note(circuit.pass(), *outcome)).count() > 0
}

fn open(circuit: &Circuit) {
    make(circuit, [SLOW; 64]);
    assert_eq!(circuit.state(), BreakerState::Open);
}

fn recover(circuit: &Circuit) {
    assert!((0..GOOD_PROBES).any(|_| circuit.probed(Outcome::Good) == Next::Recover));
    assert_eq!(circuit.state(), BreakerState::Recovering);
}

#[test]
fn it_opens_when_half_of_the_last_calls_have_failed_and_not_before() {
    let (circuit, clock) = super::tests::circuit(3);
    let make = |circuit: &Circuit, outcomes: &[Outcome<'static>]| {
        outcomes.iter().any(|outcome| {
            clock.advance(Duration::from_millis(203));
            make(circuit, [*outcome])
        })
    };
    assert!(!make(&circuit, &[SLOW, SLOW, Outcome::Good, Outcome::Good, Outcome::Good, Outcome::Good, SLOW, SLOW]));
    assert!(!make(&circuit, &[Outcome::Good; 6]));
    assert!(!make(&circuit, &[SLOW, SLOW]));
    assert_eq!(circuit.state(), BreakerState::Closed);
    assert!(make(&circuit, &[SLOW]));
    assert_eq!(circuit.state(), BreakerState::Open);
    assert_eq!(circuit.cause().unwrap(), "a call took 203ms");
    // Good and bad in turn are half.
    let (circuit, clock) = super::tests::circuit(32);
    let in_turn = (0..32).any(|_| {
        clock.advance(Duration::from_millis(203));
        super::tests::make(&circuit, [Outcome::Good]);
        clock.advance(Duration::from_millis(203));
        super::tests::make(&circuit, [SLOW])
    });
    assert!(in_turn);
}

#[test]
fn who_waits_does_not_count_while_the_store_answers_others_in_time() {
    let (circuit, clock) = circuit(3);
    let silent = timed_out();
    for _ in 0..100 {
        clock.advance(Duration::from_millis(10));
        make(&circuit, [Outcome::Good]);
        assert!(!make(&circuit, [SLOW; 5]));
        assert!(!circuit.note(circuit.pass(), Outcome::Failed(&silent)));
    }
    clock.advance(Duration::from_millis(199));
    assert!(!make(&circuit, [SLOW; 64]));
    clock.advance(Duration::from_millis(1));
    assert!(make(&circuit, [SLOW; 3]));
}

#[test]
fn who_can_not_reach_the_store_counts_whoever_did_before() {
    let (circuit, _) = circuit(3);
    let away = StoreError::unavailable("refused");
    make(&circuit, [Outcome::Good]);
    assert!((0..3).any(|_| circuit.note(circuit.pass(), Outcome::Failed(&away))));
}

#[test]
fn only_who_opens_it_starts_a_watch_and_only_if_there_is_none() {
    let (circuit, _) = circuit(1);
    assert!(make(&circuit, [SLOW]));
    recover(&circuit);
    assert!(!make(&circuit, [SLOW]), "the watch is still there, to see the recovery to its end");
    assert_eq!(circuit.state(), BreakerState::Open);
    assert!(!circuit.is_unwatched(), "and has to go on");
    circuit.give_up();
    assert_eq!(circuit.state(), BreakerState::Closed);
    assert!(make(&circuit, [SLOW]));
}

#[test]
fn a_call_says_nothing_of_a_state_in_which_it_was_not_sent() {
    let (circuit, _) = circuit(2);
    let early: Vec<Call> = (0..10).map(|_| circuit.pass()).collect();
    open(&circuit);
    recover(&circuit);
    let error = timed_out();
    assert!(early.iter().all(|call| !circuit.note(*call, Outcome::Failed(&error))));
    assert_eq!(circuit.state(), BreakerState::Recovering);
}

#[test]
fn it_closes_after_good_probes_in_a_row() {
    let (circuit, _) = circuit(1);
    open(&circuit);
    let error = timed_out();
    for outcome in [Outcome::Good, Outcome::Good, SLOW, Outcome::Good, Outcome::Good, Outcome::Failed(&error)] {
        assert!(matches!(circuit.probed(outcome), Next::Probe { .. }));
    }
    recover(&circuit);
    assert_eq!(circuit.stats().n_probes, 9);
}

#[test]
fn a_writer_that_fails_meanwhile_counts_against_the_probes() {
    let (circuit, _) = circuit(1);
    open(&circuit);
    for outcome in [Outcome::Good, Outcome::Good] {
        circuit.probed(outcome);
    }
    make(&circuit, [SLOW]);
    assert!(matches!(circuit.probed(Outcome::Good), Next::Probe { .. }));
    assert_eq!(circuit.state(), BreakerState::Open);
    // A good one does not stand for a probe, since only a read is like a read.
    make(&circuit, [Outcome::Good; 10]);
    assert!(matches!(circuit.probed(Outcome::Good), Next::Probe { .. }));
    assert_eq!(circuit.probed(Outcome::Good), Next::Recover);
}

#[test]
fn it_is_silent_while_the_last_word_of_the_store_was_none() {
    let (circuit, _) = circuit(1);
    let (late, lost, refused) = (timed_out(), StoreError::unavailable("gone"), StoreError::refused("no"));
    assert!(!circuit.is_silent());
    circuit.note(circuit.pass(), Outcome::Failed(&late));
    assert!(circuit.is_silent());
    for (outcome, is_silent) in
        [(SLOW, false), (Outcome::Failed(&lost), true), (Outcome::Failed(&refused), false), (Outcome::Good, false)]
    {
        circuit.probed(Outcome::Failed(&late));
        circuit.probed(outcome);
        assert_eq!(circuit.is_silent(), is_silent, "a probe: {outcome:?}");
        circuit.probed(Outcome::Failed(&late));
        circuit.note(circuit.pass(), outcome);
        assert_eq!(circuit.is_silent(), is_silent, "a writer: {outcome:?}");
    }
    recover(&circuit);
    assert!(!circuit.is_silent());
}

/// The longest pause of which this may be left.
fn pause(circuit: &Circuit) -> Duration {
    (0..200).map(|_| circuit.first_pause()).max().unwrap()
}

#[test]
fn pauses_grow_with_each_bad_probe_to_an_end_and_begin_anew_after_a_recovery() {
    let (circuit, clock) = circuit(1);
    let about = |expected: u64| {
        let (found, expected) = (pause(&circuit), Duration::from_millis(expected));
        assert!(found <= expected && found > expected.mul_f64(0.9), "{found:?}, and not {expected:?}");
        assert!(circuit.first_pause() >= expected / 2);
    };
    open(&circuit);
    about(100);
    for expected in [200, 400, 800, 1_000, 1_000] {
        assert!(matches!(circuit.probed(SLOW), Next::Probe { .. }));
        about(expected);
    }
    // One that opens again before it has recovered has not earned short pauses.
    recover(&circuit);
    open(&circuit);
    about(1_000);
    recover(&circuit);
    clock.advance(RAMP);
    assert_eq!(circuit.wait_for_recovery(), Recovery::Closed);
    open(&circuit);
    about(100);
}

#[test]
fn it_recovers_for_as_long_as_the_ramp_lasts_which_begins_anew_until_the_store_grants_leases() {
    let (circuit, clock) = circuit(1);
    assert!(!circuit.holds_back(3));
    open(&circuit);
    recover(&circuit);
    assert_eq!([circuit.holds_back(3), circuit.holds_back(2)], [false, true]);
    clock.advance(RAMP - Duration::from_millis(1));
    circuit.leased(false);
    clock.advance(RAMP - Duration::from_millis(1));
    circuit.leased(true);
    std::thread::scope(|scope| {
        let recovery = scope.spawn(|| circuit.wait_for_recovery());
        assert_eq!(circuit.state(), BreakerState::Recovering);
        clock.advance(Duration::from_millis(1));
        circuit.look_again();
        assert_eq!(recovery.join().unwrap(), Recovery::Closed);
    });
    assert!(!circuit.holds_back(3));
    assert_eq!(
        circuit.stats(),
        BreakerStats { state: BreakerState::Closed, n_opened: 1, n_spared: 0, n_probes: 3, n_held_back: 2 }
    );
}

#[test]
fn a_breaker_that_goes_ends_every_wait() {
    let (circuit, _) = circuit(1);
    open(&circuit);
    recover(&circuit);
    circuit.go();
    assert_eq!(circuit.wait_for_recovery(), Recovery::Gone);
    assert!(!circuit.rest(Duration::from_secs(3_600)));
}
