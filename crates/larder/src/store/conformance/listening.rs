//! Copies of cells: of a store that can't tell of changes, and says so, nothing is asked here.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::subject::{LONG, SHORT, Subject, key, stored};
use crate::store::{
    Announcement, BATCH, CellKey, Ending, Listener, Listening, Nonce, Position, Recall, Store, Subscription,
};

/// What a listener was told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Joined(Option<Position>),
    Dropped(Vec<Vec<u8>>, Option<Position>),
    Proven { sent: Duration, strict_for: Option<Duration> },
    Lost,
}

/// A listener that writes down what it is told.
struct Recorder {
    start: Instant,
    told: Mutex<Vec<Told>>,
}

impl Recorder {
    fn lock(&self) -> MutexGuard<'_, Vec<Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self) -> Vec<Told> {
        self.lock().clone()
    }

    /// Announcements in their order, keys and places.
    fn dropped(&self) -> Vec<(Vec<Vec<u8>>, Option<Position>)> {
        let told = self.told().into_iter();
        told.filter_map(|told| if let Told::Dropped(keys, place) = told { Some((keys, place)) } else { None }).collect()
    }

    fn was_told_of(&self, key: &CellKey) -> bool {
        self.dropped().iter().any(|(keys, _)| keys.iter().any(|told| **told == *key.as_bytes()))
    }

    fn has_proof_since(&self, time: Duration) -> bool {
        self.lock().iter().rev().any(|told| matches!(told, Told::Proven { sent, .. } if *sent > time))
    }

    /// Whether it may serve copies of strict models now.
    fn may_serve_strict(&self) -> bool {
        let now = self.now();
        let told = self.told();
        let since = told.iter().rposition(|told| *told == Told::Lost).unwrap_or(0);
        told[since..].iter().any(|told| match told {
            Told::Proven { sent, strict_for: Some(time) } => now < sent.saturating_add(*time),
            _ => false,
        })
    }
}

impl Listener for Recorder {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn joined(&self, place: Option<Position>) {
        self.lock().push(Told::Joined(place));
    }

    fn dropped(&self, announcement: &Announcement<'_>) {
        let keys = announcement.keys.iter().map(|key| key.to_vec()).collect();
        self.lock().push(Told::Dropped(keys, announcement.place));
    }

    fn proven(&self, sent: Duration, strict_for: Option<Duration>) {
        self.lock().push(Told::Proven { sent, strict_for });
    }

    fn lost(&self) {
        self.lock().push(Told::Lost);
    }
}

/// One that listens, and has a first proof.
fn listen(subject: &Subject, is_strict: bool) -> Option<(Arc<Recorder>, Subscription)> {
    let recorder = Arc::new(Recorder { start: Instant::now(), told: Mutex::default() });
    let wanted = Listening { proof_every: Duration::from_millis(5), is_strict };
    let subscription = subject.store().listen(Arc::clone(&recorder) as Arc<dyn Listener>, wanted)?;
    subject.wait_until("there is a proof", || {
        recorder.has_proof_since(Duration::ZERO) && (!is_strict || recorder.may_serve_strict())
    });
    Some((recorder, subscription))
}

/// Waits for a proof of which the question is asked from now on, or sees that there is one that stands.
fn wait_for_proof(subject: &Subject, recorder: &Recorder) {
    let now = recorder.now();
    subject.wait_until("there is a proof", || recorder.has_proof_since(now));
}

/// Copies that were taken before it is told are dropped first, so that none is missed.
pub fn who_listens_joins_before_all_else(subject: &Subject) {
    let Some((recorder, subscription)) = listen(subject, false) else { return };
    assert!(matches!(recorder.told()[..], [Told::Joined(_), Told::Proven { .. }, ..]), "{:?}", recorder.told());
    drop(subscription);
}

/// Who joins knows the place of a write that has begun before.
pub fn who_joins_learns_how_far_it_is(subject: &Subject) {
    let place = begin(subject.store(), &[&key("a")], Recall::Announced);
    let Some((recorder, _subscription)) = listen(subject, false) else { return };
    assert_eq!(recorder.told().first(), Some(&Told::Joined(place)));
}

fn begin(store: &dyn Store, keys: &[&CellKey], recall: Recall) -> Option<Position> {
    store.begin(Nonce::fresh(), keys, LONG, recall).expect("markers are taken")
}

/// What has begun when a question is asked is told before its answer, whoever has written it.
pub fn a_write_is_told_before_the_next_proof(subject: &Subject) {
    let Some((recorder, _subscription)) = listen(subject, false) else { return };
    for n in 0..20 {
        let key = key(&format!("users:id:{n}"));
        begin(subject.store(), &[&key], Recall::Announced);
        wait_for_proof(subject, &recorder);
        assert!(recorder.was_told_of(&key), "{n}: {:?}", recorder.told());
    }
}

