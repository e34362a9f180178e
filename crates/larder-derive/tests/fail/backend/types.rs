use diesel::{
    mysql::Mysql,
    sql_types::{Array, BigInt, HasSqlType, Inet, Range},
    sqlite::Sqlite,
};
use larder::types::Geography;

fn has<DB: HasSqlType<Type>, Type>() {}

fn main() {
    has::<Mysql, Array<BigInt>>();
    has::<Mysql, Range<BigInt>>();
    has::<Mysql, Inet>();
    has::<Mysql, Geography>();
    has::<Sqlite, Array<BigInt>>();
    has::<Sqlite, Range<BigInt>>();
    has::<Sqlite, Inet>();
    has::<Sqlite, Geography>();
}
