//! A table as a tree, by a reference to itself.

use diesel::ExpressionMethods as _;

use crate::site::{Cost, Db, Ground as _, Shelf, Shop, archive::shelves};

#[test]
fn a_tree_is_kept_by_its_root_and_follows_its_edges() {
    let shop = Shop::new();
    shop.past(Db::ARCHIVE);
    let edges = [(1, None), (2, Some(1)), (3, Some(2)), (4, Some(2)), (5, Some(4)), (6, None)];
    let rows = edges.map(|(id, parent_id)| Shelf { id, parent_id, gone_at: None });
    Shelf::repository(&shop.larder).insert_many(&rows).unwrap();
    let other = shop.branch();
    let (here, there) = (Shelf::repository(&shop.larder), Shelf::repository(&other.larder));
    let below = |root: i64| {
        let found = there.tree(Shelf::key_by_parent_id).descendants_of(root).unwrap();
        let mut nodes: Vec<_> = found.into_iter().map(|node| (node.row.id, node.from, node.depth)).collect();
        nodes.sort_unstable();
        nodes
    };
    assert_eq!(below(1), [(2, 1, 1), (3, 2, 2), (4, 2, 2), (5, 4, 3)]);
    other.meter.reset();
    assert_eq!(below(1), [(2, 1, 1), (3, 2, 2), (4, 2, 2), (5, 4, 3)]);
    assert_eq!(other.meter.counts().sql, 0, "it was kept: {}", other.meter.log());
    let above = there.tree(Shelf::key_by_parent_id).ancestors_of(5).unwrap();
    assert_eq!(above.iter().map(|node| (node.row.id, node.depth)).collect::<Vec<_>>(), [(4, 1), (2, 2), (1, 3)]);
    let shallow = there.tree(Shelf::key_by_parent_id).depth(1).descendants_of(2).unwrap();
    assert_eq!(shallow.iter().map(|node| node.row.id).collect::<Vec<_>>(), [3, 4]);
    // An edge moves, and who reads next has the new tree.
    here.update(4, shelves::parent_id.eq(6)).unwrap();
    assert_eq!(below(1), [(2, 1, 1), (3, 2, 2)]);
    assert_eq!(below(6), [(4, 6, 1), (5, 4, 2)]);
    // A row that is its own ancestor ends it.
    here.update(6, shelves::parent_id.eq(5)).unwrap();
    assert_eq!(below(6).iter().map(|(id, ..)| *id).filter(|id| [4, 5].contains(id)).count(), 2);
    shop.meter.reset();
    assert_eq!(here.find(1).unwrap().unwrap().id, 1);
    shop.meter.expect(Cost { sql: 0, store_reads: 1, store_writes: 0 });
}
