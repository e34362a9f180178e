//! Columns of other names than their fields, in embedded structs, and in formats of their own.

use diesel::{
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    prelude::*,
    serialize::{self, IsNull, Output, ToSql},
    sql_types::Text,
    sqlite::{Sqlite, SqliteValue},
};
use larder::{Codec, KeyPart, Repository, View};
use serde::{Deserialize, Serialize};

use crate::support::Database;

diesel::table! {
    houses (house_id) {
        house_id -> Integer,
        street -> Text,
        city -> Text,
        #[sql_name = "type"]
        type_ -> Text,
        #[sql_name = "settings-json"]
        settings -> Text,
    }
}

const TABLES: &str = "
    CREATE TABLE houses (
        house_id INTEGER PRIMARY KEY, street TEXT NOT NULL, city TEXT NOT NULL, type TEXT NOT NULL, \"settings-json\" TEXT NOT NULL
    );
    INSERT INTO houses VALUES (1, 'High St', 'Ely', 'Castle', '{\"heating\":true}'), (2, 'Low St', 'Ely', 'Hut', '{\"heating\":false}');
";

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = houses, primary_key(house_id), check_for_backend(Sqlite))]
#[larder(name = "dwellings", ttl = "90s", index(r#type; order = number.desc()))]
struct House {
    #[diesel(column_name = house_id)]
    number: i32,
    #[diesel(embed)]
    address: Address,
    #[diesel(column_name = "type_")]
    r#type: Kind,
    #[larder(serde, version = 2)]
    settings: Settings,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Codec)]
#[diesel(table_name = houses, check_for_backend(Sqlite))]
struct Address {
    street: String,
    city: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, AsExpression, FromSqlRow, Codec, KeyPart)]
#[diesel(sql_type = Text)]
enum Kind {
    Castle,
    Hut,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
struct Settings {
    heating: bool,
}

impl ToSql<Text, Sqlite> for Kind {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(format!("{self:?}"));
        Ok(IsNull::No)
    }
}

impl FromSql<Text, Sqlite> for Kind {
    fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        match &*<String as FromSql<Text, Sqlite>>::from_sql(value)? {
            "Castle" => Ok(Self::Castle),
            "Hut" => Ok(Self::Hut),
            other => Err(format!("{other} is no kind of house").into()),
        }
    }
}

impl FromSql<Text, Sqlite> for Settings {
    fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(serde_json::from_str(&<String as FromSql<Text, Sqlite>>::from_sql(value)?)?)
    }
}

#[derive(Debug, PartialEq, View)]
#[larder(of = House)]
struct Sign {
    number: i32,
    #[larder(field = r#type)]
    kind: Kind,
}

fn castle() -> House {
    House {
        number: 1,
        address: Address { street: "High St".into(), city: "Ely".into() },
        r#type: Kind::Castle,
        settings: Settings { heating: true },
    }
}

#[test]
fn a_row_is_read_back_from_its_cell_as_it_was() {
    let database = Database::new(TABLES);
    let house = |larder: &_| House::repository(larder).get(1);
    assert_eq!(database.costs(1, house), castle());
    assert_eq!(database.costs(0, house), castle());
}

#[test]
fn rows_are_listed_by_a_renamed_column_of_an_own_type() {
    let database = Database::new(TABLES);
    let castles = |larder: &_| House::repository(larder).list_by_type(Kind::Castle).load();
    assert_eq!(database.costs(1, castles), [castle()]);
    assert_eq!(database.costs(0, castles), [castle()]);
    let kinds = database.costs(1, |larder| House::repository(larder).list_by_type_many(&[Kind::Hut, Kind::Castle]));
    assert_eq!(kinds.iter().map(|houses| houses[0].number).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn a_view_is_narrowed_from_a_cell_and_read_by_its_columns() {
    let database = Database::new(TABLES);
    let signs = |larder: &_| House::repository(larder).select::<Sign>().find(1);
    let sign = Some(Sign { number: 1, kind: Kind::Castle });
    assert_eq!(database.costs(1, signs), sign);
    assert_eq!(database.costs(1, signs), sign, "a few columns of a row fill no cell");
    database.costs(1, |larder| House::repository(larder).find(1));
    assert_eq!(database.costs(0, signs), sign);
}

#[derive(Debug, PartialEq, View)]
#[larder(of = House)]
struct Envelope {
    #[larder(field = address)]
    to: Address,
    number: i32,
}

#[test]
fn a_view_takes_an_embedded_struct_whole() {
    let database = Database::new(TABLES);
    let envelope = |larder: &_| House::repository(larder).select::<Envelope>().get(1);
    let expected = Envelope { to: castle().address, number: 1 };
    assert_eq!(database.costs(1, envelope), expected);
    database.costs(1, |larder| House::repository(larder).find(1));
    assert_eq!(database.costs(0, envelope), expected);
}

#[test]
fn a_write_changes_the_renamed_column() {
    let database = Database::new(TABLES);
    let house = database.costs(2, |larder| House::repository(larder).update(2, houses::city.eq("Bath")));
    assert_eq!(house.address.city, "Bath");
    assert_eq!(database.costs(0, |larder| House::repository(larder).get(2)).address.city, "Bath");
}
