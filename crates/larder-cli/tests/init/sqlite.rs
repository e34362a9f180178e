//! SQLite, which takes no server: the tables of the quickstart, and some that become nothing.

use std::fs;

use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};

use crate::{init, text};

#[test]
fn the_tables_of_the_quickstart_become_its_models() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.sqlite");
    let url = format!("sqlite://{}", file.display());
    let mut connection = SqliteConnection::establish(&file.display().to_string()).unwrap();
    connection.batch_execute(include_str!("quickstart.sql")).unwrap();

    let output = init(&url, folder.path(), &[]);
    assert_eq!(
        text(&output.stderr),
        "emails: no model: address compares texts that differ as equal, and caches go by the very text\n\
         shapes.area: no field: neither Diesel nor larder has a type in Rust for geometry\n"
    );
    // The widest table has 41 columns.
    assert!(text(&output.stdout).contains("\"64-column-tables\""), "{}", text(&output.stdout));
    let models = folder.path().join("src/models");
    let order = fs::read_to_string(models.join("order.rs")).unwrap();
    assert_eq!(order, include_str!("quickstart/order.rs"));
    let user = fs::read_to_string(models.join("user.rs")).unwrap();
    let attributes: Vec<&str> = user.lines().filter(|line| line.starts_with("#[larder")).collect();
    assert_eq!(
        attributes,
        ["#[larder(unique(email))]", "#[larder(has_many(orders: Order, foreign_key = user_id, on_delete = cascade))]"]
    );
    // What a trigger makes of a row is not what its statement gave back.
    let page = fs::read_to_string(models.join("page.rs")).unwrap();
    assert!(page.contains("#[larder(write_through = false)]"), "{page}");
    assert!(!user.contains("write_through"));
}
