//! A keeper's looks: who looks, how often, and what is done in which order.

use std::{
    iter,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{Duration, Instant},
};

use diesel::{PgConnection, pg::Pg};

use super::{
    archive::{Archived, archive, archived},
    catalogue::Named,
    error::Error,
    forget::forget,
    keeper::{Expired, Job},
    report::{Action, Failure, Report},
    scheme::By,
    steps::{self, New},
    work::Work,
};
use crate::{
    event::{self, Event},
    failpoints::{Point, reach},
    leader::{Leader, Seat, number_of},
    models::Model,
    stop::Stop,
    triggers::literal,
};

/// What kind of work the advisory lock is for.
const LOCK: i32 = i32::from_be_bytes(*b"part");

/// A step may write an archive, and the seat's session does nothing else.
const MAY_BE_SILENT: Duration = Duration::from_secs(15 * 60);

/// How often a step is tried again at a look, and how long after a failure: at first, and then twice as long each time.
const N_RESTS: usize = 4;
const FIRST_REST: Duration = Duration::from_millis(50);

/// How long to wait after a look at which something failed: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// How many partitions are made at a look for what lies in the default partition.
const MOST_HOMES: usize = 100;

impl Job {
    /// Looks again and again, until it is told to stop.
    pub(super) fn run(&self, stop: &Stop) {
        let mut pause = FIRST_PAUSE;
        while !stop.is_set() {
            // Whatever a handler of events does, partitions must go on being made.
            let looked = catch_unwind(AssertUnwindSafe(|| self.look(stop)));
            let is_well = looked.is_ok_and(|report| report.failures.is_empty());
            if is_well {
                pause = FIRST_PAUSE;
                let _ = stop.rest(self.every);
            } else {
                let _ = stop.rest(pause.min(self.every));
                pause = (pause * 2).min(LAST_PAUSE);
            }
        }
    }

    /// Looks at all tables once.
    pub(super) fn look(&self, stop: &Stop) -> Report {
        let mut report = Report::default();
        for model in self.models.iter() {
            if stop.is_set() {
                break;
            }
            let mut desk = Desk { job: self, stop, model, report: &mut report };
            match self.in_seat(model, |connection| desk.keep(connection)) {
                Ok(Some(())) => {}
                Ok(None) => report.elsewhere.push(model.name),
                Err(error) => desk.failed("a look".to_owned(), error),
            }
        }
        self.ledger.looked(&report);
        report
    }

    pub(super) fn give_partition(&self, name: &str, value: &str) -> Result<Report, Error> {
        let model = self.models.named(name).ok_or_else(|| Error::NoScheme { name: name.to_owned() })?;
        if !matches!(model.partition, Some(of) if of.by == By::Values) {
            return Err(Error::NotByList { name: name.to_owned() });
        }
        let (mut report, stop) = (Report::default(), Stop::default());
        let mut desk = Desk { job: self, stop: &stop, model, report: &mut report };
        if self.in_seat(model, |connection| desk.give(connection, value))?.is_none() {
            report.elsewhere.push(model.name);
        }
        Ok(report)
    }

    /// Works on a table if no other keeper does.
    fn in_seat<T>(
        &self,
        model: &Model<Pg>,
        work: impl FnOnce(&mut PgConnection) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let find = |connection: &mut PgConnection| {
            number_of(&model.table, connection).map(|number| Seat { kind: LOCK, number })
        };
        let Some(mut leader) = Leader::elect::<Error>(&self.pool, find, None)? else { return Ok(None) };
        leader.may_be_silent_for(MAY_BE_SILENT)?;
        work(leader.connection()).map(Some)
    }
}

/// One look at one table.
struct Desk<'d> {
    job: &'d Job,
    stop: &'d Stop,
    model: &'d Model<Pg>,
    report: &'d mut Report,
}

