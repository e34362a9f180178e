//! What watches over a database and its caches: the doctor, and the comparison of the store with the tables.

use larder::{
    Models,
    doctor::{self, Kind},
};

use crate::site::{Db, Doc, File, Ground as _, Order, OrderItem, Shelf, Shop, User};

fn models() -> Models<Db> {
    Models::new().with::<User>().with::<Order>().with::<OrderItem>().with::<Shelf>().with::<Doc>().with::<File>()
}

#[test]
fn the_doctor_passes_a_fit_database_and_finds_what_was_taken_away() {
    let shop = Shop::new();
    shop.past(Db::ARCHIVE);
    doctor::assert_healthy(&mut shop.connect(), &models());
    shop.past("DROP TABLE order_items; ALTER TABLE docs DROP COLUMN n_reads");
    let report = doctor::examine(&mut shop.connect(), &models()).unwrap();
    // A table that is not there is called as it is quoted in statements.
    let name = |table: &str| table.trim_matches(['"', '`']).to_owned();
    let found: Vec<_> = report.findings.iter().map(|finding| (finding.kind, name(&finding.table))).collect();
    assert!(found.contains(&(Kind::TableMissing, "order_items".into())), "{report}");
    assert!(found.contains(&(Kind::ColumnMissing, "docs".into())), "{report}");
    assert!(!report.is_healthy());
}

#[test]
fn a_comparison_of_store_and_tables_finds_the_cell_that_is_wrong() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let models = Models::new().with::<User>();
    User::repository(&shop.larder).find_many(&[ada.id, bob.id]).unwrap();
    let report = shop.larder.verify(&models).run().unwrap();
    assert!(report.n_values >= 2 && report.mismatches.is_empty(), "{report:?}");
    shop.past(&format!("UPDATE users SET email = 'past@larder' WHERE id = {}", Db::id(ada.id)));
    let report = shop.larder.verify(&models).run().unwrap();
    assert_eq!(report.mismatches.len(), 1, "{report:?}");
}
