//! What is written.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use diesel::connection::SimpleConnection as _;

use crate::{BUSINESS, init, text};

const BOTH_SCHEMAS: [&str; 4] = ["--schema", "public", "--schema", "crm"];

/// The crate that the models are put into, but for its dependencies.
const MANIFEST: &str = r#"
[package]
name = "generated"
version = "0.0.0"
edition = "2024"
publish = false

[workspace]

# As in the workspace, whose compiled dependencies these are too.
[profile.dev]
debug = "line-tables-only"

[profile.dev.package."*"]
debug = false

"#;

/// All files below a folder, by their paths there.
fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn models_of_fifty_tables_compile_unedited_and_answer_as_sql_does() {
    let database = BUSINESS.database();
    let folder = tempfile::tempdir().unwrap();
    let output = init(database.url(), folder.path(), &BOTH_SCHEMAS);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(files(&folder.path().join("src/models")).len() > 50);

    let summary = text(&output.stdout);
    let dependencies = &summary[summary.find("[dependencies]").unwrap()..];
    let larder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../larder").canonicalize().unwrap();
    let at_home = dependencies.replace(
        &format!("larder = {{ version = \"{}\"", env!("CARGO_PKG_VERSION")),
        &format!("larder = {{ path = {larder:?}"),
    );
    assert_ne!(at_home, dependencies);
    fs::write(folder.path().join("Cargo.toml"), format!("{MANIFEST}{at_home}")).unwrap();
    // Nothing is asked of the network, and the versions are those that are compiled already.
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    fs::copy(lock, folder.path().join("Cargo.lock")).unwrap();
    fs::write(folder.path().join("src/main.rs"), include_str!("program.rs")).unwrap();

    // `target/debug/deps/init-..` is this program.
    let target = env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline"])
        .current_dir(folder.path())
        .env("CARGO_TARGET_DIR", target)
        .env("DATABASE_URL", database.url())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "all answers are right\n");
}

#[test]
fn the_same_database_gives_the_same_bytes_which_rustfmt_leaves_alone() {
    let database = BUSINESS.database();
    let [one, other] = [(); 2].map(|()| {
        let folder = tempfile::tempdir().unwrap();
        assert!(init(database.url(), folder.path(), &BOTH_SCHEMAS).status.success());
        folder
    });
    assert_eq!(files(one.path()), files(other.path()));
    let output = Command::new("rustfmt")
        .args(["--check", "--edition", "2024", "--config-path", "/dev/null", "src/models.rs"])
        .current_dir(one.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn whatever_becomes_nothing_is_told_of() {
    let database = BUSINESS.database();
    let folder = tempfile::tempdir().unwrap();
    let output = init(database.url(), folder.path(), &[&BOTH_SCHEMAS[..], &["--dry-run"]].concat());
    assert_eq!(text(&output.stderr), include_str!("notes.txt"));
    assert!(files(folder.path()).is_empty(), "a dry run writes nothing");
}

#[test]
fn what_is_there_stays_as_it_is_until_it_is_to_be_replaced() {
    let database = BUSINESS.database();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/models.rs"), "mine").unwrap();
    let refused = init(database.url(), folder.path(), &["--table", "tags"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("src/models.rs is there already"), "{}", text(&refused.stderr));
    assert_eq!(files(folder.path()).len(), 1);
    assert!(init(database.url(), folder.path(), &["--table", "tags", "--overwrite"]).status.success());
    let names: Vec<String> = files(folder.path()).into_keys().map(|path| path.display().to_string()).collect();
    assert_eq!(names, ["src/models/schema.rs", "src/models/tag.rs", "src/models.rs"]);
}

#[test]
fn names_that_are_alike_in_rust_are_told_apart_and_a_schema_that_has_none_is_left_out() {
    let database = BUSINESS.database();
    let tables = "CREATE SCHEMA \"my-app\"; CREATE SCHEMA my_app;
        CREATE TABLE \"my-app\".secrets (id int PRIMARY KEY);
        CREATE TABLE my_app.\"a-b\" (id int PRIMARY KEY);
        CREATE TABLE my_app.a_b (id int PRIMARY KEY);
        CREATE TABLE my_app.\"APIKeys\" (id int PRIMARY KEY);
        CREATE TABLE my_app.api_keys (id int PRIMARY KEY);
        CREATE TABLE my_app (id int PRIMARY KEY)";
    database.connect().batch_execute(tables).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let schemas = ["my-app", "my_app", "public"].map(|schema| ["--schema", schema]).concat();
    let output = init(database.url(), folder.path(), &schemas);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let notes = text(&output.stderr);
    assert!(notes.contains("\nmy-app: no models: `table!` can't name a schema that is called so\n"), "{notes}");

    let files = files(&folder.path().join("src/models"));
    let schema = &files[Path::new("schema.rs")];
    assert!(!schema.contains("secrets"), "{schema}");
    for line in ["pub mod my_app {", "    my_app_ (id) {", "my_app.a_b (id) {", "my_app.a_b_ (id) {"] {
        assert_eq!(schema.matches(line).count(), 1, "{line}: {schema}");
    }
    assert!(schema.contains("#[sql_name = \"my_app\"]\n    my_app_ (id)"), "{schema}");
    for file in ["api_key.rs", "api_key_.rs"] {
        assert!(files.contains_key(Path::new(file)), "{:?}", files.keys());
    }
}

#[test]
fn a_table_that_is_not_there_is_named() {
    let database = BUSINESS.database();
    let folder = tempfile::tempdir().unwrap();
    for (arguments, why) in [
        (["--table", "userz"], "error: there is no table \"userz\", or it may not be seen\n"),
        (["--schema", "cmr"], "error: there are no tables in the schema \"cmr\", or they may not be seen\n"),
    ] {
        let output = init(database.url(), folder.path(), &arguments);
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(2), why));
    }
    assert!(files(folder.path()).is_empty());
}

#[test]
fn tables_that_are_declared_already_are_not_declared_again() {
    let database = BUSINESS.database();
    let folder = tempfile::tempdir().unwrap();
    let output = init(database.url(), folder.path(), &["--table", "tags", "--schema-module", "crate::schema"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let files = files(folder.path());
    let names: Vec<String> = files.keys().map(|path| path.display().to_string()).collect();
    assert_eq!(names, ["src/models/tag.rs", "src/models.rs"]);
    assert!(files[Path::new("src/models/tag.rs")].contains("\nuse crate::schema::tags;\n"));
}