impl Desk<'_> {
    /// Does what there is to do. A step that fails keeps none of the others from being done.
    fn keep(&mut self, connection: &mut PgConnection) -> Result<(), Error> {
        let mut work = Work::of(self.job, self.model, connection)?;
        for table in work.wrongly_marked() {
            let kept = self.again(|| steps::keep(work.connection, self.job.limits, &table));
            self.heard(format!("taking the mark from {}", table.sql), kept);
        }
        for new in work.missing()? {
            self.create(&mut work, &new);
        }
        work.look_again()?;
        self.house(&mut work)?;
        // Rows that are gone are served until their cells are emptied, and an archive may take hours: that comes last.
        let mut forgotten = Vec::new();
        for table in std::mem::take(&mut work.catalogue.leftovers) {
            self.forget(work.connection, &table, &mut forgotten);
        }
        let mut expired = work.expired();
        if let Err(error) = work.may_expire(&expired, self.job.expire_at_most) {
            self.failed("taking away what is not kept".to_owned(), error);
            // Of those half detached the rows are gone already.
            expired.retain(|found| found.is_pending);
        }
        for found in expired {
            let what = format!("detaching {}", found.named.sql);
            let detached = self.again(|| steps::detach(work.connection, self.job.limits, &work.catalogue, &found));
            if let Some(blocked) = self.heard(what, detached) {
                self.did(Action::Detached { partition: found.named.sql.clone(), blocked });
                reach(Point::PartitionDetached);
                self.forget(work.connection, &found.named, &mut forgotten);
            }
        }
        work.look_again()?;
        for table in std::mem::take(&mut work.catalogue.leftovers) {
            if forgotten.contains(&table.sql) {
                let finished = self.finish(work.connection, &table);
                self.heard(format!("finishing {}", table.sql), finished);
            }
        }
        Ok(())
    }

    /// Empties the cells of a partition that is detached, since its rows are gone for everybody.
    fn forget(&mut self, connection: &mut PgConnection, table: &Named, forgotten: &mut Vec<String>) {
        let emptied = self.again(|| forget(&self.job.larder, connection, self.model, table));
        if let Some(n_cells) = self.heard(format!("emptying the cells of {}", table.sql), emptied) {
            self.did(Action::Forgotten { partition: table.sql.clone(), n_cells });
            reach(Point::PartitionForgotten);
            forgotten.push(table.sql.clone());
        }
    }

    /// Makes a partition for what lies in the default one, and the next, until nothing is left there that has a home.
    fn house(&mut self, work: &mut Work<'_>) -> Result<(), Error> {
        let By::Ranges(ranges) = work.scheme.by else { return Ok(()) };
        let mut from = Work::beginning(&ranges);
        for _ in 0..MOST_HOMES {
            let Some(home) = work.next_home(&ranges, from, self.stop)? else { break };
            let new = work.new_range(&ranges, home);
            // What was in the way of one is in the way of the next, and others wait each time.
            if !self.create(work, &new) {
                break;
            }
            work.look_again()?;
            let super::Bound::At(to) = home.to else { break };
            from = to;
        }
        Ok(())
    }

    fn give(&mut self, connection: &mut PgConnection, value: &str) -> Result<(), Error> {
        let mut work = Work::of(self.job, self.model, connection)?;
        let (column, value_sql) = (crate::triggers::identifier(work.scheme.column), literal(value));
        let is_there = format!(
            "SELECT count(*) FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
             WHERE i.inhparent = CAST({} AS regclass) AND c.relname = {}",
            literal(&work.catalogue.table.sql),
            literal(&work.catalogue.name_with(&format!("_p{value}"))),
        );
        if super::catalogue::number(work.connection, &is_there)?.is_some_and(|n| n > 0) {
            return Ok(());
        }
        let new = New {
            name: work.catalogue.name_with(&format!("_p{value}")),
            bounds: format!("FOR VALUES IN ({value_sql})"),
            condition: Some(format!("{column} = {value_sql}")),
        };
        self.create(&mut work, &new);
        Ok(())
    }

    /// Whether it could be made.
    fn create(&mut self, work: &mut Work<'_>, new: &New) -> bool {
        let created = self.again(|| steps::create(work.connection, self.job.limits, &work.catalogue, new));
        let Some((n_moved, blocked)) = self.heard(format!("creating {}", new.name), created) else { return false };
        let partition = format!("{}.{}", work.catalogue.table.schema, crate::triggers::identifier(&new.name));
        self.did(Action::Created { partition, n_moved, blocked });
        true
    }

    /// Does what is left to do of a partition that is detached, and whose cells are emptied.
    fn finish(&mut self, connection: &mut PgConnection, table: &Named) -> Result<(), Error> {
        let (job, partition) = (self.job, table.sql.clone());
        let archived = match &job.expired {
            Expired::Detach => {
                self.again(|| steps::keep(connection, job.limits, table))?;
                self.did(Action::Left { partition });
                return Ok(());
            }
            Expired::Drop => None,
            Expired::Archive(folder) => Some(self.archive(connection, table, folder)?),
        };
        reach(Point::PartitionArchived);
        self.again(|| steps::drop_table(connection, job.limits, table, archived))?;
        self.did(Action::Dropped { partition });
        Ok(())
    }

    /// Sees to it that its rows are in a file: how many they are.
    fn archive(&mut self, connection: &mut PgConnection, table: &Named, folder: &Path) -> Result<i64, Error> {
        let archived = match archived(connection, table, folder)? {
            Some(archived) => archived,
            None => {
                let archived = archive(connection, table, folder)?;
                self.again(|| steps::note(connection, self.job.limits, table, &archived))?;
                archived
            }
        };
        let Archived { path, n_rows } = archived;
        self.did(Action::Archived { partition: table.sql.clone(), path, n_rows });
        Ok(n_rows)
    }

    /// Tries a step some times, if others are in its way.
    fn again<T>(&self, mut step: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
        let mut rests = iter::successors(Some(FIRST_REST), |rest| Some(*rest * 2)).take(N_RESTS);
        loop {
            let since = Instant::now();
            let error = match step() {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            match error {
                // It would have its locks as long again.
                Error::HeldTooLong { held, .. } => self.job.ledger.blocked(held),
                _ if error.is_of_others() => {
                    self.job.ledger.blocked(since.elapsed().min(self.job.limits.lock_timeout));
                    if rests.next().is_some_and(|rest| self.stop.rest(rest)) {
                        continue;
                    }
                }
                _ => {}
            }
            return Err(error);
        }
    }

    fn did(&mut self, action: Action) {
        self.job.ledger.did(&action);
        self.tell(Event::Partitioned { table: self.model.name, action: &action });
        self.report.done.push((self.model.name, action));
    }

    fn heard<T>(&mut self, what: String, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.failed(what, error)).ok()
    }

    fn failed(&mut self, what: String, error: Error) {
        self.tell(Event::PartitionFailed { table: self.model.name, what: &what, error: &error });
        self.report.failures.push(Failure { table: self.model.name, what, error });
    }

    fn tell(&self, event: Event<'_>) {
        match self.job.larder.layers() {
            Some(layers) => layers.tell(event),
            None => event::trace(event),
        }
    }
}
