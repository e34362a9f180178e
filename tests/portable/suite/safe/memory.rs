use std::{env, fs, ops::ControlFlow::Continue, process::Command};

use diesel::prelude::*;
use larder::Repository;

use crate::site::{Db, Ground as _, Shop};

diesel::table! { verses (id) { id -> BigInt, words -> Text, } }

#[derive(Debug, Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = verses, check_for_backend(diesel::pg::Pg, diesel::mysql::Mysql, diesel::sqlite::Sqlite))]
struct Verse {
    id: i64,
    words: String,
}

const LENGTH: usize = 500;
const DOUBLED: u32 = 17;

/// All rows together: 65 MB.
const ALL_KB: u64 = (LENGTH << DOUBLED) as u64 / 1_000;

/// Says to a run of this program that it is the one that measures itself.
const ALONE: &str = "LARDER_TESTS_ALONE";

/// How much memory the process has used at most, in kilobytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

/// How much a stream of all rows takes beside what the process had before.
fn measured() -> u64 {
    let shop = Shop::new();
    shop.past(&format!(
        "CREATE TABLE verses (id BIGINT PRIMARY KEY, words TEXT NOT NULL);
         INSERT INTO verses (id, words) VALUES (1, '{}')",
        "x".repeat(LENGTH)
    ));
    for n in (0..DOUBLED).map(|times| 1_u64 << times) {
        shop.past(&format!("INSERT INTO verses (id, words) SELECT id + {n}, words FROM verses"));
    }
    let (before, mut sum, mut n_bytes) = (peak(), 0, 0);
    let n_rows = Verse::repository(&shop.larder).stream(
        |verses| verses,
        |verse| {
            sum += verse.id;
            n_bytes += verse.words.len();
            Ok(Continue(()))
        },
    );
    let n = 1_u64 << DOUBLED;
    assert_eq!((n_rows.unwrap(), sum.unsigned_abs(), n_bytes), (n, n * (n + 1) / 2, LENGTH << DOUBLED));
    peak() - before
}

#[test]
fn a_stream_takes_the_memory_that_is_told_of_it() {
    if env::var_os(ALONE).is_some() {
        println!("\n{ALONE}={}", measured());
        return;
    }
    // Other tests of this process would be measured too.
    let mut alone = Command::new(env::current_exe().unwrap());
    alone.args(["--exact", "suite::safe::memory::a_stream_takes_the_memory_that_is_told_of_it", "--nocapture"]);
    let output = alone.env(ALONE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let grown = text.lines().find_map(|line| line.strip_prefix(ALONE)?.strip_prefix('=')?.parse::<u64>().ok());
    let grown = grown.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr)));
    if Db::STREAMS_IN_CONSTANT_MEMORY {
        assert!(grown < ALL_KB / 8, "{grown} kB of {ALL_KB}");
    } else {
        assert!(grown > ALL_KB, "{grown} kB of {ALL_KB}: then docs/backends.md says too little of it");
    }
}
