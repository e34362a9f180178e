//! The tables of docs/backends.md: what each back end does, by which test that is shown, and what its writes cost.

mod features;

use std::{collections::BTreeSet, env, fs, path::Path, process::Command};

use tests::portable::{Costs, Ground};

use self::features::{FEATURES, Feature, Proof, Way};
use crate::site::Db;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/backends.md");

/// The cases of what does not compile.
const REFUSED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/larder-derive/tests/fail");

/// The back ends, in the order of the columns, with where tests of that one alone are.
const COLUMNS: [(&str, &[&str]); 3] = [
    (<diesel::pg::Pg as Ground>::NAME, &["tests/behaviour", "crates/larder-cli/tests/init/written.rs"]),
    (<diesel::mysql::Mysql as Ground>::NAME, &["tests/mysql", "crates/larder-cli/tests/init/mariadb.rs"]),
    (
        <diesel::sqlite::Sqlite as Ground>::NAME,
        &["crates/larder/tests/derived", "crates/larder-cli/tests/init/sqlite.rs"],
    ),
];

fn row(cells: impl IntoIterator<Item = String>) -> String {
    format!("| {} |\n", cells.into_iter().collect::<Vec<_>>().join(" | "))
}

fn head(first: &str, last: Option<&str>) -> String {
    let names = COLUMNS.iter().map(|(name, _)| *name);
    let cells: Vec<String> = [first].into_iter().chain(names).chain(last).map(str::to_owned).collect();
    let line = vec!["---".to_owned(); cells.len()];
    row(cells) + &row(line)
}

fn table_of_features() -> String {
    let mut table = head("", Some("shown by"));
    for feature in FEATURES {
        let ways = feature.on.iter().map(|way| match way {
            Way::Portable => "yes".to_owned(),
            Way::Own(words, _) => (*words).to_owned(),
            Way::No(reason, _) => format!("no: {reason}"),
        });
        let mut tests: Vec<String> = feature.shown_by.iter().map(|test| format!("`{test}`")).collect();
        for way in &feature.on {
            let shown = match way {
                Way::Portable => continue,
                Way::Own(_, test) | Way::No(_, Proof::Shown(test)) => format!("`{test}`"),
                Way::No(_, Proof::Refused(case, _)) => format!("`{case}.stderr`"),
            };
            if !tests.contains(&shown) {
                tests.push(shown);
            }
        }
        table += &row([feature.what.to_owned()].into_iter().chain(ways).chain([tests.join(", ")]));
    }
    table
}

fn table_of_costs() -> String {
    let of: [(&str, fn(&Costs) -> usize); 15] = [
        ("a row is inserted", |costs| costs.insert),
        ("100 rows are inserted", |costs| (costs.insert_many)(100)),
        ("100 rows are inserted where they are missing, and one is there", |costs| (costs.insert_missing)(100)),
        ("a row is changed, or all that meet a condition", |costs| costs.update),
        ("the same, and there is none", |costs| costs.update_none),
        ("a row is deleted that no other refers to", |costs| costs.delete),
        ("the same, and there is none", |costs| costs.delete_none),
        ("a row is upserted that is not there", |costs| costs.update_none + costs.insert),
        ("a row is upserted that is there", |costs| costs.update),
        ("100 rows get values of their own", |costs| costs.update_each),
        ("a row of which nothing goes along is deleted softly", |costs| costs.delete_softly),
        ("it is restored", |costs| costs.restore),
        ("it is deleted for good", |costs| costs.delete_forever),
        ("something is done once, beside what is done", |costs| costs.once),
        ("it was done before", |costs| costs.once_before),
    ];
    let all = [
        <diesel::pg::Pg as Ground>::COSTS,
        <diesel::mysql::Mysql as Ground>::COSTS,
        <diesel::sqlite::Sqlite as Ground>::COSTS,
    ];
    let keys = [
        <diesel::pg::Pg as Ground>::N_KEYS,
        <diesel::mysql::Mysql as Ground>::N_KEYS,
        <diesel::sqlite::Sqlite as Ground>::N_KEYS,
    ];
    let mut table = head("statements when", None);
    for (what, cost) in of {
        table += &row([what.to_owned()].into_iter().chain(all.iter().map(|costs| cost(costs).to_string())));
    }
    table + &row(["keys of one statement".to_owned()].into_iter().chain(keys.map(|n| n.to_string())))
}

/// The names of the tests of this program.
fn portable_tests() -> BTreeSet<String> {
    let listed = Command::new(env::current_exe().unwrap()).arg("--list").output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    let name = |line: &str| Some(line.strip_suffix(": test")?.rsplit("::").next()?.to_owned());
    text.lines().filter_map(name).collect()
}

/// All that is written in a file or folder of the workspace.
fn source(path: &Path) -> String {
    // Where there is nothing, nothing is found: whatever is looked for there is missed by name.
    if !path.is_dir() {
        return fs::read_to_string(path).unwrap_or_default();
    }
    fs::read_dir(path).unwrap().map(|entry| source(&entry.unwrap().path())).collect()
}

/// Whether a test of this name is written there, and not only a function.
fn has_test(source: &str, name: &str) -> bool {
    let declared = format!("fn {name}()");
    source.match_indices(&declared).any(|(at, _)| {
        let before = source[..at].trim_end();
        before.ends_with("#[test]")
    })
}

#[test]
fn the_tables_of_back_ends_are_as_they_are_documented() {
    let document = fs::read_to_string(DOCUMENT).unwrap();
    for table in [table_of_features(), table_of_costs()] {
        assert!(document.contains(&format!("\n\n{table}\n")), "docs/backends.md has to have this table:\n\n{table}");
    }
}

#[test]
fn every_feature_is_shown_on_this_back_end_by_the_tests_that_it_names() {
    let at = COLUMNS.iter().position(|(name, _)| *name == <Db as Ground>::NAME).unwrap();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let own: String = COLUMNS[at].1.iter().map(|path| source(&workspace.join(path))).collect();
    let portable = portable_tests();
    let kind = std::any::type_name::<Db>().rsplit("::").next().unwrap();
    assert!(portable.contains("every_feature_is_shown_on_this_back_end_by_the_tests_that_it_names"));
    let is_there = |test: &str| portable.contains(test) || has_test(&own, test);
    let mut wrong = Vec::new();
    for Feature { what, shown_by, on } in FEATURES {
        match &on[at] {
            Way::Portable if shown_by.is_some_and(|test| portable.contains(test)) => {}
            Way::Portable => wrong.push(format!("{what}: there is no portable test {shown_by:?}")),
            Way::Own(_, test) | Way::No(_, Proof::Shown(test)) if is_there(test) => {}
            Way::Own(_, test) | Way::No(_, Proof::Shown(test)) => {
                wrong.push(format!("{what}: there is no test {test} in {:?}", COLUMNS[at].1));
            }
            Way::No(_, Proof::Refused(case, error)) => {
                let file = |kind: &str| source(&Path::new(REFUSED).join(format!("{case}.{kind}")));
                // Which back end it is stands in the message: two that are exchanged are seen.
                let is_said =
                    error.contains(kind) && file("stderr").contains(error) && file("rs").contains("fn main()");
                if !is_said {
                    wrong.push(format!("{what}: the case {case} does not say {error:?} of {kind}"));
                }
            }
        }
        if let Way::No("", _) = &on[at] {
            wrong.push(format!("{what}: why not?"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
