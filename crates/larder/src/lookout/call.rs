//! A call that leaves the near cache.

use std::time::Instant;

use tracing::span::EnteredSpan;

use super::{Lookout, Site};
use crate::{
    entity::{Entity, Pattern},
    figures::ModelFigures,
};

/// A read of rows by keys, from when the near cache has not answered until its end: a span, and an entry in the figures.
pub(crate) struct Call<'l> {
    lookout: &'l Lookout,
    figures: &'l ModelFigures,
    pattern: Columns,
    n_keys: usize,
    site: Option<Site>,
    begun: Instant,
    _span: EnteredSpan,
}

impl<'l> Call<'l> {
    /// A read by so many keys of `P`, of which so many are not near.
    pub(crate) fn of<P: Pattern>(lookout: &'l Lookout, n_keys: usize, n_lacking: usize, site: Option<Site>) -> Self {
        let figures = lookout.figures.of::<P::Entity>();
        let pattern = Columns(P::COLUMNS);
        let span = tracing::debug_span!(
            "larder.read",
            larder.model = P::Entity::cells_name(),
            larder.pattern = %pattern,
            larder.keys = n_keys,
            larder.keys.lacking = n_lacking,
            code.file.path = site.map(|site| site.file()),
            code.line.number = site.map(|site| site.line()),
        );
        Self { lookout, figures, pattern, n_keys, site, begun: Instant::now(), _span: span.entered() }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let Self { lookout, figures, pattern, n_keys, site, begun, .. } = self;
        let took = begun.elapsed();
        figures.loads.add(took);
        if took > lookout.settings.slow_after {
            lookout.took(figures.name(), &format!("by {pattern}"), *n_keys, took, *site);
        }
    }
}

/// The columns of a pattern, for a reader.
struct Columns(&'static [&'static str]);

impl std::fmt::Display for Columns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().enumerate().try_for_each(|(at, column)| write!(f, "{}{column}", if at > 0 { ", " } else { "" }))
    }
}