/// Places have an order, which is that in which they are told; a write of many keys is told when all of them are.
pub fn places_are_told_in_their_order(subject: &Subject) {
    let Some((recorder, _subscription)) = listen(subject, false) else { return };
    let keys: Vec<CellKey> = (0..BATCH + 1).map(|n| key(&n.to_string())).collect();
    let (all, one) = (keys.iter().collect::<Vec<_>>(), [&keys[0]]);
    let writes = [&one[..], &all, &one];
    let places: Vec<_> = writes.iter().map(|keys| begin(subject.store(), keys, Recall::Announced)).collect();
    wait_for_proof(subject, &recorder);
    let dropped = recorder.dropped();
    let told: Vec<_> = dropped.iter().filter_map(|(_, place)| *place).collect();
    let places: Vec<Position> = places.into_iter().flatten().collect();
    assert_eq!(told, places);
    for pair in places.windows(2) {
        assert!(pair[1].is_at_least(&pair[0]) && !pair[0].is_at_least(&pair[1]), "{pair:?}");
    }
    if let [_, second, _] = places[..] {
        let until = dropped.iter().position(|(_, place)| *place == Some(second)).expect("it is told");
        let n_told: usize = dropped[1..=until].iter().map(|(keys, _)| keys.len()).sum();
        assert_eq!(n_told, keys.len());
    }
}

/// Whoever has taken a copy after a marker was gone has one that may be older than what was committed.
pub fn finishing_after_the_marker_has_expired_is_told(subject: &Subject) {
    let cell = key("a");
    let nonce = subject.begin_for(&cell, SHORT);
    subject.wait_until("the marker expires", || subject.read(&cell) == super::subject::NOTHING);
    subject.put(&cell, b"old");
    let Some((recorder, _subscription)) = listen(subject, false) else { return };
    subject.finish(&cell, nonce, stored(b"new"));
    wait_for_proof(subject, &recorder);
    assert!(recorder.was_told_of(&cell), "{:?}", recorder.told());
}

/// Whose marker is there has been told of when it was set, so that nobody drops a copy twice for it; nor does anybody for a roll-back.
pub fn finishing_a_write_that_is_still_marked_is_not_told(subject: &Subject) {
    let [written, emptied, undone, unmarked] = ["a", "b", "c", "d"].map(key);
    let [write, empty, undo] = [&written, &emptied, &undone].map(|key| subject.begin(key));
    let Some((recorder, _subscription)) = listen(subject, false) else { return };
    subject.finish(&written, write, stored(b"new"));
    subject.finish(&emptied, empty, Ending::Emptied);
    subject.finish(&undone, undo, Ending::RolledBack);
    subject.finish(&unmarked, Nonce::fresh(), Ending::RolledBack);
    wait_for_proof(subject, &recorder);
    assert_eq!(recorder.dropped(), [], "{:?}", recorder.told());
}

/// A copy may be there although its cell is empty by now.
pub fn finishing_over_nothing_is_told(subject: &Subject) {
    let Some((recorder, _subscription)) = listen(subject, false) else { return };
    for (name, ending) in [("a", stored(b"new")), ("b", Ending::Emptied)] {
        subject.finish(&key(name), Nonce::fresh(), ending);
        wait_for_proof(subject, &recorder);
        assert!(recorder.was_told_of(&key(name)), "{:?}", recorder.told());
    }
}

/// What was changed without markers is told, whether there is a value or not.
pub fn settling_is_told(subject: &Subject) {
    let [held, gone] = ["held", "gone"].map(key);
    subject.put(&held, b"old");
    let Some((recorder, _subscription)) = listen(subject, false) else { return };
    for cell in [&held, &gone] {
        subject.settle(cell, None);
        wait_for_proof(subject, &recorder);
        assert!(recorder.was_told_of(cell), "{:?}", recorder.told());
    }
}

/// Who does not want to listen any more is told that it may miss something, and nothing after that.
pub fn who_has_stopped_listening_is_told_nothing_more(subject: &Subject) {
    let Some((recorder, subscription)) = listen(subject, false) else { return };
    let Some((other, _subscription)) = listen(subject, false) else { return };
    drop(subscription);
    let told = recorder.told();
    assert_eq!(told.last(), Some(&Told::Lost));
    begin(subject.store(), &[&key("a")], Recall::Announced);
    wait_for_proof(subject, &other);
    assert!(other.was_told_of(&key("a")));
    assert_eq!(recorder.told(), told);
}

/// Who asks for it later may serve copies of strict models as well as who asks for it at once.
pub fn copies_of_strict_models_may_be_asked_for_later(subject: &Subject) {
    let Some((recorder, subscription)) = listen(subject, false) else { return };
    subscription.take_strict();
    subscription.take_strict();
    subject.wait_until("it may serve them", || recorder.may_serve_strict());
}

/// When a write that recalls copies has returned, each holder has dropped them, or may not serve any.
pub fn a_write_that_recalls_copies_returns_when_nobody_serves_them(subject: &Subject) {
    let Some((one, _subscription)) = listen(subject, true) else { return };
    let Some((other, _subscription)) = listen(subject, true) else { return };
    for (n, recall) in [Recall::Acknowledged, Recall::Outwaited, Recall::Acknowledged].into_iter().enumerate() {
        let key = key(&n.to_string());
        begin(subject.store(), &[&key], recall);
        for recorder in [&one, &other] {
            // In this order: it may be told in between.
            let may_serve = recorder.may_serve_strict();
            assert!(recorder.was_told_of(&key) || !may_serve, "{recall:?}: {:?}", recorder.told());
        }
    }
}
