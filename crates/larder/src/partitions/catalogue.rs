//! What the database says of a table's partitions.

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl,
    connection::SimpleConnection,
    result::QueryResult,
    sql_query,
    sql_types::{BigInt, Bool, Integer, Nullable, Text},
};

use super::{
    error::Error,
    marks::MARK,
    ranges::{Bound, Span},
    scheme::{By, Line, Partition},
};

/// A partitioned table, its partitions, and those that it had and that are not gone yet.
#[derive(Debug)]
pub(super) struct Catalogue {
    pub(super) table: Table,
    pub(super) partitions: Vec<Found>,
    pub(super) default: Option<Named>,
    pub(super) leftovers: Vec<Named>,
}

#[derive(Debug, QueryableByName)]
pub(super) struct Table {
    /// The table with its schema, quoted.
    #[diesel(sql_type = Text)]
    pub(super) sql: String,
    /// Its schema, quoted.
    #[diesel(sql_type = Text)]
    pub(super) schema: String,
    /// Its bare name.
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = Nullable<Text>)]
    strategy: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    column: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    n_columns: Option<i32>,
    /// Whether foreign keys lead to it.
    #[diesel(sql_type = Bool)]
    pub(super) is_referenced: bool,
}

/// A table by its names.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub(super) struct Named {
    /// With its schema, quoted.
    #[diesel(sql_type = Text)]
    pub(super) sql: String,
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    /// The comment on it, or nothing.
    #[diesel(sql_type = Text)]
    pub(super) comment: String,
}

/// A partition with bounds.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) named: Named,
    /// As PostgreSQL writes them.
    pub(super) bounds: String,
    /// Of one that is a range.
    pub(super) span: Option<Span>,
    /// Whether a detachment of it was begun and not ended.
    pub(super) is_pending: bool,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(embed)]
    named: Named,
    #[diesel(sql_type = Text)]
    bounds: String,
    #[diesel(sql_type = Bool)]
    is_default: bool,
    #[diesel(sql_type = Bool)]
    is_pending: bool,
    #[diesel(sql_type = Nullable<Text>)]
    lower: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    upper: Option<String>,
}

const TABLE: &str = "
    SELECT format('%I.%I', n.nspname, c.relname) AS sql, quote_ident(n.nspname) AS schema, c.relname::text AS name,
           p.partstrat::text AS strategy, p.partnatts::int AS n_columns,
           (SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum = p.partattrs[0]) AS column,
           EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = c.oid) AS is_referenced
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_partitioned_table AS p ON p.partrelid = c.oid
    WHERE c.oid = CAST($1 AS regclass)";

const PARTITIONS: &str = "
    SELECT format('%I.%I', n.nspname, c.relname) AS sql, c.relname::text AS name,
           coalesce(obj_description(c.oid, 'pg_class'), '') AS comment,
           b.bounds, b.bounds = 'DEFAULT' AS is_default, i.inhdetachpending AS is_pending, parts[1] AS lower, parts[2] AS upper
    FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (SELECT coalesce(pg_get_expr(c.relpartbound, c.oid), '') AS bounds) AS b
    CROSS JOIN LATERAL (SELECT regexp_match(b.bounds, '^FOR VALUES FROM [(](.*)[)] TO [(](.*)[)]$') AS parts) AS m
    WHERE i.inhparent = CAST($1 AS regclass)
    ORDER BY b.bounds";

const LEFTOVERS: &str = "
    SELECT format('%I.%I', n.nspname, c.relname) AS sql, c.relname::text AS name, d.description AS comment
    FROM pg_description AS d JOIN pg_class AS c ON c.oid = d.objoid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE d.classoid = 'pg_class'::regclass AND d.objsubid = 0 AND split_part(d.description, E'\\n', 1) = $1
      AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid)
    ORDER BY c.relname";

impl Catalogue {
    /// Looks at a table, which is named as SQL names it.
    ///
    /// # Errors
    /// [`Error::NotPartitioned`] and [`Error::Otherwise`] if the table is not as the model says.
    pub(super) fn of(connection: &mut PgConnection, table: &str, scheme: &Partition) -> Result<Self, Error> {
        connection.transaction(|connection| {
            // Bounds are written in the session's time zone, and read again in the same one; the session keeps its own.
            connection.batch_execute("SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'")?;
            Self::read(connection, table, scheme)
        })
    }

