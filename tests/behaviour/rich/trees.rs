//! Trees by recursive queries, kept by their roots and emptied by edge.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use larder::{Consistency, Node, Repository};
use tests::Counts;

use super::World;

pub(super) const TABLES: &str = "CREATE TABLE places (id bigint PRIMARY KEY, parent_id bigint, name text NOT NULL); CREATE INDEX ON places (parent_id);";

diesel::table! {
    places (id) {
        id -> BigInt,
        parent_id -> Nullable<BigInt>,
        name -> Text,
    }
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Identifiable, Repository)]
#[diesel(table_name = places, check_for_backend(diesel::pg::Pg))]
#[larder(index(parent_id))]
struct Place {
    id: i64,
    parent_id: Option<i64>,
    name: String,
}

fn place(id: i64, parent_id: impl Into<Option<i64>>) -> Place {
    Place { id, parent_id: parent_id.into(), name: format!("place {id}") }
}

fn world(edges: &[(i64, Option<i64>)]) -> World {
    let world = World::new();
    let places: Vec<_> = edges.iter().map(|(id, parent)| place(*id, *parent)).collect();
    Place::repository(&world.larders[0]).insert_many(&places).unwrap();
    world
}

/// What was found: the node, from where, and how deep.
fn shown(nodes: Vec<Node<i64, Place>>) -> Vec<(i64, i64, usize)> {
    nodes.into_iter().map(|node| (node.row.id, node.from, node.depth)).collect()
}

fn below(world: &World, at: usize, root: i64) -> Vec<(i64, i64, usize)> {
    shown(Place::repository(&world.larders[at]).tree(Place::key_by_parent_id).descendants_of(root).unwrap())
}

fn above(world: &World, at: usize, of: i64) -> Vec<(i64, i64, usize)> {
    shown(Place::repository(&world.larders[at]).tree(Place::key_by_parent_id).ancestors_of(of).unwrap())
}

fn moved(world: &World, at: usize, id: i64, to: Option<i64>) {
    Place::repository(&world.larders[at]).update(id, places::parent_id.eq(to)).unwrap();
}

/// Whether asking again sends no statement.
fn is_kept(world: &World, ask: impl Fn()) -> bool {
    ask();
    world.meters[0].reset();
    ask();
    world.meters[0].counts().sql == 0
}

#[test]
fn what_lies_below_and_above_a_row_is_found_with_its_depth() {
    let world = world(&[(1, None), (2, Some(1)), (3, Some(1)), (4, Some(3)), (5, Some(4)), (9, None)]);
    let expected = [(2, 1, 1), (3, 1, 1), (4, 3, 2), (5, 4, 3)];
    assert_eq!(below(&world, 0, 1), expected);
    assert_eq!(above(&world, 0, 5), [(4, 5, 1), (3, 4, 2), (1, 3, 3)]);
    assert!(below(&world, 0, 9).is_empty() && above(&world, 0, 9).is_empty() && below(&world, 0, 77).is_empty());
    world.meters[0].reset();
    assert_eq!(below(&world, 0, 1), expected);
    // Where it was looked, what was found, and the rows.
    world.meters[0].expect_counts(Counts { reads: 3, ..Counts::default() });
    let places = Place::repository(&world.larders[0]);
    for (depth, n) in [(0, 0), (1, 2), (2, 3)] {
        assert_eq!(places.tree(Place::key_by_parent_id).depth(depth).descendants_of(1).unwrap().len(), n);
        assert_eq!(places.tree(Place::key_by_parent_id).depth(depth).ancestors_of(5).unwrap().len(), depth);
    }
}

#[test]
fn a_write_of_an_edge_empties_the_results_that_it_is_in_and_no_others() {
    let world = world(&[(1, None), (2, Some(1)), (3, Some(2)), (10, None), (11, Some(10)), (20, None)]);
    let ask = |root| below(&world, 0, root).len();
    let kept = |root| is_kept(&world, || drop(below(&world, 0, root)));
    assert_eq!([1, 10, 20].map(ask), [2, 1, 0]);
    assert!(kept(1) && kept(10) && kept(20));
    let unwritten = |root: i64| {
        world.meters[0].reset();
        below(&world, 0, root);
        world.meters[0].counts().sql == 0
    };
    // A leaf of the first comes under a leaf of the second: by another process.
    moved(&world, 1, 3, Some(11));
    assert!(unwritten(20));
    assert_eq!(below(&world, 0, 1), [(2, 1, 1)]);
    assert_eq!(below(&world, 0, 10), [(11, 10, 1), (3, 11, 2)]);
    assert!(kept(1) && kept(10));
    // What grows below a node that was new itself.
    Place::repository(&world.larders[1]).insert(place(30, 3)).unwrap();
    assert!(unwritten(1) && unwritten(20));
    assert_eq!(below(&world, 0, 10).last(), Some(&(30, 3, 3)));
    assert!(kept(10));
    Place::repository(&world.larders[1]).delete(30).unwrap();
    assert_eq!(below(&world, 0, 10).len(), 2);
    // Another name is the row's own affair.
    assert!(kept(10));
    Place::repository(&world.larders[1]).update(10, places::name.eq("another")).unwrap();
    assert!(unwritten(10));
    assert_eq!(above(&world, 0, 3), [(11, 3, 1), (10, 11, 2)]);
    moved(&world, 1, 11, Some(20));
    assert_eq!(above(&world, 0, 3), [(11, 3, 1), (20, 11, 2)]);
}

