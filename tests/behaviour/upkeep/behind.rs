//! Columns that are maintained by what is written behind.

use bigdecimal::BigDecimal;
use diesel::{QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, prelude::*, sql_query};
use larder::{
    Larder,
    behind::{Flusher, Options},
    buffer::MemoryBuffer,
};
use tests::Meter;

use super::tables::{BOOKS, Line, lines};

#[derive(QueryableByName)]
struct Total {
    #[diesel(sql_type = diesel::sql_types::Numeric)]
    lines_total: BigDecimal,
}

#[test]
fn what_a_maintained_column_refuses_is_a_dead_letter_and_the_rest_is_written() {
    let (database, meter) = (BOOKS.database(), Meter::new());
    let mut connection = database.connect();
    let rows = "INSERT INTO purchases (id, n_lines, lines_total) VALUES (1, 1, 10), (2, 1, 10), (3, 1, 10);
        INSERT INTO lines (purchase_id, number, quantity, price) VALUES (1, 1, 1, 10), (2, 1, 1, 10), (3, 1, 1, 10);
        ALTER TABLE purchases ADD CHECK (lines_total <= 1000)";
    connection.batch_execute(larder::behind::UP).unwrap();
    connection.batch_execute(rows).unwrap();
    let buffer = Options::on(MemoryBuffer::new("books")).with::<Line>();
    let larder = Larder::builder(database.pool(&meter, 4)).behind(buffer).build();
    let all = Line::repository(&larder).behind();
    for (purchase, quantity) in [(1, 1_000), (2, 3), (3, 1_000)] {
        all.update((purchase, 1), lines::quantity.eq(Some(quantity))).unwrap();
    }
    assert_eq!(Flusher::run_once(&larder).unwrap(), 3);
    let totals: Vec<Total> = sql_query("SELECT lines_total FROM purchases ORDER BY id").load(&mut connection).unwrap();
    let totals: Vec<String> =
        totals.into_iter().map(|total| total.lines_total.normalized().to_plain_string()).collect();
    assert_eq!(totals, ["10", "30", "10"]);
    let letters = larder.dead_letters().unwrap();
    assert_eq!(letters.list(10).unwrap().len(), 2);
}
