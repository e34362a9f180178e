//! What there is to do for one table at a moment, and doing it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl,
    pg::Pg,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};

use super::{
    calendar::DAY,
    catalogue::{Catalogue, Found, Named, number, place_of},
    error::Error,
    keeper::Job,
    marks::MARK,
    ranges::{Bound, Span},
    report::{Part, Plan, Status},
    scheme::{By, Line, Partition, Ranges, Step},
    steps::New,
};
use crate::{models::Model, stop::Stop, triggers::identifier};

/// The first value of which larder knows a range: in the year 1.
const FIRST: i64 = -62_135_596_800_000_000;

/// A table that is looked after.
pub(super) struct Work<'w> {
    pub(super) model: &'w Model<Pg>,
    pub(super) scheme: Partition,
    pub(super) connection: &'w mut PgConnection,
    pub(super) catalogue: Catalogue,
    /// What is written, and until when, on the line of the scheme.
    pub(super) now: i64,
    at: SystemTime,
}

impl<'w> Work<'w> {
    /// Looks at the table, and at the clock.
    pub(super) fn of(job: &Job, model: &'w Model<Pg>, connection: &'w mut PgConnection) -> Result<Self, Error> {
        let scheme = model.partition.ok_or_else(|| Error::NoScheme { name: model.name.to_owned() })?;
        let catalogue = Catalogue::of(connection, &model.table, &scheme)?;
        let at = match &job.clock {
            Some(clock) => clock(),
            None => database_clock(connection)?,
        };
        let mut work = Self { model, scheme, connection, catalogue, now: micros_of(at), at };
        if let By::Ranges(ranges @ Ranges { every: Step::Numbers(_), .. }) = scheme.by {
            work.now = work.largest(&ranges)?;
        }
        Ok(work)
    }

    /// Looks at the partitions again, after some of them have changed.
    pub(super) fn look_again(&mut self) -> Result<(), Error> {
        self.catalogue = Catalogue::of(self.connection, &self.model.table, &self.scheme)?;
        Ok(())
    }

    /// The largest number of those in ranges. Where they have none it is the smallest one of the default partition, and 0 without rows.
    ///
    /// Of the default partition's rows one alone may be far ahead of all others, and all partitions would be too old beside it.
    fn largest(&mut self, ranges: &Ranges) -> Result<i64, Error> {
        let Self { catalogue, connection, .. } = self;
        let place = place_of(ranges.line, &format!("max({})", identifier(self.scheme.column)));
        // The last range that has rows has the largest of all ranges.
        for found in catalogue.partitions.iter().rev() {
            if let Some(found) = number(connection, &format!("SELECT {place} FROM {}", found.named.sql))? {
                return Ok(found);
            }
        }
        let Some(default) = &catalogue.default else { return Ok(0) };
        let smallest = place_of(ranges.line, &format!("min({})", identifier(self.scheme.column)));
        Ok(number(connection, &format!("SELECT {smallest} FROM ONLY {}", default.sql))?.unwrap_or(0))
    }

    /// The partition that is to be made for a range.
    pub(super) fn new_range(&self, ranges: &Ranges, span: Span) -> New {
        let column = identifier(self.scheme.column);
        let (from, to) = (ranges.literal(span.from), ranges.literal(span.to));
        New {
            name: self.catalogue.name_with(&ranges.suffix(span)),
            bounds: format!("FOR VALUES FROM ({from}) TO ({to})"),
            condition: Some(format!("{column} >= {from} AND {column} < {to}")),
        }
    }

