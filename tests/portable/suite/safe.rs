//! Safe writes: versions, times, locks, soft deletion, what is done once, and many rows at a time.

mod locks;
mod many;
mod memory;
mod once;
mod soft;
mod versions;

use larder::once::up;

use crate::site::{Cost, Db, Doc, Ground as _, NewDoc, Shelf, Shop};

/// So many statements, the markers, and their end.
fn write(sql: usize) -> Cost {
    Cost { sql, store_reads: 0, store_writes: 2 }
}

/// A shop that keeps documents: shelf 1 with documents 1 to 3, called `doc 1` and so on, and shelf 2, which is a part of it and empty.
fn archive() -> Shop {
    let shop = Shop::new();
    shop.past(Db::ARCHIVE);
    shop.past(up(Db::KIND));
    let shelves = [(1, None), (2, Some(1))].map(|(id, parent_id)| Shelf { id, parent_id, gone_at: None });
    Shelf::repository(&shop.larder).insert_many(&shelves).unwrap();
    Doc::repository(&shop.larder).insert_many(&[1, 2, 3].map(doc)).unwrap();
    shop.meter.reset();
    shop
}

fn doc(id: i64) -> NewDoc {
    NewDoc { id, shelf_id: 1, name: format!("doc {id}") }
}

fn ids(docs: &[Doc]) -> Vec<i64> {
    docs.iter().map(|doc| doc.id).collect()
}
