//! Graphs by recursive queries, kept by their roots and emptied by edge.

mod random;
mod scene;
mod writers;

use diesel::prelude::*;
use larder::{Consistency, Node};

use self::scene::{Follow, Person, above, below, follow, follows, is_kept, path, shown, world};
use crate::site::Counts;

#[test]
fn what_can_be_come_to_is_found_once_by_a_shortest_way() {
    // 1 to 2 and 3, both to 4, which leads to 5 and back to 1; 9 is alone, and 5 leads to itself.
    let shop = world(9, &[(1, 2), (1, 3), (2, 4), (3, 4), (4, 5), (4, 1), (5, 5)]);
    let expected = [(2, 1, 1), (3, 1, 1), (4, 2, 2), (5, 4, 3)];
    assert_eq!(below(&shop.larder, 1), expected);
    assert_eq!(above(&shop.larder, 5), [(4, 5, 1), (2, 4, 2), (3, 4, 2), (1, 2, 3)]);
    assert!(below(&shop.larder, 9).is_empty() && below(&shop.larder, 77).is_empty());
    assert_eq!(path(&shop.larder, 1, 5), Some(vec![2, 4, 5]));
    assert_eq!(path(&shop.larder, 5, 1), None);
    assert_eq!((path(&shop.larder, 9, 9), path(&shop.larder, 9, 1)), (Some(vec![]), None));
    shop.meter.reset();
    assert_eq!(below(&shop.larder, 1), expected);
    // Where it was looked, what was found, and the rows.
    shop.meter.expect_counts(Counts { reads: 3, ..Counts::default() });
    assert_eq!(path(&shop.larder, 1, 5), Some(vec![2, 4, 5]));
    // All ways from a row come of one walk.
    assert_eq!(path(&shop.larder, 1, 3), Some(vec![3]));
    assert_eq!(shop.meter.counts().sql, 0);
    let people = Person::repository(&shop.larder);
    let graph = || people.graph(Follow::key_by_follower_id, Follow::key_by_followed_id);
    for (depth, n) in [(0, 0), (1, 2), (2, 3), (3, 4), (usize::MAX, 4)] {
        assert_eq!(graph().depth(depth).reachable_from(1).unwrap().len(), n);
        assert_eq!(graph().depth(depth).path(1, 5).unwrap().is_some(), depth >= 3);
    }
    assert_eq!(shown(graph().neighbours_of(1).unwrap()), [(2, 1, 1), (3, 1, 1)]);
    let first: Vec<Node<i64, Person>> = graph().limit(3).reachable_from(1).unwrap();
    assert_eq!(shown(first), expected[..3]);
    // A way leads on from where the nearest end.
    assert_eq!(graph().limit(3).path(1, 5).unwrap().map(|way| way.len()), Some(3));
    assert_eq!(graph().limit(3).path(1, 9).unwrap(), None);
}

#[test]
fn a_write_of_an_edge_empties_the_walks_that_its_beginning_is_in_and_no_others() {
    let shop = world(12, &[(1, 2), (2, 3), (10, 11)]);
    let other = shop.branch();
    let edges = Follow::repository(&other.larder);
    let kept = |root| is_kept(&shop, || drop(below(&shop.larder, root)));
    let unwritten = |root| {
        shop.meter.reset();
        below(&shop.larder, root);
        shop.meter.counts().sql == 0
    };
    assert!(kept(1) && kept(10) && kept(12));
    // What ends at a node has nothing to do with where one comes from there.
    edges.insert(follow(50, 12, 3)).unwrap();
    assert!(unwritten(1) && unwritten(10) && !unwritten(12));
    assert!(kept(12));
    // Another end, by which the beginning's list keeps its rows.
    edges.update(2, follows::followed_id.eq(4)).unwrap();
    assert!(unwritten(10) && unwritten(12));
    assert_eq!(below(&shop.larder, 1), [(2, 1, 1), (4, 2, 2)]);
    // Another beginning, in another walk.
    edges.update(2, follows::follower_id.eq(11)).unwrap();
    assert_eq!(below(&shop.larder, 1), [(2, 1, 1)]);
    assert_eq!(below(&shop.larder, 10), [(11, 10, 1), (4, 11, 2)]);
    assert!(kept(1) && kept(10));
    // From a node at the greatest depth nothing is gone on.
    let people = Person::repository(&shop.larder);
    let neighbours =
        || people.graph(Follow::key_by_follower_id, Follow::key_by_followed_id).neighbours_of(10).unwrap().len();
    assert!(is_kept(&shop, || assert!(neighbours() > 0)));
    edges.delete_forever(2).unwrap();
    shop.meter.reset();
    assert_eq!((neighbours(), shop.meter.counts().sql), (1, 0));
    assert_eq!(below(&shop.larder, 10), [(11, 10, 1)]);
    // A node's own columns are its own affair.
    assert!(kept(10));
    Person::repository(&other.larder).update(11, scene::people::name.eq("another")).unwrap();
    assert!(unwritten(10));
    assert_eq!(path(&shop.larder, 10, 4), None);
}