    /// The partitions that lack, whether rows wait for them or not.
    pub(super) fn missing(&self) -> Result<Vec<New>, Error> {
        Ok(match self.scheme.by {
            By::Ranges(ranges) => {
                let missing = ranges.missing(self.now, &self.catalogue.spans());
                missing.into_iter().map(|span| self.new_range(&ranges, span)).collect()
            }
            By::Values => Vec::new(),
            By::Hashes(n) => {
                let with = |remainder| format!("modulus {n}, remainder {remainder}");
                let of_it = |found: &&Found| !found.bounds.contains(&format!("modulus {n},"));
                if let Some(found) = self.catalogue.partitions.iter().find(of_it) {
                    return Err(Error::Otherwise {
                        table: self.catalogue.table.sql.clone(),
                        said: format!("hash, into {n}"),
                        is: format!("hash, {} {}", found.named.sql, found.bounds),
                    });
                }
                let is_there = |remainder| {
                    self.catalogue
                        .partitions
                        .iter()
                        .any(|found| found.bounds.contains(&format!("({})", with(remainder))))
                };
                let missing = (0..n).filter(|remainder| !is_there(*remainder));
                missing
                    .map(|remainder| New {
                        name: self.catalogue.name_with(&format!("_p{remainder}")),
                        bounds: format!("FOR VALUES WITH ({})", with(remainder)),
                        condition: None,
                    })
                    .collect()
            }
        })
    }

    /// The range that is to be made for the first row of the default partition that has one, of those from `from` on.
    pub(super) fn next_home(&mut self, ranges: &Ranges, mut from: i64, stop: &Stop) -> Result<Option<Span>, Error> {
        let spans = self.catalogue.spans();
        while let Some(first) = self.first_in_default(ranges, from)?.filter(|_| !stop.is_set()) {
            if let Some(home) = ranges.home(first, self.now, &spans) {
                return Ok(Some(home));
            }
            // A date is written without its time: a little more would be the same day again.
            let step = if ranges.line == Line::Days { DAY } else { 1 };
            let Some(next) = first.checked_add(step) else { break };
            from = next;
        }
        Ok(None)
    }

    /// Where the search for rows in the default partition begins.
    pub(super) fn beginning(ranges: &Ranges) -> i64 {
        if matches!(ranges.every, Step::Numbers(_)) { i64::MIN } else { FIRST }
    }

    fn first_in_default(&mut self, ranges: &Ranges, from: i64) -> Result<Option<i64>, Error> {
        let Some((default, condition)) = self.homeless(ranges, from) else { return Ok(None) };
        let place = place_of(ranges.line, &format!("min({})", identifier(self.scheme.column)));
        Ok(number(self.connection, &format!("SELECT {place} FROM ONLY {default} WHERE {condition}"))?)
    }

    /// The default partition, and which of its rows may have a partition to come into.
    fn homeless(&self, ranges: &Ranges, from: i64) -> Option<(String, String)> {
        let default = self.catalogue.default.as_ref()?;
        let column = identifier(self.scheme.column);
        let end = ranges.literal(Bound::At(ranges.end(self.now)?));
        let condition = if from == i64::MIN {
            format!("{column} < {end}")
        } else {
            format!("{column} >= {} AND {column} < {end}", ranges.literal(Bound::At(from)))
        };
        Some((default.sql.clone(), condition))
    }

    /// The partitions whose rows are not kept any more, and those that are half detached.
    pub(super) fn expired(&self) -> Vec<Found> {
        let By::Ranges(ranges) = self.scheme.by else { return Vec::new() };
        let is_expired = |found: &&Found| found.span.is_some_and(|span| ranges.is_expired(span, self.now));
        let partitions = self.catalogue.partitions.iter();
        let marked = |found: &&Found| found.is_pending && found.named.comment.starts_with(MARK);
        partitions.filter(|found| is_expired(found) || marked(found)).cloned().collect()
    }

    /// Whether those may go: of numbers not many at once, and none if there is no room ahead.
    pub(super) fn may_expire(&self, expired: &[Found], at_most: usize) -> Result<(), Error> {
        let By::Ranges(ranges @ Ranges { every: Step::Numbers(_), .. }) = self.scheme.by else { return Ok(()) };
        let (table, largest) = (self.catalogue.table.sql.clone(), self.now);
        if ranges.wanted(largest).len() <= ranges.ahead as usize {
            return Err(Error::NoRoom { table, largest });
        }
        let n_partitions = expired.iter().filter(|found| !found.is_pending).count();
        if n_partitions > at_most {
            return Err(Error::TooMany { table, largest, n_partitions });
        }
        Ok(())
    }