    fn read(connection: &mut PgConnection, table: &str, scheme: &Partition) -> Result<Self, Error> {
        let of_it: Table = sql_query(TABLE).bind::<Text, _>(table).get_result(connection)?;
        of_it.check(scheme)?;
        let rows: Vec<Row> = sql_query(PARTITIONS).bind::<Text, _>(table).load(connection)?;
        let (mut partitions, mut default) = (Vec::new(), None);
        for Row { named, bounds, is_default, is_pending, lower, upper } in rows {
            if is_default {
                default = Some(named);
                continue;
            }
            let span = match (scheme.by, lower, upper) {
                (By::Ranges(ranges), Some(lower), Some(upper)) => Some(Span {
                    from: bound(connection, ranges.line, &lower)?,
                    to: bound(connection, ranges.line, &upper)?,
                }),
                _ => None,
            };
            partitions.push(Found { named, bounds, span, is_pending });
        }
        partitions.sort_by_key(|found| found.span);
        let leftovers = sql_query(LEFTOVERS).bind::<Text, _>(format!("{MARK}{}", of_it.sql)).load(connection)?;
        Ok(Self { table: of_it, partitions, default, leftovers })
    }

    /// The ranges that there are, one whose detachment was begun left out: no row comes into that any more.
    pub(super) fn spans(&self) -> Vec<Span> {
        self.partitions.iter().filter_map(|found| found.span).collect()
    }

    /// The name of a partition, which is the table's and this, cut so that PostgreSQL does not cut off its end.
    pub(super) fn name_with(&self, suffix: &str) -> String {
        const LONGEST: usize = 63;
        let mut name = self.table.name.clone();
        while name.len() + suffix.len() > LONGEST && name.pop().is_some() {}
        name + suffix
    }
}

impl Table {
    fn check(&self, scheme: &Partition) -> Result<(), Error> {
        let Some(strategy) = &self.strategy else { return Err(Error::NotPartitioned { table: self.sql.clone() }) };
        let by = match strategy.as_str() {
            "r" => "range",
            "l" => "list",
            _ => "hash",
        };
        let said = match scheme.by {
            By::Ranges(_) => "range",
            By::Values => "list",
            By::Hashes(_) => "hash",
        };
        let column = self.column.as_deref().filter(|_| self.n_columns == Some(1));
        if by == said && column == Some(scheme.column) {
            return Ok(());
        }
        Err(Error::Otherwise {
            table: self.sql.clone(),
            said: format!("{said} of {}", scheme.column),
            is: format!("{by} of {}", column.unwrap_or("several columns or an expression")),
        })
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Nullable<BigInt>)]
    number: Option<i64>,
}

/// The value of a bound that PostgreSQL wrote.
fn bound(connection: &mut PgConnection, line: Line, written: &str) -> QueryResult<Bound> {
    let literal = written.trim_matches('\'');
    match literal {
        "MINVALUE" | "-infinity" => return Ok(Bound::Min),
        "MAXVALUE" | "infinity" => return Ok(Bound::Max),
        _ => {}
    }
    let value = match line {
        Line::Numbers => "CAST($1 AS bigint)".to_owned(),
        _ => micros("CAST($1 AS timestamptz)"),
    };
    let number: Number =
        sql_query(format!("SELECT {value} AS number")).bind::<Text, _>(literal).get_result(connection)?;
    Ok(number.number.map_or(Bound::Min, Bound::At))
}

/// A moment as microseconds since 1970.
fn micros(moment: &str) -> String {
    format!("CAST(round(extract(epoch FROM {moment}) * 1000000) AS bigint)")
}

/// A column of the scheme as a number, in SQL.
pub(super) fn place_of(line: Line, column: &str) -> String {
    match line {
        Line::Numbers => format!("CAST({column} AS bigint)"),
        Line::Moments => micros(column),
        // A date would be cast to a moment of the session's time zone first.
        Line::Days | Line::Timestamps => micros(&format!("(CAST({column} AS timestamp) AT TIME ZONE 'UTC')")),
    }
}

/// The only number that a query gives, or none if that is NULL.
pub(super) fn number(connection: &mut PgConnection, sql: &str) -> QueryResult<Option<i64>> {
    let number: Number = sql_query(format!("SELECT ({sql}) AS number")).get_result(connection)?;
    Ok(number.number)
}
