//! MariaDB, whose texts are compared without case unless somebody says otherwise.

use std::{env, fs, path::Path, process};

use diesel::{Connection as _, MysqlConnection, connection::SimpleConnection as _};

use crate::{init, text};

/// A database of its own on the shared server.
struct Database {
    server: MysqlConnection,
    name: String,
    url: String,
}

impl Database {
    fn new() -> Self {
        let server = env::var("MARIADB_URL").expect("MARIADB_URL is set: `cargo xtask test` does it");
        let name = format!("larder_test_init_{}", process::id());
        let (host, _) = server.rsplit_once('/').unwrap();
        let url = format!("{host}/{name}");
        let mut server = MysqlConnection::establish(&server).unwrap();
        server.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        Self { server, name, url }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A test that fails has told more already.
        let _ = self.server.batch_execute(&format!("DROP DATABASE {}", self.name));
    }
}

fn attributes(models: &Path, file: &str) -> Vec<String> {
    let model = fs::read_to_string(models.join(file)).unwrap();
    model.lines().filter(|line| line.starts_with("#[larder")).map(str::to_owned).collect()
}

#[test]
fn texts_that_are_equal_in_another_case_are_no_keys() {
    let database = Database::new();
    let mut connection = MysqlConnection::establish(&database.url).unwrap();
    for statement in include_str!("mariadb.sql").split(";\n").filter(|statement| !statement.trim().is_empty()) {
        connection.batch_execute(statement).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let output = init(&database.url, folder.path(), &[]);
    assert_eq!(
        text(&output.stderr),
        "users.born: no field: neither Diesel nor larder has a type in Rust for year(4)\n\
         orders: no finder by the index by_total: it orders rows rather than finds them: `query` does that\n\
         users: no finder by the index email: email compares texts that differ as equal, and caches go by the very text\n"
    );
    let models = folder.path().join("src/models");
    assert_eq!(
        attributes(&models, "user.rs"),
        ["#[larder(unique(code))]", "#[larder(has_many(orders: Order, foreign_key = user_id, on_delete = cascade))]",]
    );
    assert_eq!(attributes(&models, "order.rs"), ["#[larder(index(user_id; order = placed_on.asc()))]"]);
    let enums = fs::read_to_string(models.join("enums.rs")).unwrap();
    assert!(enums.contains("b\"it\\'s old\" => Ok(Self::ItSOld),"), "{enums}");
    let schema = fs::read_to_string(models.join("schema.rs")).unwrap();
    assert!(schema.contains("        id -> Unsigned<BigInt>,\n"), "{schema}");
}
