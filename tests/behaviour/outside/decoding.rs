//! Changed rows, as the cells that they are in.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use diesel::{connection::SimpleConnection as _, pg::Pg, prelude::*, sql_query, sql_types};
use larder::{
    Larder, MemoryStore, Models,
    store::{CellKey, Layout, Operation, Watched},
};
use tests::{Database, Meter};

use super::parts::{PARTS, Part, Path, parts};

#[derive(QueryableByName)]
pub(crate) struct Json {
    #[diesel(sql_type = sql_types::Text)]
    pub(crate) json: String,
}

/// The row with that word, as PostgreSQL writes it in JSON.
fn json(connection: &mut PgConnection, word: &str) -> String {
    let statement = r#"SELECT to_jsonb(p)::text AS json FROM "Odd"."All 'Parts'" AS p WHERE "select" = $1"#;
    sql_query(statement).bind::<sql_types::Text, _>(word).get_result::<Json>(connection).unwrap().json
}

/// The cells that a row's finders fill.
fn cells_of_finders(database: &Database, row: &Part) -> BTreeSet<CellKey> {
    let filled = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&filled);
    let store = Watched::new(MemoryStore::new(), move |operation, keys: &[&CellKey]| {
        if operation == Operation::Fill {
            seen.lock().unwrap().extend(keys.iter().map(|key| (*key).clone()));
        }
    });
    let larder = Larder::builder(database.pool(&Meter::new(), 1)).shared(store).fill_in_background(false).build();
    let repository = Part::repository(&larder);
    assert_eq!(repository.get((row.id, row.line)).unwrap(), *row);
    let mut found = vec![
        repository.find_by_word(row.word.clone()).unwrap(),
        repository.find_by_price(row.price.clone()).unwrap(),
        repository.find_by_raw(row.raw.clone()).unwrap(),
        repository.find_by_instant(row.instant).unwrap(),
        repository.list_by_day_and_mood(row.day, row.mood).load().unwrap().pop(),
        repository.list_by_letters(row.letters.clone()).load().unwrap().pop(),
    ];
    found.extend(row.big.map(|big| repository.find_by_big(big).unwrap()));
    found.extend(
        row.flag
            .map(|flag| repository.list_by_plain_and_flag_and_small(row.plain, flag, row.small).load().unwrap().pop()),
    );
    assert!(found.iter().all(|found| found.as_ref() == Some(row)), "{row:?} is {found:?}");
    let mut cells = filled.lock().unwrap().clone();
    cells.insert(CellKey::new(&b"Odd.All 'Parts':*"[..], Layout::STAMP));
    cells
}

#[test]
fn a_changed_row_is_in_the_very_cells_that_finders_fill() {
    let database = PARTS.database();
    let (writer, relay) = (&mut database.connect(), &mut database.connect());
    // Whoever writes may have settings of his own, and whoever reads it others.
    let settings = "SET DateStyle = 'German, DMY'; SET TimeZone = 'Asia/Kathmandu'; SET bytea_output = escape;
        SET extra_float_digits = -15; SET IntervalStyle = iso_8601";
    writer.batch_execute(settings).unwrap();
    let models = Models::<Pg>::new().with::<Part>();
    let name = models.names().next().unwrap();
    assert_eq!(name, "Odd.All 'Parts'");
    for seed in 0..200 {
        let row = Part::drawn(seed);
        diesel::insert_into(parts::table).values(&row).execute(writer).unwrap();
        let changed = format!("[{}]", json(writer, &row.word));
        let cells = models.cells_of(relay, name, &changed).unwrap().unwrap();
        let finders = cells_of_finders(&database, &row);
        assert_eq!(cells.into_iter().collect::<BTreeSet<_>>(), finders, "seed {seed}: {changed}");
        diesel::delete(parts::table).execute(writer).unwrap();
    }
}

#[test]
fn a_cell_that_several_rows_are_in_is_told_once() {
    let database = PARTS.database();
    let connection = &mut database.connect();
    let models = Models::<Pg>::new().with::<Part>();
    let first = Part::drawn(1);
    let rows = [Part { letters: first.letters.clone(), ..Part::drawn(2) }, first];
    diesel::insert_into(parts::table).values(&rows[..]).execute(connection).unwrap();
    let [one, two] = rows.each_ref().map(|row| json(connection, &row.word));
    let mut n_cells = |changed: String| {
        let name = models.names().next().unwrap();
        models.cells_of(connection, name, &changed).unwrap().unwrap().len()
    };
    let apart = n_cells(format!("[{one}]")) + n_cells(format!("[{two}]"));
    assert_eq!(n_cells(format!("[{one}, {two}, {one}]")), apart - 2, "and the table's");
    assert_eq!(n_cells("[]".to_owned()), 0);
}

#[test]
fn a_table_may_have_the_name_of_a_type_and_a_column_that_of_an_alias() {
    let database = PARTS.database();
    let models = Models::<Pg>::new().with::<Path>();
    let cells =
        models.cells_of(&mut database.connect(), "path", r#"[{"id": 7, "larder_row": null}]"#).unwrap().unwrap();
    assert_eq!(cells.iter().map(ToString::to_string).collect::<Vec<_>>(), ["path:*", "path:id:7"]);
}

#[test]
fn what_can_not_be_read_may_be_any_row() {
    let database = PARTS.database();
    let connection = &mut database.connect();
    let models = Models::<Pg>::new().with::<Part>();
    let name = models.names().next().unwrap();
    let row = Part::drawn(3);
    diesel::insert_into(parts::table).values(&row).execute(connection).unwrap();
    let whole = json(connection, &row.word);
    let odd = [
        // Without a column that is in a key.
        whole.replacen(r#""raw""#, r#""rawer""#, 1),
        // Of a type that the column no longer has.
        whole.replacen(&format!(r#""line": {}"#, row.line), r#""line": "first""#, 1),
        // Not even an object.
        "7".to_owned(),
    ];
    connection
        .transaction(|connection| {
            for odd in odd {
                assert_ne!(odd, whole);
                assert_eq!(models.cells_of(connection, name, &format!("[{whole}, {odd}]"))?, None, "{odd}");
            }
            assert_eq!(models.cells_of(connection, name, &whole)?, None, "no array");
            assert_eq!(models.cells_of(connection, name, "[")?, None, "no JSON");
            assert_eq!(models.cells_of(connection, "users", "[]")?, None, "no model");
            // The transaction around it has not suffered.
            assert!(models.cells_of(connection, name, &format!("[{whole}]"))?.is_some());
            diesel::result::QueryResult::Ok(())
        })
        .unwrap();
}

#[test]
fn a_lost_connection_is_an_error_and_not_any_row() {
    let database = PARTS.database();
    let models = Models::<Pg>::new().with::<Part>();
    let name = models.names().next().unwrap();
    let end_others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";

    let connection = &mut database.connect();
    database.connect().batch_execute(end_others).unwrap();
    let cells = models.cells_of(connection, name, "[]");
    assert!(cells.is_err(), "{cells:?}");

    let connection = &mut database.connect();
    let done = connection.transaction(|connection| {
        database.connect().batch_execute(end_others)?;
        models.cells_of(connection, name, "[]")
    });
    assert!(done.is_err(), "{done:?}");
}
