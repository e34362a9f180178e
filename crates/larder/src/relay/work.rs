//! What is to be settled for a batch of rows.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{PgConnection, pg::Pg, result::QueryResult};

use super::batch::Row;
use crate::{
    models::Models,
    store::{CellKey, Layout},
};

/// Each cell once, and no cell of a model that is settled as a whole.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) cells: BTreeSet<CellKey>,
    /// What the keys of the cells of those models begin with.
    pub(super) all: BTreeSet<Vec<u8>>,
}

impl Work {
    /// Costs a statement for each model of which rows were changed past larder.
    pub(super) fn of(rows: Vec<Row>, models: &Models<Pg>, connection: &mut PgConnection) -> QueryResult<Self> {
        let mut work = Self::default();
        let mut changed: BTreeMap<String, Changed> = BTreeMap::new();
        for row in rows {
            let cells = row.cells.into_iter().flatten().flatten();
            work.cells.extend(cells.map(|cell| CellKey::new(cell, Layout::UNKNOWN)));
            if let Some(model) = row.model {
                changed.entry(model).or_default().add(row.rows);
            }
        }
        for (model, changed) in changed {
            match changed.cells(&model, models, connection)? {
                // The layout is not what tells cells apart.
                Some(cells) => {
                    work.cells.extend(cells.iter().map(|cell| CellKey::new(cell.as_bytes(), Layout::UNKNOWN)))
                }
                None => {
                    work.all.insert(format!("{model}:").into_bytes());
                    work.cells
                        .extend(models.named(&model).into_iter().flat_map(|model| model.versions.iter().cloned()));
                }
            }
        }
        let Self { cells, all } = &mut work;
        cells.retain(|cell| !all.iter().any(|prefix| cell.as_bytes().starts_with(prefix)));
        Ok(work)
    }
}

/// The rows of one model, as JSON without the brackets around it.
#[derive(Default)]
struct Changed {
    rows: String,
    any: bool,
}

impl Changed {
    fn add(&mut self, rows: Option<String>) {
        let rows = rows.as_deref().and_then(|rows| rows.strip_prefix('[')?.strip_suffix(']'));
        match rows {
            None => self.any = true,
            Some("") => {}
            Some(rows) => {
                self.rows.push_str(if self.rows.is_empty() { "" } else { "," });
                self.rows.push_str(rows);
            }
        }
    }

    /// Their cells: `None` if any row of the model may be meant.
    fn cells(
        self,
        model: &str,
        models: &Models<Pg>,
        connection: &mut PgConnection,
    ) -> QueryResult<Option<Vec<CellKey>>> {
        if self.any { Ok(None) } else { models.cells_of(connection, model, &format!("[{}]", self.rows)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_model_are_put_together_and_what_is_no_list_of_them_may_be_any() {
        let mut changed = Changed::default();
        for rows in ["[]", r#"[{"id": 1}, {"id": 2}]"#, "[]", r#"[{"id": 3}]"#] {
            changed.add(Some(rows.to_owned()));
        }
        assert_eq!(changed.rows, r#"{"id": 1}, {"id": 2},{"id": 3}"#);
        assert!(!changed.any);
        for rows in [None, Some("{}"), Some("null"), Some("\"[]\""), Some("")] {
            let mut changed = Changed::default();
            changed.add(rows.map(str::to_owned));
            assert!(changed.any, "{rows:?}");
        }
    }
}
