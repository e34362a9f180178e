//! Files and command lines that are wrong.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use diesel::prelude::*;
use shop_core::schema::{orders, users};
use shop_import::{figures::Figures, verify};
use tests::{Database, EMPTY};
use uuid::Uuid;

use crate::command::{history, run};

/// A file of a test's own, removed with this value.
struct Scratch(PathBuf);

impl Scratch {
    fn create(contents: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.csv", Uuid::new_v4().simple()));
        fs::write(&path, contents).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is in the way of nobody.
        let _ = fs::remove_file(&self.0);
    }
}

fn n_orders(database: &Database) -> i64 {
    orders::table.count().get_result(&mut database.connect()).unwrap()
}

#[test]
fn nothing_of_a_bad_batch_is_imported() {
    let database = EMPTY.database();
    let history = fs::read_to_string(history()).unwrap();
    let lines: Vec<_> = history.lines().take(401).collect();
    let good = lines.join("\n");
    // In the third batch, of which some good lines come first.
    let bad = Scratch::create(&good.replace(lines[249], "88,1997-01-32,-2,12.345"));

    let refused = run(&database, &bad.0, &["--batch", "100"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
    let told: Vec<_> = refused.stderr.lines().collect();
    assert_eq!(
        told[1..],
        [
            "  line 250, column date: expected a day of the calendar, found \"1997-01-32\"",
            "  line 250, column quantity: expected a whole number from 1 up, found \"-2\"",
            "  line 250, column amount: expected at most two decimals, found \"12.345\"",
        ]
    );
    let range =
        told[0].strip_prefix("error: lines ").unwrap().strip_suffix(" and all after them are not imported:").unwrap();
    let (first, last) = range.split_once(" to ").unwrap();
    let (first, last): (i64, i64) = (first.parse().unwrap(), last.parse().unwrap());
    assert!((201..250).contains(&first) && (300..401).contains(&last), "{range}");
    // The header is line 1, so these are the orders of the lines before.
    assert_eq!(n_orders(&database), first - 2);

    let corrected = run(&database, &Scratch::create(&good).0, &["--batch", "100"]);
    assert_eq!((corrected.code, n_orders(&database)), (Some(0), 400), "{corrected:?}");
    assert!(corrected.stdout.contains("not those that were published: the file is another.\n"), "{corrected:?}");
}

#[test]
fn a_file_without_its_header_is_refused_before_anything_is_done() {
    let database = EMPTY.database();
    let refused = run(&database, &Scratch::create("1,1997-01-01,1,11.77\n").0, &[]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.starts_with("error: line 1, column customer_id: expected the header"), "{refused:?}");
    assert!(users::table.count().get_result::<i64>(&mut database.connect()).is_err(), "the database was migrated");
}

#[test]
fn a_batch_that_the_database_refuses_is_named() {
    let database = EMPTY.database();
    let connection = &mut database.connect();
    shop_core::migrate(connection).unwrap();
    diesel::insert_into(users::table).values(users::email.eq("customer-2@cdnow.example")).execute(connection).unwrap();

    let refused = run(&database, &history(), &["--batch", "1"]);
    assert_eq!(refused.code, Some(1));
    let told = "error: the database did not take the batch of lines 3 to 4: the database refused a statement: \
                duplicate key value violates unique constraint";
    assert!(refused.stderr.starts_with(told), "{refused:?}");
    assert_eq!(n_orders(&database), 1);
}

#[test]
fn a_database_that_was_never_migrated_cannot_be_verified() {
    let database = EMPTY.database();
    let refused = run(&database, &history(), &["--verify-only"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("relation \"users\" does not exist"), "{refused:?}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let database = EMPTY.database();
    let refused = run(&database, Path::new("no-such-file.csv"), &[]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.starts_with("error: no-such-file.csv: No such file"), "{refused:?}");
}

#[test]
fn a_history_without_purchases_is_imported_and_found_empty() {
    let database = EMPTY.database();
    let empty = run(&database, &Scratch::create("customer_id,date,quantity,amount\n").0, &[]);
    assert_eq!(empty.code, Some(0), "{empty:?}");
    assert_eq!(verify::in_database(&mut database.connect()), Ok(Figures::default()));
}

#[test]
fn a_wrong_command_line_ends_with_two_and_help_with_zero() {
    let program = || Command::new(env!("CARGO_BIN_EXE_shop-import"));
    let wrong = program().output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(wrong.stderr.starts_with(b"error: the file to import is not named"), "{wrong:?}");
    let help = program().arg("--help").output().unwrap();
    assert_eq!(help.status.code(), Some(0));
    assert!(help.stdout.starts_with(b"Imports the CDNOW purchase history"));
}
