//! What the doctor's advice is worth on a real purchase history: `cargo xtask bench doctor`.
//!
//! The indexes that the models need are dropped, the doctor says what is missing, and what it advises is made. Before and after,
//! the database runs the statements that larder sends, and says itself how long that took and what it has read.

#![expect(clippy::print_stdout, reason = "a program that prints tables")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench that fails here should")]

use std::{fs::File, io::BufReader, path::Path, sync::atomic::AtomicBool};

use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, pg::Pg, prelude::*, sql_query, sql_types::Text};
use larder::{
    MemoryStore, Models, Repository,
    doctor::{Doctor, Report},
};
use shop_core::{Order, OrderItem, User, UserStats, UserVisits, schema::orders};
use shop_import::{batch::Batches, counters::Counters, import, parse::Reader};
use tests::SHOP;
use uuid::Uuid;

/// What a back office would add: the latest orders of a status, of which each has thousands.
#[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = orders, check_for_backend(diesel::pg::Pg))]
#[larder(name = "orders_by_status", index(status; order = created_at.desc()))]
struct Listed {
    id: Uuid,
    status: String,
    created_at: chrono::DateTime<chrono::Utc>,
}

fn models() -> Models<Pg> {
    let models = Models::new().with::<User>().with::<Order>().with::<OrderItem>();
    models.with::<UserStats>().with::<UserVisits>().with::<Listed>()
}

/// How often each is run: the middle one is told.
const RUNS: usize = 51;

fn main() {
    let database = SHOP.database();
    let larder = Counters::default().handle(database.url(), MemoryStore::with_capacity_bytes(64 << 20)).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cdnow.csv");
    let batches = Batches::new(Reader::new(BufReader::new(File::open(path).unwrap())).unwrap(), 2_000);
    let imported = import::import(batches, &larder, &AtomicBool::new(false), |_, _| ()).unwrap();
    let mut connection = database.connect();
    // VACUUM works in no transaction, and several statements that are sent at once are one.
    for sql in
        ["DROP INDEX orders_user_id_idx, orders_status_idx", "REFRESH MATERIALIZED VIEW user_stats", "VACUUM ANALYZE"]
    {
        sql_query(sql).execute(&mut connection).unwrap();
    }
    println!("{} orders of {} users\n", imported.figures.n_orders, imported.figures.n_users);

    let report = examine(&mut connection);
    println!("{report}");
    let before = measured(&mut connection, &report);
    for mend in report.findings.iter().flat_map(|finding| &finding.mend) {
        sql_query(&mend.up).execute(&mut connection).unwrap();
    }
    sql_query("VACUUM ANALYZE").execute(&mut connection).unwrap();
    let after = measured(&mut connection, &report);
    let left = examine(&mut connection);
    println!("| statement | without: ms | rows read | pages | with: ms | rows read | pages | faster |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for ((what, one), (_, two)) in before.iter().zip(&after) {
        let Cost { ms, rows, pages } = one;
        println!(
            "| {what} | {ms:.3} | {rows} | {pages} | {:.3} | {} | {} | {:.0} x |",
            two.ms,
            two.rows,
            two.pages,
            ms / two.ms
        );
    }
    println!("\nafterwards:\n{left}");
}

fn examine(connection: &mut PgConnection) -> Report {
    Doctor::new(&models()).examine(connection).unwrap()
}

/// What a statement has cost the server.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    ms: f64,
    /// Rows that were looked at where they are, whether they were given or not.
    rows: u64,
    /// Of 8 KiB, in memory or not.
    pages: u64,
}

fn measured(connection: &mut PgConnection, report: &Report) -> Vec<(String, Cost)> {
    let mut costs = Vec::new();
    for lookup in report.lookups.iter().filter(|lookup| lookup.model.starts_with("orders")) {
        let sql = lookup.sql.as_ref().unwrap();
        let by = lookup.by.join(", ");
        let what = format!("{} by {by}", lookup.model);
        let values: Vec<String> = (0..RUNS).map(|run| values(connection, lookup.by, run, sql)).collect();
        sql_query(format!("PREPARE measured AS {sql}")).execute(connection).unwrap();
        let runs = values.iter().map(|values| explained(connection, &format!("EXECUTE measured({values})")));
        costs.push((what, middle(runs.collect())));
        sql_query("DEALLOCATE measured").execute(connection).unwrap();
    }
    let runs = (0..RUNS).map(|run| {
        let user = values(connection, &["user_id"], run, "");
        explained(connection, &format!("DELETE FROM users WHERE id = {user}"))
    });
    costs.push(("deleting a user".to_owned(), middle(runs.collect())));
    costs
}

#[derive(QueryableByName)]
struct Drawn {
    #[diesel(sql_type = Text)]
    drawn: String,
}

/// The values of an order, always the same for a run, and the limit where the statement has one.
fn values(connection: &mut PgConnection, by: &[&str], run: usize, sql: &str) -> String {
    let columns: Vec<String> = by.iter().map(|column| format!("quote_literal({column})")).collect();
    let draw = format!(
        "SELECT {} AS drawn FROM (SELECT * FROM orders ORDER BY md5(id::text) OFFSET {run} LIMIT 1) AS o",
        columns.join(" || ', ' || ")
    );
    let mut drawn: Drawn = sql_query(draw).get_result(connection).unwrap();
    if sql.contains(&format!("${}", by.len() + 1)) {
        drawn.drawn += ", 257";
    }
    drawn.drawn
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

/// Runs a statement, and takes back what it did.
fn explained(connection: &mut PgConnection, sql: &str) -> Cost {
    let mut cost = Cost::default();
    let _ = connection.transaction::<(), _, _>(|connection| {
        // As the plan that is kept for a statement which is sent again and again.
        sql_query("SET LOCAL plan_cache_mode = force_generic_plan").execute(connection)?;
        let lines: Vec<Line> = sql_query(format!("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {sql}")).load(connection)?;
        cost = read(&lines);
        Err(diesel::result::Error::RollbackTransaction)
    });
    assert!(cost.ms > 0.0, "{sql}");
    cost
}

fn read(lines: &[Line]) -> Cost {
    let mut cost = Cost::default();
    let number = |text: &str| -> f64 {
        let digits: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        digits.parse().unwrap_or_default()
    };
    let behind = |line: &str, words: &str| line.split_once(words).map(|(_, rest)| number(rest));
    let mut has_buffers = false;
    for Line { line } in lines {
        let is_scan = line.contains("Scan on ") || line.contains("Scan") && line.contains(" using ");
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts, which the server writes in full"
        )]
        let count = |n: Option<f64>| n.unwrap_or_default() as u64;
        if is_scan && !line.contains("Bitmap Index Scan") {
            cost.rows += count(behind(line, " rows="));
        }
        cost.rows += count(behind(line, "Rows Removed by Filter: "));
        // The first stands for the whole plan.
        if line.contains("Buffers: shared") && !has_buffers {
            has_buffers = true;
            cost.pages = count(behind(line, " hit=")) + count(behind(line, " read="));
        }
        if let Some(ms) = behind(line, "Execution Time: ") {
            cost.ms = ms;
        }
    }
    cost
}

fn middle(mut costs: Vec<Cost>) -> Cost {
    costs.sort_by(|one, other| one.ms.total_cmp(&other.ms));
    costs.get(costs.len() / 2).copied().unwrap_or_else(|| panic!("nothing was run"))
}
