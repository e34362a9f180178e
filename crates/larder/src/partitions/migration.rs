//! The SQL that cuts a table into partitions, and the one that makes one table of them again.

use std::time::SystemTime;

use diesel::pg::Pg;

use super::{
    ranges::{Bound, Span},
    scheme::{By, Partition, Ranges, Step},
    work::micros_of,
};
use crate::{
    migration::{Error, Migration},
    models::{Model, Models},
    triggers::{identifier, literal},
};

const SWAP: &str = include_str!("migration/swap.sql");

/// As [`crate::migration::partition`].
pub(crate) fn partition(models: &Models<Pg>, name: &str, at: SystemTime) -> Result<Migration, Error> {
    let Some((model, scheme)) = models.named(name).and_then(|model| Some((model, model.partition?))) else {
        let known = models.partitioned().names().collect();
        return Err(Error::NotPartitioned { name: name.to_owned(), known });
    };
    Ok(Migration { up: up(model, &scheme, micros_of(at)), down: down(model) })
}

fn up(model: &Model<Pg>, scheme: &Partition, now: i64) -> String {
    let (column, default) = (identifier(scheme.column), default(scheme));
    let key = model.patterns.first().map_or(&[][..], |pattern| pattern.names);
    let key: Vec<_> = key.iter().map(|column| identifier(column)).collect();
    let key = key.join(", ");
    let swap = |by: &str, parts: Parts| {
        filled(
            model,
            'r',
            &format!("PARTITION BY {by} ({column})"),
            &Parts { before: with_key(&key) + &parts.before, ..parts },
        )
    };
    let made = |name: &str, bounds: &str| {
        let bounds = bounds.replace('\'', "''");
        format!("EXECUTE format('CREATE TABLE %I.%I PARTITION OF %s {bounds}', schema, {name}, new);\n")
    };
    match scheme.by {
        By::Values => swap(
            "LIST",
            Parts {
                suffix: "_default",
                finish: "EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s DEFAULT', new, old);".to_owned(),
                ..Parts::default()
            },
        ),
        By::Hashes(n) => {
            let partitions = (0..n).map(|number| {
                made(&format!("name || '_p{number}'"), &format!("FOR VALUES WITH (MODULUS {n}, REMAINDER {number})"))
            });
            let finish = partitions.collect::<String>() + COPY;
            swap("HASH", Parts { suffix: "_plain", finish, ..Parts::default() })
        }
        By::Ranges(ranges) if matches!(ranges.every, Step::Numbers(_)) => {
            swap("RANGE", of_numbers(&ranges, &column, &default))
        }
        By::Ranges(ranges) => {
            // The range after the present one may have been written to by clocks that are ahead.
            let cut = bound_ahead(&ranges, now);
            let until = ranges.literal(cut);
            let first = Span { from: Bound::Min, to: cut };
            let partitions = |found: &[Span]| {
                let missing = ranges.missing(now, found);
                let each = missing.into_iter().map(|span| {
                    let bounds =
                        format!("FOR VALUES FROM ({}) TO ({})", ranges.literal(span.from), ranges.literal(span.to));
                    made(&format!("name || '{}'", ranges.suffix(span)), &bounds)
                });
                each.collect::<String>()
            };
            let check = format!("{column} IS NOT NULL AND {column} < {until}");
            let quoted = in_format(&check);
            let bounds = format!("FROM (MINVALUE) TO ({until})").replace('\'', "''");
            let table = &model.table;
            let swap = swap(
                "RANGE",
                Parts {
                    suffix: "_pmin",
                    guard: format!(
                        "IF now() >= {until} THEN
        RAISE EXCEPTION 'this migration was to be run before %: make it anew', {until};
    END IF;"
                    ),
                    before: format!(
                        "IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = this AND conname = 'larder_bound') THEN
        EXECUTE format('ALTER TABLE %I.%I ADD CONSTRAINT larder_bound CHECK ({quoted})', schema, name);
    END IF;"
                    ),
                    after_create: "EXECUTE format('ALTER TABLE %s DROP CONSTRAINT larder_bound', new);".to_owned(),
                    finish: format!(
                        "IF is_empty THEN
        EXECUTE format('DROP TABLE %s', old);
        {}    ELSE
        EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES {bounds}', new, old);
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT larder_bound', old);
        {}    END IF;
    {default}",
                        partitions(&[]),
                        partitions(&[first])
                    ),
                },
            );
            format!(
                "-- The table is locked for as long as it takes to read it, and to build an index: for a moment only, if these were run before,
-- each by itself and in no transaction, and all of them before {}.
--   CREATE UNIQUE INDEX CONCURRENTLY {} ON {table} ({key});
--   ALTER TABLE {table} ADD CONSTRAINT larder_bound CHECK ({check}) NOT VALID;
--   ALTER TABLE {table} VALIDATE CONSTRAINT larder_bound;
{swap}",
                until.replace('\'', ""),
                identifier(&key_of(table)),
            )
        }
    }
}

