use std::sync::atomic::{AtomicUsize, Ordering};

use larder::store::{Layout, MemoryStore, Recall};

use super::*;

const TTL: Duration = Duration::from_secs(60);

fn key() -> CellKey {
    CellKey::new(*b"users:id:7", Layout::new(1))
}

/// A store, its faults, and a second way to the same cells on which nothing goes wrong.
fn disturbed() -> (Faulty<MemoryStore>, Faults, Arc<MemoryStore>) {
    let memory = Arc::new(MemoryStore::new());
    let store = Faulty::sharing(Arc::clone(&memory));
    let faults = store.faults();
    (store, faults, memory)
}

#[test]
fn what_fails_before_is_not_executed() {
    let (store, faults, memory) = disturbed();
    faults.before(Operation::Begin).fail(Failure::Unavailable);
    assert!(store.begin(Nonce::fresh(), &[&key()], TTL, Recall::Announced).unwrap_err().is_unavailable());
    assert!(matches!(memory.read(&[key()]).unwrap()[..], [Cell::Vacant(Vacancy::Nothing)]));
    faults.clear();
    store.begin(Nonce::fresh(), &[&key()], TTL, Recall::Announced).unwrap();
}

#[test]
fn what_fails_after_is_executed() {
    let (store, faults, memory) = disturbed();
    faults.after(Operation::Begin).fail(Failure::TimedOut);
    assert!(store.begin(Nonce::fresh(), &[&key()], TTL, Recall::Announced).unwrap_err().is_timeout());
    assert!(matches!(memory.read(&[key()]).unwrap()[..], [Cell::InDoubt]));
}

#[test]
fn only_the_named_operation_fails_and_only_the_nth_time() {
    let (store, faults, _memory) = disturbed();
    faults.before(Operation::Read).nth(2).fail(Failure::Refused);
    store.settle(None, &[&key()]).unwrap();
    store.read(&[key()]).unwrap();
    assert!(store.read(&[key()]).unwrap_err().is_refused());
    store.read(&[key()]).unwrap();
}

#[test]
fn a_hook_may_use_the_store_and_the_faults() {
    let (store, faults, _memory) = disturbed();
    let (store, n_runs) = (Arc::new(store), Arc::new(AtomicUsize::new(0)));
    let (inner, counter, clearer) = (Arc::clone(&store), Arc::clone(&n_runs), faults.clone());
    faults.after(Operation::Read).run(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        clearer.clear();
        inner.read(&[key()]).unwrap();
    });
    store.read(&[key()]).unwrap();
    assert_eq!(n_runs.load(Ordering::SeqCst), 1);
}

#[test]
fn an_operation_waits_at_a_gate_until_it_opens() {
    let (store, faults, memory) = disturbed();
    let gate = faults.before(Operation::Begin).hold();
    thread::scope(|scope| {
        let writer = scope.spawn(|| store.begin(Nonce::fresh(), &[&key()], TTL, Recall::Announced));
        gate.wait_for(1);
        assert!(matches!(memory.read(&[key()]).unwrap()[..], [Cell::Vacant(_)]));
        gate.open();
        writer.join().unwrap().unwrap();
    });
    assert!(matches!(memory.read(&[key()]).unwrap()[..], [Cell::InDoubt]));
}

#[test]
fn a_delay_changes_nothing_but_the_time() {
    let (store, faults, _memory) = disturbed();
    faults.everywhere().delay(42, Duration::from_micros(100));
    let lease = store.lease(&[(&key(), Vacancy::Nothing)], TTL).unwrap()[0].unwrap();
    assert_eq!(store.fill(&[Fill { key: &key(), lease, value: "seven".into(), ttl: TTL }]).unwrap(), [true]);
    assert_eq!(store.read(&[key()]).unwrap(), [Cell::Value("seven".into())]);
}
