//! What it takes PostgreSQL to plan a statement that may be of every partition.

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _,
    connection::SimpleConnection as _,
    sql_query,
    sql_types::{BigInt, Text},
};

const PLANS: usize = 51;

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    #[diesel(column_name = "QUERY PLAN")]
    text: String,
}

#[derive(QueryableByName)]
struct Bytes {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// Tables of more and more partitions without rows, each found by a column that does not tell which.
pub(crate) fn measure(connection: &mut PgConnection, url: &str) {
    println!(
        "\n| the planner, by `id` alone | time of a plan, µs | what a connection keeps, KiB |\n| --- | ---: | ---: |"
    );
    for n in [1, 25, 100, 400, 1_000] {
        eprintln!("# {n} partitions");
        // One by one, or each would hold its locks until the end.
        let table = format!("of_{n}");
        connection
            .batch_execute(&format!(
                "CREATE TABLE {table} (id bigint, at bigint, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)"
            ))
            .unwrap();
        for at in 0..n {
            connection
                .batch_execute(&format!(
                    "CREATE TABLE {table}_{at} PARTITION OF {table} FOR VALUES FROM ({at}) TO ({})",
                    at + 1
                ))
                .unwrap();
        }
        let mut fresh = PgConnection::establish(url).unwrap();
        // What it has before it has seen any of it, but knows how to look.
        kept(&mut fresh);
        let before = kept(&mut fresh);
        let statement = format!("SELECT * FROM {table} WHERE id = $1");
        fresh.batch_execute(&format!("PREPARE by_id (bigint) AS {statement}; EXECUTE by_id (1)")).unwrap();
        let grown = kept(&mut fresh) - before;
        let mut times: Vec<f64> = (0..PLANS).map(|_| planning(&mut fresh, &statement.replace("$1", "1"))).collect();
        times.sort_by(f64::total_cmp);
        println!("| {n} partitions | {:.0} | {} |", times[PLANS / 2], grown / 1_024);
    }
}

/// In microseconds, as the server tells.
fn planning(connection: &mut PgConnection, statement: &str) -> f64 {
    let lines: Vec<Line> = sql_query(format!("EXPLAIN (SUMMARY) {statement}")).load(connection).unwrap();
    let told = lines.iter().find_map(|line| line.text.trim().strip_prefix("Planning Time: ")?.strip_suffix(" ms"));
    told.expect("the server tells how long it took").parse::<f64>().unwrap() * 1_000.0
}

/// What the server's process for this connection has allocated: catalogue caches, plans, and the rest.
fn kept(connection: &mut PgConnection) -> i64 {
    let all = "SELECT sum(total_bytes)::bigint AS n FROM pg_backend_memory_contexts";
    let Bytes { n } = sql_query(all).get_result(connection).unwrap();
    n
}