/// The end of the range after the present one.
fn bound_ahead(ranges: &Ranges, now: i64) -> Bound {
    let two = Ranges { ahead: 1, ..*ranges };
    two.wanted(now).last().map_or(Bound::Max, |span| span.to)
}

/// What the index is called of which the primary key is made, for PL/pgSQL that has the table's name: cut so that nothing of its end is lost.
const KEY: &str = "left(name, 52) || '_larder_key'";

/// The same for a table as SQL names it.
fn key_of(table: &str) -> String {
    let name = table.rsplit("\".\"").next().unwrap_or(table).trim_matches('"').replace("\"\"", "\"");
    name.chars().take(52).chain("_larder_key".chars()).collect()
}

/// Makes a primary key of these columns, if there is another.
fn with_key(key: &str) -> String {
    let quoted = in_format(key);
    format!(
        "IF (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place) FROM pg_constraint AS c
        CROSS JOIN LATERAL unnest(c.conkey) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.number
        WHERE c.conrelid = this AND c.contype = 'p') IS DISTINCT FROM
        (SELECT string_agg(quote_ident(column_name), ', ') FROM unnest(ARRAY[{}]) AS column_name) THEN
        IF to_regclass(format('%I.%I', schema, {KEY})) IS NULL THEN
            EXECUTE format('CREATE UNIQUE INDEX %I ON %I.%I ({quoted})', {KEY}, schema, name);
        END IF;
        FOR found IN SELECT conname FROM pg_constraint WHERE conrelid = this AND contype = 'p' LOOP
            EXECUTE format('ALTER TABLE %I.%I DROP CONSTRAINT %I', schema, name, found.conname);
        END LOOP;
        EXECUTE format('ALTER TABLE %I.%I ADD CONSTRAINT %I PRIMARY KEY USING INDEX %I', schema, name, name || '_pkey', {KEY});
    END IF;
    ",
        key.split(", ").map(|column| literal(&column[1..column.len() - 1])).collect::<Vec<_>>().join(", ")
    )
}

/// A piece of SQL as it stands in a literal that PL/pgSQL's `format` reads.
fn in_format(sql: &str) -> String {
    sql.replace('\'', "''").replace('%', "%%")
}

fn default(scheme: &Partition) -> String {
    if scheme.has_default {
        "EXECUTE format('CREATE TABLE %I.%I PARTITION OF %s DEFAULT', schema, name || '_default', new);".to_owned()
    } else {
        String::new()
    }
}

/// Where numbers are, only the table knows.
fn of_numbers(ranges: &Ranges, column: &str, default: &str) -> Parts {
    let column = in_format(column);
    let Step::Numbers(every) = ranges.every else { return Parts::default() };
    let each = "EXECUTE format('CREATE TABLE %I.%I PARTITION OF %s FOR VALUES FROM (%s) TO (%s)',
            schema, name || '_p' || cut, new, cut, cut + ";
    Parts {
        suffix: "_pmin",
        before: format!(
            "EXECUTE format('SELECT (coalesce(max({column}), 0) / {every} + 1) * {every} FROM %I.%I', schema, name) INTO cut;
    EXECUTE format('ALTER TABLE %I.%I ADD CONSTRAINT larder_bound CHECK ({column} IS NOT NULL AND {column} < %s)', schema, name, cut);"
        ),
        after_create: "EXECUTE format('ALTER TABLE %s DROP CONSTRAINT larder_bound', new);".to_owned(),
        finish: format!(
            "EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (MINVALUE) TO (%s)', new, old, cut);
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT larder_bound', old);
    FOR found IN SELECT generate_series(1, {}) LOOP
        {each}{every});
        cut := cut + {every};
    END LOOP;
    {default}",
            ranges.ahead.max(1)
        ),
        ..Parts::default()
    }
}

fn down(model: &Model<Pg>) -> String {
    filled(model, 'p', "", &Parts { suffix: "_parts", finish: COPY.to_owned(), ..Parts::default() })
}

/// Copies all rows, and drops the old table.
const COPY: &str = "FOR found IN SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS columns FROM pg_attribute
        WHERE attrelid = this AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
    LOOP
        EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s', new, found.columns, found.columns, old);
    END LOOP;
    EXECUTE format('DROP TABLE %s', old);
";

/// What is different from case to case.
#[derive(Default)]
struct Parts {
    suffix: &'static str,
    guard: String,
    before: String,
    after_create: String,
    finish: String,
}

fn filled(model: &Model<Pg>, kind: char, partition_by: &str, parts: &Parts) -> String {
    let Parts { suffix, guard, before, after_create, finish } = parts;
    SWAP.replace("{table}", &literal(&model.table))
        .replace("{kind}", &format!("'{kind}'"))
        .replace("{guard}", guard)
        .replace("{before}", before)
        .replace("{suffix}", &format!("'{suffix}'"))
        .replace("{partition_by}", &in_format(partition_by))
        .replace("{after_create}", after_create)
        .replace("{finish}", finish)
}
