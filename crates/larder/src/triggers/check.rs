//! Whether the triggers that are there are those that should be.

use std::fmt;

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _,
    result::QueryResult,
    sql_query,
    sql_types::{Bool, Nullable, Text},
};

use super::{Plan, Triggers, sql};

/// A change of a model's table that would not be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The model, as its cells are called.
    pub model: &'static str,
    /// The trigger that should tell of it.
    pub trigger: String,
    /// Why it does not.
    pub reason: Reason,
}

/// Why a trigger does not tell of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It isn't there.
    Missing,
    /// It is disabled, or enabled for replicas only.
    Disabled,
    /// It was made for another version of the model, or with other settings: it may leave out a column that the model has now.
    Outdated,
    /// The table has become partitioned, a partition, or part of an inheritance, of which a statement's trigger does not see all.
    Partitioned,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, trigger, reason } = self;
        let reason = match reason {
            Reason::Missing => "is missing",
            Reason::Disabled => "is disabled",
            Reason::Outdated => "was made for another version of the model",
            Reason::Partitioned => "does not see all rows of a partitioned table",
        };
        write!(f, "the trigger {trigger} of {model} {reason}")
    }
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    fires: bool,
    #[diesel(sql_type = Bool)]
    inherits: bool,
    #[diesel(sql_type = Nullable<Text>)]
    description: Option<String>,
}

const LOOK: &str = "
    SELECT t.tgname::text AS name, t.tgenabled IN ('O', 'A') AS fires,
        c.relkind = 'p' OR EXISTS (SELECT FROM pg_inherits AS i WHERE c.oid IN (i.inhrelid, i.inhparent)) AS inherits,
        obj_description(t.tgfoid, 'pg_proc') AS description
    FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
    WHERE c.oid = to_regclass($1)";

impl Triggers {
    /// Compares what is in the database with what [`Triggers::up`] would make there: nothing if it is the same.
    ///
    /// For a program's start and for continuous integration: where there is a gap, what is written past larder stays unseen until cells
    /// expire. One statement a model.
    ///
    /// # Errors
    /// The database's.
    pub fn check(&self, connection: &mut PgConnection) -> QueryResult<Vec<Gap>> {
        let mut gaps = Vec::new();
        for model in self.models.iter() {
            gaps.extend(gaps_of(&self.plan(model), connection)?);
        }
        Ok(gaps)
    }
}

fn gaps_of(plan: &Plan<'_>, connection: &mut PgConnection) -> QueryResult<Vec<Gap>> {
    let found: Vec<Found> = sql_query(LOOK).bind::<Text, _>(&plan.model.table).load(connection)?;
    let expected = sql::description(plan);
    let gap = |(operation, _): (&str, &str)| {
        let trigger = sql::trigger_name(plan, operation);
        let reason = match found.iter().find(|found| found.name == trigger) {
            None => Reason::Missing,
            Some(found) if !found.fires => Reason::Disabled,
            Some(found) if found.description.as_ref() != Some(&expected) => Reason::Outdated,
            Some(found) if found.inherits && !plan.by_row => Reason::Partitioned,
            Some(_) => return None,
        };
        Some(Gap { model: plan.model.name, trigger, reason })
    };
    Ok(sql::OPERATIONS.into_iter().filter_map(gap).collect())
}
