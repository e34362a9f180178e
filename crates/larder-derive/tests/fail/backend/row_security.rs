use diesel::{mysql::Mysql, sqlite::Sqlite};
use larder::Builder;

fn on_mysql(builder: Builder<Mysql>) {
    builder.row_security();
}

fn on_sqlite(builder: Builder<Sqlite>) {
    builder.row_security();
}

fn main() {}