#[test]
fn no_way_leads_through_a_row_that_is_gone() {
    // Two ways from 1 to 4, of which the shorter one leads through 2.
    let shop = world(5, &[(1, 2), (2, 4), (1, 3), (3, 5), (5, 4)]);
    let people = Person::repository(&shop.larder);
    assert_eq!(path(&shop.larder, 1, 4), Some(vec![2, 4]));
    // Its edges stay: the row alone is deleted, past what it was declared to take along.
    people.update(2, scene::people::gone_at.eq(Some(crate::site::day(1)))).unwrap();
    assert_eq!(below(&shop.larder, 1), [(3, 1, 1), (5, 3, 2), (4, 5, 3)]);
    assert_eq!(path(&shop.larder, 1, 4), Some(vec![3, 5, 4]));
    assert_eq!(path(&shop.larder, 1, 2), None);
    shop.meter.reset();
    below(&shop.larder, 1);
    assert_eq!(shop.meter.counts().sql, 1, "as long as the edges of a deleted row are there");
    people.restore(2).unwrap();
    assert_eq!(path(&shop.larder, 1, 4), Some(vec![2, 4]));
    // They go with it.
    people.delete(2).unwrap();
    assert_eq!(path(&shop.larder, 1, 4), Some(vec![3, 5, 4]));
    assert!(is_kept(&shop, || drop(below(&shop.larder, 1))));
    let deleted = people.clone().with_deleted();
    let all = deleted.graph(Follow::key_by_follower_id, Follow::key_by_followed_id).reachable_from(1).unwrap();
    assert_eq!(shown(all), [(2, 1, 1), (3, 1, 1), (4, 2, 2), (5, 3, 2)]);
}

#[test]
fn in_a_transaction_and_without_caches_it_is_walked_once() {
    let shop = world(4, &[(1, 2), (2, 3)]);
    assert_eq!(below(&shop.larder, 1).len(), 2);
    let inside = shop.larder.transaction(|tx| {
        Follow::repository(tx).insert(follow(9, 3, 4))?;
        let people = Person::repository(tx);
        let graph = || people.graph(Follow::key_by_follower_id, Follow::key_by_followed_id);
        assert_eq!(shown(graph().reachable_from(1)?), [(2, 1, 1), (3, 2, 2), (4, 3, 3)]);
        assert_eq!(graph().path(1, 4)?.map(shown), Some(vec![(2, 1, 1), (3, 2, 2), (4, 3, 3)]));
        Err::<(), _>(larder::Error::other("on purpose"))
    });
    assert!(inside.is_err());
    assert_eq!((below(&shop.larder, 1).len(), path(&shop.larder, 1, 4)), (2, None));
    let people = Person::repository(&shop.larder).reading(Consistency::Database);
    let graph = || people.graph(Follow::key_by_follower_id, Follow::key_by_followed_id);
    shop.meter.reset();
    assert_eq!(shown(graph().reachable_from(1).unwrap()), [(2, 1, 1), (3, 2, 2)]);
    // The walk, and the rows.
    shop.meter.expect_counts(Counts { sql: 2, ..Counts::default() });
    assert_eq!(graph().path(1, 3).unwrap().map(shown), Some(vec![(2, 1, 1), (3, 2, 2)]));
}

#[test]
fn a_walk_ends_where_everybody_follows_everybody() {
    const N: i64 = 25;
    let all: Vec<_> = (0..N).flat_map(|from| (0..N).map(move |to| (from, to))).collect();
    let shop = world(N, &all);
    let people = Person::repository(&shop.larder);
    let graph = || people.graph(Follow::key_by_follower_id, Follow::key_by_followed_id).depth(usize::MAX);
    let found = graph().reachable_from(0).unwrap();
    assert!(found.len() as i64 == N - 1 && found.iter().all(|node| (node.from, node.depth) == (0, 1)));
    assert_eq!(graph().path(3, 7).unwrap().map(shown), Some(vec![(7, 3, 1)]));
}

#[test]
fn of_more_nodes_than_are_kept_ways_are_found_all_the_same() {
    // A row of 5,000 below 1, and 2 at the end of a way beside it.
    let shop = world(4, &[(1, 3), (3, 4), (4, 2)]);
    let people: Vec<_> = (1_001..6_001).map(|id| format!("({id}, 'one of many')")).collect();
    let edges: Vec<_> = (1_001..6_001).map(|id| format!("({id}, 1, {id})")).collect();
    shop.past(&format!("INSERT INTO people (id, name) VALUES {}", people.join(", ")));
    shop.past(&format!("INSERT INTO follows (id, follower_id, followed_id) VALUES {}", edges.join(", ")));
    let people = Person::repository(&shop.larder);
    let graph = || people.graph(Follow::key_by_follower_id, Follow::key_by_followed_id);
    assert_eq!(graph().reachable_from(1).unwrap().len(), 4_096);
    assert_eq!(graph().limit(10_000).reachable_from(1).unwrap().len(), 5_003);
    shop.meter.reset();
    assert_eq!(path(&shop.larder, 1, 2), Some(vec![3, 4, 2]));
    assert_eq!(path(&shop.larder, 1, 1_234), Some(vec![1_234]));
    Follow::repository(&shop.larder).delete(2).unwrap();
    assert_eq!(path(&shop.larder, 1, 2), None);
}
