//! Writers on several threads and two handles, all below one root: what has returned is seen.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use super::scene::{Follow, below, follow, path, world};

const WRITERS: i64 = 3;
const EDITS: i64 = 25;

#[test]
fn whoever_asks_after_an_edge_was_written_sees_it_while_others_write_below_the_same_root() {
    // 0 leads to each writer, who leads to a person and away again.
    let edges: Vec<_> = (1..=WRITERS).map(|writer| (0, writer)).collect();
    let shop = world(2 * WRITERS, &edges);
    let other = shop.branch();
    let (is_done, n_reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let readers: Vec<_> = [&shop.larder, &other.larder]
            .map(|larder| {
                scope.spawn(|| {
                    while !is_done.load(Ordering::SeqCst) {
                        let found = below(larder, 0);
                        assert!(is_all_of_a_moment(&found), "{found:?}");
                        n_reads.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .into();
        let writers: Vec<_> = (1..=WRITERS)
            .map(|writer| {
                let larders = [&shop.larder, &other.larder];
                scope.spawn(move || {
                    let person = writer + WRITERS;
                    for edit in 0..EDITS {
                        let [one, another] = if edit % 2 == 0 { larders } else { [larders[1], larders[0]] };
                        let id = 100 + writer * 1_000 + edit;
                        Follow::repository(one).insert(follow(id, writer, person)).unwrap();
                        let found = below(another, 0);
                        assert!(found.contains(&(person, writer, 2)), "writer {writer}, edit {edit}: {found:?}");
                        assert_eq!(path(one, 0, person), Some(vec![writer, person]));
                        Follow::repository(another).delete(id).unwrap();
                        let found = below(one, 0);
                        assert!(!found.iter().any(|(id, ..)| *id == person), "writer {writer}, edit {edit}: {found:?}");
                        assert_eq!(path(another, 0, person), None);
                    }
                })
            })
            .collect();
        let written: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        is_done.store(true, Ordering::SeqCst);
        assert!(written.iter().all(Result::is_ok), "a writer did not see what it had written");
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    assert!(n_reads.into_inner() > 0);
    assert!(below(&shop.larder, 0).iter().map(|(id, ..)| *id).eq(1..=WRITERS));
}

/// All writers are below the root, and each of them may have a person at the moment.
fn is_all_of_a_moment(found: &[(i64, i64, usize)]) -> bool {
    let ids: Vec<_> = found.iter().map(|(id, ..)| *id).collect();
    (1..=WRITERS).all(|writer| ids.contains(&writer)) && ids.iter().all(|id| (1..=2 * WRITERS).contains(id))
}
