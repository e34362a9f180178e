//! Random edits by two handles, whose answers are compared with a walk over a map, as anybody would write it.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use larder::Error;

use super::scene::{Follow, Person, above, below, follow, follows, is_kept, path, world};

const PEOPLE: i64 = 9;
const EDGES: i64 = 16;
/// As deep as is gone by default.
const DEPTH: usize = 6;

/// The graph, as it should be.
#[derive(Default)]
struct Naive {
    gone: BTreeSet<i64>,
    edges: BTreeMap<i64, (i64, i64)>,
    /// Edges that can be restored.
    deleted: BTreeMap<i64, (i64, i64)>,
}

impl Naive {
    fn steps(&self, backwards: bool) -> impl Iterator<Item = (i64, i64)> {
        self.edges.values().map(move |(from, to)| if backwards { (*to, *from) } else { (*from, *to) })
    }

    fn reach(&self, root: i64, backwards: bool) -> Vec<(i64, i64, usize)> {
        let (mut found, mut level, mut seen) = (Vec::new(), BTreeSet::from([root]), BTreeSet::from([root]));
        for depth in 1..=DEPTH {
            let mut next = BTreeMap::<i64, i64>::new();
            for (from, to) in self.steps(backwards) {
                if level.contains(&from) && !seen.contains(&to) && !self.gone.contains(&to) {
                    let least = next.entry(to).or_insert(from);
                    *least = from.min(*least);
                }
            }
            level = next.keys().copied().collect();
            seen.extend(&level);
            found.extend(next.into_iter().map(|(to, from)| (to, from, depth)));
        }
        found
    }

    fn path(&self, from: i64, to: i64) -> Option<Vec<i64>> {
        let steps: BTreeMap<_, _> = self.reach(from, false).into_iter().map(|(to, from, _)| (to, from)).collect();
        let (mut way, mut at) = (Vec::new(), to);
        while at != from {
            way.push(at);
            at = *steps.get(&at)?;
        }
        way.reverse();
        Some(way)
    }

    /// A row goes softly, and its edges with it.
    fn delete_person(&mut self, id: i64) {
        self.gone.insert(id);
        let (gone, stay): (BTreeMap<_, _>, _) =
            std::mem::take(&mut self.edges).into_iter().partition(|(_, (from, to))| *from == id || *to == id);
        self.edges = stay;
        self.deleted.extend(gone);
    }
}

#[test]
fn after_random_edits_by_two_handles_both_see_what_a_naive_walk_sees() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let shop = world(PEOPLE, &[]);
    let other = shop.branch();
    let larders = [&shop.larder, &other.larder];
    let mut naive = Naive::default();
    for step in 0..250 {
        let larder = larders[random.usize(..2)];
        let (edges, people) = (Follow::repository(larder), Person::repository(larder));
        let (id, from, to) = (random.i64(1..=EDGES), random.i64(0..=PEOPLE), random.i64(0..=PEOPLE));
        match (random.u8(..12), naive.edges.get(&id).copied()) {
            (0, _) if !naive.gone.contains(&from) => {
                people.delete(from).unwrap();
                naive.delete_person(from);
            }
            (0 | 1, _) => {
                if naive.gone.remove(&from) {
                    people.restore(from).unwrap();
                }
            }
            // The row alone, whose edges stay.
            (2, _) if random.bool() => {
                people
                    .update_where(
                        super::scene::people::id.eq(from),
                        super::scene::people::gone_at.eq(Some(crate::site::day(1))),
                    )
                    .unwrap();
                naive.gone.insert(from);
            }
            (3, _) => {
                let moved = edges.update_where(follows::followed_id.eq(from), follows::followed_id.eq(to)).unwrap();
                for edge in moved {
                    naive.edges.insert(edge.id, (edge.follower_id, to));
                }
            }
            (4, _) => {
                let rolled_back = larder.transaction(|tx| {
                    Follow::repository(tx).delete_where(follows::follower_id.eq(from))?;
                    Follow::repository(tx).insert(follow(1_000 + id, from, to))?;
                    Err::<(), _>(Error::other("on purpose"))
                });
                assert!(rolled_back.is_err());
            }
            (5, Some(edge)) => {
                edges.delete(id).unwrap();
                naive.edges.remove(&id);
                naive.deleted.insert(id, edge);
            }
            (6, Some(_)) => {
                edges.delete_forever(id).unwrap();
                naive.edges.remove(&id);
            }
            (7, Some((_, to))) => {
                edges.update(id, follows::follower_id.eq(from)).unwrap();
                naive.edges.insert(id, (from, to));
            }
            (_, Some((from, _))) => {
                edges.update(id, follows::followed_id.eq(to)).unwrap();
                naive.edges.insert(id, (from, to));
            }
            (_, None) => match naive.deleted.remove(&id) {
                Some(edge) => {
                    edges.restore(id).unwrap();
                    naive.edges.insert(id, edge);
                }
                None => {
                    edges.insert(follow(id, from, to)).unwrap();
                    naive.edges.insert(id, (from, to));
                }
            },
        }
        for _ in 0..3 {
            let (larder, root, to) = (larders[random.usize(..2)], random.i64(0..=PEOPLE), random.i64(0..=PEOPLE));
            let what = format!("seed {seed}, step {step}, from {root} to {to}");
            assert_eq!(below(larder, root), naive.reach(root, false), "{what}");
            assert_eq!(above(larder, root), naive.reach(root, true), "{what}");
            assert_eq!(path(larder, root, to), naive.path(root, to), "{what}");
        }
    }
    // Where no deleted row is in the way, nothing was asked of the database.
    for id in naive.gone {
        Person::repository(&shop.larder).restore(id).unwrap();
    }
    assert!((0..=PEOPLE).all(|root| is_kept(&shop, || drop(below(&shop.larder, root)))), "seed {seed}");
}
