//! A statement that is sent.

use std::time::Instant;

use diesel::query_builder::{QueryBuilder as _, QueryFragment};
use tracing::field::Empty;

use super::{Lookout, Site};
use crate::{
    backend::Backend,
    entity::Entity,
    error::{Error, Result},
    statement::Statement,
};

/// What is known of a statement before it is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    /// Its first word.
    pub(crate) operation: &'static str,
    /// Whether all of its text is larder's own, so that values are only bound. What a caller has made may hold some.
    pub(crate) is_own: bool,
    /// Whether it is all that its caller waits for; a read by keys is looked at as a whole.
    pub(crate) is_call: bool,
}

impl Lookout {
    /// Sends a statement: a span by OpenTelemetry's names for databases, and an entry in the figures.
    pub(crate) fn send<'q, DB: Backend, E: Entity, T>(
        &self,
        sent: Sent,
        site: Option<Site>,
        statement: Statement<'q, DB>,
        send: impl FnOnce(Statement<'q, DB>) -> Result<Vec<T>>,
    ) -> Result<Vec<T>> {
        let Sent { operation, is_own, is_call } = sent;
        let table = E::NAME;
        let span = tracing::debug_span!(
            "larder.statement",
            otel.name = Empty,
            otel.kind = "client",
            db.system.name = DB::SYSTEM,
            db.operation.name = operation,
            db.collection.name = table,
            db.query.text = Empty,
            db.response.returned_rows = Empty,
            error.r#type = Empty,
        );
        if !span.is_disabled() {
            span.record("otel.name", format!("{operation} {table}"));
            if let Some(text) = text_of(&statement).filter(|_| is_own) {
                span.record("db.query.text", text);
            }
        }
        let _entered = span.enter();
        let (figures, begun) = (self.figures.of::<E>(), Instant::now());
        let result = send(statement);
        let took = begun.elapsed();
        figures.statements.add(took);
        match &result {
            Ok(rows) => _ = span.record("db.response.returned_rows", rows.len()),
            Err(error) => {
                figures.statements_failed.one();
                span.record("error.type", kind_of(error));
            }
        }
        if is_call {
            self.took(figures.name(), operation, 0, took, site);
        }
        result
    }
}

/// The text, with places for values: `None` if Diesel can't write it.
pub(crate) fn text_of<DB: Backend>(statement: &Statement<'_, DB>) -> Option<String> {
    let mut sql = DB::QueryBuilder::default();
    statement.to_sql(&mut sql, &DB::default()).ok()?;
    Some(sql.finish())
}

fn kind_of(error: &Error) -> &'static str {
    match error {
        Error::Database(_) => "database",
        Error::Pool(_) => "pool",
        Error::ConnectionInUse => "connection_in_use",
        _ => "other",
    }
}
