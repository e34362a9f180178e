//! All that some models maintain: what it is, whether it is right, and how it is made so.

use std::{fmt, ops::ControlFlow};

use super::{
    Kept, UpkeepOn, VisitUpkeeps,
    check::{Difference, check},
    rebuild::{Progress, rebuild},
};
use crate::{
    backend::Backend,
    entity::{Entity as _, Pattern as _, Table},
    error::Result,
    handle::Larder,
    models::{Models, table_of},
    session::Access,
};

/// What one model maintains in another, without their types.
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "migrations are PostgreSQL's"))]
pub(crate) struct Maintained<DB: Backend> {
    /// What the keys of the maintained table's cells begin with.
    pub(crate) name: &'static str,
    /// The maintained table, and that of which it is, as SQL names them.
    pub(crate) target: String,
    pub(crate) child: String,
    pub(crate) key: &'static [&'static str],
    pub(crate) by: &'static [&'static str],
    pub(crate) columns: &'static [Kept],
    pub(crate) inserts: bool,
    check: fn(Access<'_, DB>, usize) -> Result<Vec<Difference>>,
    rebuild: Rebuild<DB>,
}

type Rebuild<DB> =
    fn(&Larder<DB>, usize, &mut Progress, &mut dyn FnMut(&Progress) -> ControlFlow<()>) -> Result<ControlFlow<()>>;

/// What a model maintains.
pub(crate) fn maintained<DB: Backend, E: Table<DB>>() -> Vec<Maintained<DB>> {
    struct Collecting<DB: Backend, E> {
        found: Vec<Maintained<DB>>,
        _model: std::marker::PhantomData<E>,
    }

    impl<DB: Backend, E: Table<DB>> VisitUpkeeps<DB> for Collecting<DB, E> {
        type Child = E;

        fn upkeep<U: UpkeepOn<DB, Child = E>>(&mut self) {
            self.found.push(Maintained {
                name: U::Target::cells_name(),
                target: table_of::<DB, U::Target>(),
                child: table_of::<DB, E>(),
                key: <U::Target as Table<DB>>::ByKey::COLUMNS,
                by: U::By::COLUMNS,
                columns: U::COLUMNS,
                inserts: U::INSERTS,
                check: check::<DB, U>,
                rebuild: rebuild::<DB, U>,
            });
        }
    }

    let mut collecting = Collecting::<DB, E> { found: Vec::new(), _model: std::marker::PhantomData };
    E::upkeeps(&mut collecting);
    collecting.found
}

impl<DB: Backend> Larder<DB> {
    /// The columns that some models maintain: to be [compared](Upkeeps::check) with what they should be, and
    /// [computed anew](Upkeeps::rebuild).
    ///
    /// ```no_run
    /// # fn example(larder: larder::Larder<diesel::pg::Pg>, models: larder::Models<diesel::pg::Pg>) -> larder::Result<()> {
    /// use std::ops::ControlFlow;
    ///
    /// let done = larder.upkeep(&models).rebuild(|progress| {
    ///     println!("{} rows of {}", progress.n_rows, progress.table);
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert!(done.is_complete && larder.upkeep(&models).check()?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn upkeep<'a>(&'a self, models: &'a Models<DB>) -> Upkeeps<'a, DB> {
        Upkeeps { larder: self, models, at_most: 1_000, batch: 500 }
    }
}

/// The columns that some models maintain. Made by [`Larder::upkeep`].
#[must_use = "nothing is done before it is asked for"]
pub struct Upkeeps<'a, DB: Backend> {
    larder: &'a Larder<DB>,
    models: &'a Models<DB>,
    at_most: usize,
    batch: usize,
}

impl<DB: Backend> fmt::Debug for Upkeeps<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { models, at_most, batch, .. } = self;
        f.debug_struct("Upkeeps")
            .field("models", models)
            .field("at_most", at_most)
            .field("batch", batch)
            .finish_non_exhaustive()
    }
}

impl<DB: Backend> Upkeeps<'_, DB> {
    /// How many differences are told of each relation. Defaults to 1,000.
    pub fn at_most(mut self, n: usize) -> Self {
        self.at_most = n;
        self
    }

    /// How many rows are computed anew in one transaction, at least 1. Defaults to 500.
    pub fn batch(mut self, n_rows: usize) -> Self {
        self.batch = n_rows.max(1);
        self
    }

    /// The rows whose columns are not what they should be, ordered by table and key.
    ///
    /// One statement for each relation, which reads both tables whole. It sees them at one instant, so a write in flight makes no
    /// difference; of a column that is maintained of maintained ones, the mistake is told where it is.
    ///
    /// # Errors
    /// [`Error::Database`](crate::Error::Database) and [`Error::Pool`](crate::Error::Pool).
    pub fn check(self) -> Result<Vec<Difference>> {
        let mut differences = Vec::new();
        for maintained in self.relations() {
            differences.extend((maintained.check)(Access::handle(self.larder), self.at_most)?);
        }
        Ok(differences)
    }

    /// Computes all columns anew, some rows in a transaction each, while others go on writing: what they change meanwhile is right, too.
    ///
    /// To be done once after the columns were added and **every** process writes with models that maintain them, and whenever something
    /// was written past larder. Columns of which others are maintained come first. Costs five statements or so a batch; rows that are right
    /// are locked and not written. `progress` is told after each batch, and may end it.
    ///
    /// # Errors
    /// Those of [`Larder::transaction`]. The batches before are done; a batch that fails only because of others is tried again.
    pub fn rebuild(self, mut progress: impl FnMut(&Progress) -> ControlFlow<()>) -> Result<Progress> {
        let mut far = Progress::default();
        for maintained in self.relations() {
            if (maintained.rebuild)(self.larder, self.batch, &mut far, &mut progress)?.is_break() {
                return Ok(far);
            }
        }
        far.is_complete = true;
        Ok(far)
    }

    /// What is maintained, in an order in which nothing has to be computed twice.
    fn relations(&self) -> Vec<&Maintained<DB>> {
        let mut rest: Vec<&Maintained<DB>> = self.models.iter().flat_map(|model| &model.maintains).collect();
        let mut ordered = Vec::with_capacity(rest.len());
        while !rest.is_empty() {
            // What is maintained of a table that nothing maintains any more; in a circle, whatever comes first.
            let is_next =
                |at: &usize| !rest.iter().enumerate().any(|(other, of)| other != *at && of.target == rest[*at].child);
            let next = (0..rest.len()).find(is_next).unwrap_or(0);
            ordered.push(rest.remove(next));
        }
        ordered
    }
}
