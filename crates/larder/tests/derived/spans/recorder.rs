//! A subscriber that remembers spans.

use std::{
    cell::RefCell,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// A span that was.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) name: &'static str,
    pub(super) parent: Option<String>,
    fields: Vec<(&'static str, String)>,
}

impl Span {
    /// The value of a field, or nothing.
    pub(super) fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(field, _)| *field == name).map_or("", |(_, value)| value)
    }

    /// The fields that have values, in the order in which they are declared.
    pub(super) fn fields(&self) -> Vec<(&'static str, &str)> {
        self.fields.iter().map(|(name, value)| (*name, &**value)).collect()
    }
}

/// Remembers every span of larder's, in the order in which they began.
#[derive(Clone, Default)]
pub(super) struct Recorder(Arc<Mutex<Vec<Recorded>>>);

type Recorded = (Span, Vec<&'static str>);

thread_local! {
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

impl Recorder {
    pub(super) fn take(&self) -> Vec<Span> {
        std::mem::take(&mut *self.spans()).into_iter().map(|(span, _)| span).collect()
    }

    fn spans(&self) -> MutexGuard<'_, Vec<(Span, Vec<&'static str>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(id: u64) -> usize {
    usize::try_from(id).unwrap() - 1
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("larder")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut spans = self.spans();
        let parent = ENTERED.with_borrow(|entered| entered.last().map(|id| spans[place(*id)].0.name.to_owned()));
        let order = attributes.metadata().fields().iter().map(|field| field.name()).collect();
        let mut span = Span { name: attributes.metadata().name(), parent, fields: Vec::new() };
        attributes.record(&mut Fields(&mut span, &order));
        spans.push((span, order));
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let mut spans = self.spans();
        let (span, order) = &mut spans[place(id.into_u64())];
        values.record(&mut Fields(span, order));
    }

    fn enter(&self, id: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(id.into_u64()));
    }

    fn exit(&self, _id: &Id) {
        ENTERED.with_borrow_mut(Vec::pop);
    }

    fn record_follows_from(&self, _id: &Id, _follows: &Id) {}

    fn event(&self, _event: &Event<'_>) {}
}

struct Fields<'f>(&'f mut Span, &'f Vec<&'static str>);

impl Fields<'_> {
    fn set(&mut self, field: &Field, value: String) {
        let Self(span, order) = self;
        span.fields.push((field.name(), value));
        span.fields.sort_by_key(|(name, _)| order.iter().position(|field| field == name));
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}"));
    }
}
