use std::{collections::HashSet, marker::PhantomData, ops::ControlFlow, time::Duration};

use diesel::deserialize;

use super::{
    Mismatch, Report,
    look::Wanted,
    pace::{self, Pace},
    sample::Sample,
};
use crate::{
    backend::Backend,
    entity::{Entity, PatternOn, Table},
    error::{Error, Result},
    event::Event,
    handle::Larder,
    layers::Layers,
    load,
    models::{Models, VisitPatterns},
    payload,
    row::{SelectList, WholeRow},
    session::Access,
    statement::Statement,
    store::{BATCH, CellKey, Cursor},
};

/// Lists are long, and a batch of them is in memory at once.
const LISTS: usize = 64;

/// How often a page of a scan is asked for.
const N_TRIES: usize = 3;

#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) sample: usize,
    pub(super) seed: u64,
    pub(super) grace: Duration,
    pub(super) heal: bool,
}

type Progress<'a> = Box<dyn FnMut(&Report) -> ControlFlow<()> + 'a>;

/// A comparison under way.
pub(crate) struct Run<'a, DB: Backend> {
    pub(super) larder: &'a Larder<DB>,
    settings: Settings,
    pace: Pace,
    progress: Option<Progress<'a>>,
    pub(super) report: Report,
    is_stopped: bool,
    model: &'static str,
    /// The model's cells that were compared, of those that were found: whoever draws their rows need not look again.
    compared: HashSet<CellKey>,
}

