//! Finding things in a catalogue.

use super::{Catalogue, Column, Kind, Table};

impl Catalogue {
    /// The table of that name: in `schema`, or where the search path leads to first.
    #[must_use]
    pub fn table(&self, schema: Option<&str>, name: &str) -> Option<&Table> {
        let within = |schema: &str| self.tables.iter().find(|table| table.schema == schema && table.name == name);
        match schema {
            Some(schema) => within(schema),
            None => self.search_path.iter().find_map(|schema| within(schema)),
        }
    }

    /// The partitions of a table that have tables of their own.
    pub fn partitions<'a>(&'a self, of: &'a Table) -> impl Iterator<Item = &'a Table> {
        self.tables.iter().filter(move |table| match &table.kind {
            Kind::PartitionOf { schema, name, .. } => *schema == of.schema && *name == of.name,
            _ => false,
        })
    }
}

impl Table {
    /// The column of that name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether it has rows of its own, and is no view.
    #[must_use]
    pub fn is_table(&self) -> bool {
        !matches!(self.kind, Kind::View | Kind::MaterializedView)
    }
}
