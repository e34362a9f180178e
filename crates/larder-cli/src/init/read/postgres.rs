//! What PostgreSQL says beyond the catalogue: types by their names, the words of enums, comments, triggers.

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _,
    result::QueryResult,
    sql_query,
    sql_types::{Array, Bool, Integer, Nullable, Text},
};

use super::{About, Beside, More};
use crate::init::types::{self, Named};

// A domain is sent as what it is of, whatever the number of domains between.
const COLUMNS: &str = "
    SELECT n.nspname::text AS schema, c.relname::text AS \"table\", a.attname::text AS \"column\",
        e.typname::text AS type_name, en.nspname::text AS type_schema, e.oid <> b.oid AS is_array,
        ARRAY(SELECT l.enumlabel::text FROM pg_enum AS l WHERE l.enumtypid = e.oid ORDER BY l.enumsortorder) AS labels,
        information_schema._pg_char_max_length(
            information_schema._pg_truetypid(a.*, t.*), information_schema._pg_truetypmod(a.*, t.*))::int4 AS max_length,
        a.attidentity = 'a' AS is_always, col_description(c.oid, a.attnum) AS comment
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_type AS t ON t.oid = a.atttypid
        JOIN LATERAL (
            WITH RECURSIVE base AS (
                SELECT t.oid, t.typtype, t.typbasetype, t.typcategory, t.typelem
                UNION ALL
                SELECT d.oid, d.typtype, d.typbasetype, d.typcategory, d.typelem
                FROM base JOIN pg_type AS d ON d.oid = base.typbasetype WHERE base.typtype = 'd')
            SELECT oid, typcategory, typelem FROM base WHERE typtype <> 'd') AS b ON true
        JOIN pg_type AS e ON e.oid = CASE WHEN b.typcategory = 'A' AND b.typelem <> 0 THEN b.typelem ELSE b.oid END
        JOIN pg_namespace AS en ON en.oid = e.typnamespace
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'm')
        AND n.nspname !~ '^(pg_|information_schema$)'";

// A trigger after the statement may change the row once more. Bits of its type: 2 is BEFORE, 64 INSTEAD OF, 4 INSERT, 16 UPDATE.
const TABLES: &str = "
    SELECT n.nspname::text AS schema, c.relname::text AS \"table\", obj_description(c.oid, 'pg_class') AS comment,
        EXISTS (
            SELECT FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
            WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype::int4 & 66 = 0
                AND t.tgtype::int4 & 20 <> 0 AND p.proname !~ '^larder_') AS is_changed_after
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^(pg_|information_schema$)'";

#[derive(QueryableByName)]
struct ColumnRow {
    #[diesel(sql_type = Text)]
    schema: String,
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = Text)]
    column: String,
    #[diesel(sql_type = Text)]
    type_name: String,
    #[diesel(sql_type = Text)]
    type_schema: String,
    #[diesel(sql_type = Bool)]
    is_array: bool,
    #[diesel(sql_type = Array<Text>)]
    labels: Vec<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    max_length: Option<i32>,
    #[diesel(sql_type = Bool)]
    is_always: bool,
    #[diesel(sql_type = Nullable<Text>)]
    comment: Option<String>,
}

#[derive(QueryableByName)]
struct TableRow {
    #[diesel(sql_type = Text)]
    schema: String,
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = Nullable<Text>)]
    comment: Option<String>,
    #[diesel(sql_type = Bool)]
    is_changed_after: bool,
}

/// Two statements, whatever the number of tables. `first` is the schema whose types need no schema before them.
pub(super) fn beside(connection: &mut PgConnection, first: &str) -> QueryResult<Beside> {
    let mut beside = Beside::default();
    for row in sql_query(COLUMNS).load::<ColumnRow>(connection)? {
        let is_known = row.type_schema == first || row.type_schema == "pg_catalog";
        let named = Named {
            name: row.type_name,
            schema: (!is_known).then_some(row.type_schema),
            is_array: row.is_array,
            labels: row.labels,
        };
        let max_length = row.max_length.and_then(|length| u64::try_from(length).ok());
        let more = More { ty: types::postgres(&named, max_length), comment: row.comment, is_refused: row.is_always };
        beside.columns.insert((row.schema, row.table, row.column), more);
    }
    for row in sql_query(TABLES).load::<TableRow>(connection)? {
        let about = About { comment: row.comment, is_changed_after: row.is_changed_after };
        beside.tables.insert((row.schema, row.table), about);
    }
    Ok(beside)
}