    /// Partitions that are marked and are to stay: their detachment failed once, and meanwhile they are kept for longer.
    ///
    /// Whoever detaches one of them by hand would lose it.
    pub(super) fn wrongly_marked(&self) -> Vec<Named> {
        let is_expired = |span, now| matches!(self.scheme.by, By::Ranges(ranges) if ranges.is_expired(span, now));
        let stays = |found: &&Found| !found.is_pending && !found.span.is_some_and(|span| is_expired(span, self.now));
        let partitions = self.catalogue.partitions.iter().filter(stays).map(|found| &found.named);
        let tables = partitions.chain(&self.catalogue.default);
        tables.filter(|named| named.comment.starts_with(MARK)).cloned().collect()
    }

    pub(super) fn plan(&mut self) -> Result<Plan, Error> {
        let create = self.missing()?.into_iter().map(|new| (new.name, new.bounds)).collect();
        let n_to_move = match self.scheme.by {
            By::Ranges(ranges) => match self.homeless(&ranges, Self::beginning(&ranges)) {
                Some((default, condition)) => {
                    number(self.connection, &format!("SELECT count(*) FROM ONLY {default} WHERE {condition}"))?
                        .unwrap_or(0)
                }
                None => 0,
            },
            _ => 0,
        };
        let expire = self.expired().into_iter().map(|found| (found.named.sql, found.bounds)).collect();
        let finish = self.catalogue.leftovers.iter().map(|table| table.sql.clone()).collect();
        Ok(Plan { table: self.model.name, at: self.at, create, n_to_move, expire, finish })
    }

    pub(super) fn status(&mut self) -> Result<Status, Error> {
        let Self { catalogue, connection, .. } = self;
        let mut partitions = Vec::with_capacity(catalogue.partitions.len() + 1);
        for found in &catalogue.partitions {
            partitions.push(part(connection, &found.named, &found.bounds)?);
        }
        let mut n_in_default = None;
        if let Some(default) = &catalogue.default {
            partitions.push(part(connection, default, "DEFAULT")?);
            n_in_default = number(connection, &format!("SELECT count(*) FROM ONLY {}", default.sql))?;
        }
        let leftovers = catalogue.leftovers.iter().map(|table| table.sql.clone()).collect();
        Ok(Status { table: self.model.name, partitions, n_in_default, leftovers })
    }
}

#[derive(QueryableByName)]
struct Size {
    #[diesel(sql_type = Nullable<BigInt>)]
    n_rows: Option<i64>,
    #[diesel(sql_type = BigInt)]
    n_bytes: i64,
}

fn part(connection: &mut PgConnection, named: &Named, bounds: &str) -> Result<Part, Error> {
    let size = sql_query(
        "SELECT nullif(reltuples, -1)::bigint AS n_rows,
                coalesce((SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(c.oid)),
                         pg_total_relation_size(c.oid))::bigint AS n_bytes
         FROM pg_class AS c WHERE oid = CAST($1 AS regclass)",
    );
    let Size { n_rows, n_bytes } = size.bind::<Text, _>(&named.sql).get_result(connection)?;
    Ok(Part { name: named.sql.clone(), bounds: bounds.to_owned(), n_rows, n_bytes })
}

fn database_clock(connection: &mut PgConnection) -> Result<SystemTime, Error> {
    let micros = number(connection, "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)")?;
    Ok(UNIX_EPOCH + Duration::from_micros(micros.unwrap_or(0).unsigned_abs()))
}

/// Microseconds since 1970, before it as a negative number.
pub(super) fn micros_of(at: SystemTime) -> i64 {
    match at.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
    }
}