/// Compares cells of a model that were found in the store, pattern by pattern, and those of rows drawn from its table.
pub(crate) type Check<DB> = fn(&mut Run<'_, DB>, Vec<Vec<CellKey>>) -> Result<()>;

/// [`Check`] of one model.
pub(crate) fn check<DB: Backend, E: Table<DB>>(run: &mut Run<'_, DB>, found: Vec<Vec<CellKey>>) -> Result<()> {
    run.visit::<E>(Source::Found(found))?;
    if run.goes_on() {
        let rows = run.draw::<E>()?;
        run.report.n_rows += rows.len();
        run.visit::<E>(Source::Drawn(rows))?;
    }
    Ok(())
}

impl<'a, DB: Backend> Run<'a, DB> {
    pub(super) fn new(larder: &'a Larder<DB>, settings: Settings, pace: Pace, progress: Option<Progress<'a>>) -> Self {
        let report = Report { seed: settings.seed, is_complete: true, ..Report::default() };
        Self { larder, settings, pace, progress, report, is_stopped: false, model: "", compared: HashSet::new() }
    }

    pub(super) fn models(mut self, models: &Models<DB>) -> Result<Report> {
        let Some(layers) = self.larder.layers() else {
            return Ok(self.report);
        };
        let samples = self.search(layers, models)?;
        for (model, sample) in models.iter().zip(samples) {
            let mut found = vec![Vec::new(); model.patterns.len()];
            // A key may have come twice.
            let keys: HashSet<(usize, CellKey)> = sample.into_kept().into_iter().collect();
            for (pattern, key) in keys {
                found[pattern].push(key);
            }
            self.model = model.name;
            self.compared.clear();
            (model.check)(&mut self, found)?;
        }
        Ok(self.report)
    }

    /// Draws from the cells that the store has, for each model a number of its pattern with a key.
    fn search(&mut self, layers: &Layers, models: &Models<DB>) -> Result<Vec<Sample<(usize, CellKey)>>> {
        let mut samples = Vec::new();
        let mut prefixes: Vec<(Vec<u8>, usize, usize)> = Vec::new();
        for (at, model) in models.iter().enumerate() {
            samples.push(Sample::new(self.settings.sample, self.settings.seed));
            let patterns = model.patterns.iter().enumerate();
            prefixes.extend(patterns.map(|(n, columns)| (payload::prefix(model.name, columns.names), at, n)));
        }
        // The store walks over all of its keys in any case, so it does once for all models.
        let mut names = models.names();
        let prefix = match (names.next(), names.next()) {
            (Some(name), None) => format!("{name}:"),
            _ => String::new(),
        };
        let mut next = (!samples.is_empty()).then_some(Cursor::START);
        while let Some(cursor) = next.filter(|_| self.goes_on()) {
            let mut n_tries = 1;
            let page = loop {
                match layers.scan(prefix.as_bytes(), cursor) {
                    Ok(page) => break page,
                    Err(error) if error.is_refused() || n_tries == N_TRIES => return Err(Error::Inspection(error)),
                    Err(_) => n_tries += 1,
                }
            };
            for key in page.keys {
                let mut ours = prefixes.iter().filter(|(prefix, ..)| key.as_bytes().starts_with(prefix));
                if let Some((_, model, pattern)) = ours.next() {
                    self.report.n_found += 1;
                    samples[*model].offer((*pattern, key));
                }
            }
            next = page.next;
        }
        Ok(samples)
    }

    /// Draws rows from a table.
    fn draw<E: Table<DB>>(&self) -> Result<Vec<E>> {
        if self.settings.sample == 0 {
            return Ok(Vec::new());
        }
        let mut list = SelectList::new();
        E::columns(&mut list);
        let mut statement = Statement::new();
        statement.sql("SELECT ").separated(", ", list.items, |statement, item| {
            statement.fragment(item);
        });
        statement.sql(" FROM ").fragment(load::table::<DB, E>());
        DB::push_sample(load::table_sql::<DB, E>()?, self.settings.sample, self.settings.seed, &mut statement);
        let rows: Vec<WholeRow<E>> = Access::handle(self.larder).load(statement)?;
        // A deleted row is in no cell.
        Ok(rows.into_iter().map(|WholeRow(row)| row).filter(|row| !row.is_deleted()).collect())
    }

    fn visit<E: Table<DB>>(&mut self, source: Source<E>) -> Result<()> {
        let visited = E::patterns(&mut Visit { run: self, source, at: 0, _entity: PhantomData });
        visited.map_err(|error| match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => Error::Other(error),
        })
    }

    fn compare<P: PatternOn<DB>>(&mut self, wanted: Vec<Wanted<P>>) -> Result<()> {
        let n_batch = self.pace.batch(if P::UNIQUE { BATCH } else { LISTS });
        let mut wanted = wanted.into_iter();
        loop {
            let batch: Vec<_> = wanted.by_ref().take(n_batch).collect();
            if batch.is_empty() || !self.goes_on() {
                return Ok(());
            }
            let n_cells = batch.len();
            self.compare_batch(batch)?;
            let pause = self.pace.spend(n_cells);
            self.wait(pause, Self::goes_on);
        }
    }

    fn compare_batch<P: PatternOn<DB>>(&mut self, wanted: Vec<Wanted<P>>) -> Result<()> {
        let looked = self.look(wanted)?;
        looked.tally.add_to(&mut self.report);
        self.compared.extend(looked.read);
        let mut wrong = looked.wrong;
        if !wrong.is_empty() && !self.settings.grace.is_zero() {
            if !self.wait(self.settings.grace, Self::is_wanted) {
                return Ok(());
            }
            let stamps: HashSet<_> = wrong.iter().map(|wrong| wrong.stamp).collect();
            let n_before = wrong.len();
            let again = self.look(wrong.into_iter().map(|wrong| wrong.wanted).collect())?;
            wrong = again.wrong.into_iter().filter(|wrong| stamps.contains(&wrong.stamp)).collect();
            self.report.n_skipped += again.tally.n_skipped;
            self.report.n_late += n_before - wrong.len() - again.tally.n_skipped;
        }
        let Some(layers) = self.larder.layers().filter(|_| !wrong.is_empty()) else {
            return Ok(());
        };
        let healed = self.settings.heal && {
            // What depends on the table may be as wrong.
            let table = payload::table_key(self.model);
            let keys: Vec<_> = wrong.iter().map(|wrong| &wrong.wanted.cell).chain([&table]).collect();
            layers.settle(&keys)
        };
        for wrong in wrong {
            let ttl = layers.longest_ttl(P::Entity::TTL, wrong.is_absent);
            let mismatch = Mismatch {
                key: wrong.wanted.cell,
                model: self.model,
                pattern: P::COLUMNS,
                difference: wrong.difference,
                at_most_age: wrong.expires_in.and_then(|left| ttl.checked_sub(left)),
                expires_in: wrong.expires_in,
                healed,
            };
            layers.tell(Event::Mismatch { mismatch: &mismatch });
            self.report.mismatches.push(mismatch);
        }
        Ok(())
    }

    /// Whether there is time left, and nobody has ended it.
    fn goes_on(&mut self) -> bool {
        self.is_stopped |= self.pace.is_over();
        self.report.is_complete &= !self.is_stopped;
        !self.is_stopped && self.is_wanted()
    }

    /// Whether nobody has ended it.
    fn is_wanted(&mut self) -> bool {
        if let Some(progress) = &mut self.progress
            && progress(&self.report).is_break()
        {
            self.is_stopped = true;
            self.report.is_complete = false;
        }
        !self.is_stopped
    }

    fn wait(&mut self, time: Duration, goes_on: fn(&mut Self) -> bool) -> bool {
        pace::wait(time, || goes_on(self))
    }
}

enum Source<E> {
    /// Cells of each pattern.
    Found(Vec<Vec<CellKey>>),
    Drawn(Vec<E>),
}

struct Visit<'r, 'a, DB: Backend, E> {
    run: &'r mut Run<'a, DB>,
    source: Source<E>,
    at: usize,
    _entity: PhantomData<E>,
}

impl<DB: Backend, E: Table<DB>> VisitPatterns<DB> for Visit<'_, '_, DB, E> {
    type Entity = E;

    fn pattern<P: PatternOn<DB, Entity = E>>(&mut self) -> deserialize::Result<()> {
        let wanted: Vec<Wanted<P>> = match &mut self.source {
            Source::Found(found) => {
                let cells = found.get_mut(self.at).map(std::mem::take).unwrap_or_default();
                cells.into_iter().map(Wanted::found).collect()
            }
            Source::Drawn(rows) => {
                let keys: HashSet<P::Key> = rows.iter().filter_map(P::key_of).collect();
                let wanted = keys.into_iter().map(Wanted::drawn);
                wanted.filter(|wanted: &Wanted<P>| !self.run.compared.contains(&wanted.cell)).collect()
            }
        };
        self.at += 1;
        Ok(self.run.compare(wanted)?)
    }
}