#[test]
fn references_in_a_circle_are_gone_along_once() {
    let world = world(&[(1, Some(3)), (2, Some(1)), (3, Some(2)), (4, Some(3)), (5, Some(5)), (6, Some(5))]);
    assert_eq!(below(&world, 0, 1), [(2, 1, 1), (3, 2, 2), (4, 3, 3)]);
    assert_eq!(above(&world, 0, 4), [(3, 4, 1), (2, 3, 2), (1, 2, 3)]);
    assert_eq!(below(&world, 0, 5), [(6, 5, 1)]);
    assert!(above(&world, 0, 5).is_empty());
    // There is no other end to it.
    let places = Place::repository(&world.larders[0]);
    let all = places.tree(Place::key_by_parent_id).depth(usize::MAX).ancestors_of(4).unwrap();
    assert_eq!(shown(all), [(3, 4, 1), (2, 3, 2), (1, 2, 3)]);
}

#[test]
fn a_tree_that_is_not_kept_is_walked_once() {
    let world = world(&[(1, None), (2, Some(1)), (3, Some(2))]);
    let places = Place::repository(&world.larders[0]).reading(Consistency::Database);
    world.meters[0].reset();
    assert_eq!(shown(places.tree(Place::key_by_parent_id).descendants_of(1).unwrap()), [(2, 1, 1), (3, 2, 2)]);
    // The walk, and the rows.
    world.meters[0].expect_counts(Counts { sql: 2, ..Counts::default() });
}

#[test]
fn in_a_transaction_it_is_the_transactions_own() {
    let world = world(&[(1, None), (2, Some(1))]);
    assert_eq!(below(&world, 0, 1).len(), 1);
    let inside = world.larders[0].transaction(|tx| {
        let places = Place::repository(tx);
        places.insert(place(3, 2))?;
        let nodes = places.tree(Place::key_by_parent_id).descendants_of(1)?;
        assert_eq!(shown(nodes), [(2, 1, 1), (3, 2, 2)]);
        Err::<(), _>(larder::Error::other("on purpose"))
    });
    assert!(inside.is_err());
    assert_eq!(below(&world, 0, 1), [(2, 1, 1)]);
}

/// A walk over a map, as anybody would write it.
fn naive(parents: &BTreeMap<i64, Option<i64>>, root: i64) -> Vec<(i64, i64, usize)> {
    let (mut found, mut level, mut seen) = (Vec::new(), BTreeSet::from([root]), BTreeSet::from([root]));
    for depth in 1..=100 {
        let next: Vec<_> = parents
            .iter()
            .filter_map(|(id, parent)| Some((*id, (*parent)?)))
            .filter(|(id, parent)| level.contains(parent) && !seen.contains(id))
            .collect();
        level = next.iter().map(|(id, _)| *id).collect();
        seen.extend(&level);
        found.extend(next.into_iter().map(|(id, parent)| (id, parent, depth)));
    }
    found
}

fn naive_up(parents: &BTreeMap<i64, Option<i64>>, from: i64) -> Vec<(i64, i64, usize)> {
    let (mut found, mut at, mut seen) = (Vec::new(), from, BTreeSet::from([from]));
    while let Some(Some(parent)) = parents.get(&at).copied()
        && seen.insert(parent)
    {
        found.push((parent, at, found.len() + 1));
        at = parent;
    }
    found
}

#[test]
fn after_random_edits_by_two_processes_both_see_what_a_naive_walk_sees() {
    const NODES: i64 = 12;
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut parents: BTreeMap<i64, Option<i64>> = (0..NODES).map(|id| (id, None)).collect();
    let world = world(&parents.iter().map(|(id, parent)| (*id, *parent)).collect::<Vec<_>>());
    for step in 0..250 {
        let (at, id) = (random.usize(..2), random.i64(0..NODES));
        let parent = random.bool().then(|| random.i64(0..NODES));
        let places = Place::repository(&world.larders[at]);
        match parents.get(&id) {
            Some(_) if random.u8(..6) == 0 => {
                places.delete(id).unwrap();
                parents.remove(&id);
            }
            Some(_) => {
                moved(&world, at, id, parent);
                parents.insert(id, parent);
            }
            None => {
                places.insert(place(id, parent)).unwrap();
                parents.insert(id, parent);
            }
        }
        for _ in 0..3 {
            let (at, root) = (random.usize(..2), random.i64(0..NODES));
            // A parent that is gone leads nowhere.
            let there: BTreeMap<_, _> = parents.clone();
            assert_eq!(below(&world, at, root), naive(&there, root), "seed {seed}, step {step}, below {root}");
            let up: Vec<_> = naive_up(&there, root).into_iter().filter(|(id, ..)| there.contains_key(id)).collect();
            assert_eq!(above(&world, at, root), up, "seed {seed}, step {step}, above {root}");
        }
    }
    // Most of them were not asked of the database.
    let (mut n_kept, mut n) = (0, 0);
    for root in 0..NODES {
        n += 1;
        n_kept += usize::from(is_kept(&world, || drop(below(&world, 0, root))));
    }
    assert_eq!(n_kept, n, "what nobody writes is kept");
}
