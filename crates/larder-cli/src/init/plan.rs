//! What is made of a schema: models, their relations and their access patterns, and what can't be.

mod fields;
mod naming;
mod patterns;
mod relations;

use std::collections::BTreeSet;

pub(crate) use self::{
    fields::{Enum, Field},
    patterns::{Kind, Pattern},
    relations::{Parent, Relation, Side},
};
use super::schema::{Note, Schema, Table};

/// How many columns a key has at most.
const MOST_KEY_COLUMNS: usize = 4;

/// How many columns Diesel's tables have at most.
const MOST_COLUMNS: usize = 128;

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Plan<'s> {
    pub(crate) schema: &'s Schema,
    /// What `table!` is written for, and how each is called there.
    pub(crate) tables: Vec<(&'s Table, String)>,
    pub(crate) models: Vec<Model<'s>>,
    pub(crate) enums: Vec<Enum<'s>>,
    pub(crate) notes: Vec<Note>,
}

/// A model.
#[derive(Debug)]
pub(crate) struct Model<'s> {
    pub(crate) table: &'s Table,
    /// The path below the schema's module: `users`, `crm::contacts`.
    pub(crate) path: String,
    /// The table's name in the schema.
    pub(crate) table_ident: String,
    pub(crate) ident: String,
    /// The file's name.
    pub(crate) module: String,
    pub(crate) fields: Vec<Field<'s>>,
    /// Names of the columns of the primary key.
    pub(crate) primary: Vec<&'s str>,
    /// Columns that are no fields, and why.
    pub(crate) left_out: Vec<Note>,
    pub(crate) parents: Vec<Parent>,
    pub(crate) relations: Vec<Relation>,
    pub(crate) patterns: Vec<Pattern>,
    /// Whether a row can be inserted by what the model knows of it.
    pub(crate) is_insertable: bool,
}

impl<'s> Model<'s> {
    pub(crate) fn field(&self, column: &str) -> Option<&Field<'s>> {
        self.fields.iter().find(|field| field.column.name == column)
    }

    /// The names of the fields that these columns are, if all are fields.
    fn fields_of<'c>(&self, columns: impl IntoIterator<Item = &'c str>) -> Option<Vec<String>> {
        columns.into_iter().map(|column| Some(self.field(column)?.name.clone())).collect()
    }

    fn is_key(&self, field: &str) -> bool {
        self.primary.iter().any(|column| self.field(column).is_some_and(|known| known.name == field))
    }

    /// What an insert takes.
    pub(crate) fn inserted(&self) -> Vec<&Field<'s>> {
        let is_written = !self.table.is_view && self.is_insertable;
        self.fields.iter().filter(|field| is_written && !field.column.is_generated).collect()
    }

    /// What an update may change.
    pub(crate) fn changed(&self) -> Vec<&Field<'s>> {
        let may = |field: &&Field<'_>| !self.table.is_view && !field.column.is_generated && !self.is_key(&field.name);
        self.fields.iter().filter(may).collect()
    }

    pub(crate) fn new_ident(&self) -> String {
        format!("New{}", self.ident)
    }

    pub(crate) fn changes_ident(&self) -> String {
        format!("{}Changes", self.ident)
    }
}

impl<'s> Plan<'s> {
    /// Makes up what becomes of each table.
    pub(crate) fn of(schema: &'s Schema) -> Self {
        let mut notes = schema.notes.clone();
        let mut tables = Vec::new();
        let mut keyed = Vec::new();
        let mut idents = naming::Idents::of(schema);
        let mut passed_over = BTreeSet::new();
        for table in &schema.tables {
            if let Some(of) = table.schema.as_deref().filter(|of| !naming::is_written_as_it_is(of)) {
                if passed_over.insert(of) {
                    // Diesel has no other name for a schema than the module's, and would ask another one for the tables.
                    notes.push(Note::new(of, "no models: `table!` can't name a schema that is called so"));
                }
                continue;
            }
            if table.columns.len() > MOST_COLUMNS {
                notes.push(Note::new(
                    table.full_name(),
                    format!("has {} columns, and Diesel's tables have {MOST_COLUMNS} at most", table.columns.len()),
                ));
                continue;
            }
            let ident = idents.table(table);
            match key_of(table) {
                Ok(key) => keyed.push((table, ident.clone(), key)),
                Err(why) => {
                    notes.push(Note::new(table.full_name(), format!("no model: {why}")));
                    if table.is_view || table.primary_key.is_empty() {
                        // Nor has the diesel CLI a `table!` for it.
                        continue;
                    }
                }
            }
            tables.push((table, ident));
        }
        let mut taken = naming::reserved();
        let mut modules = naming::modules();
        let mut models: Vec<Model<'s>> = keyed
            .into_iter()
            .map(|(table, table_ident, primary)| {
                let ident = naming::model(table, &mut taken);
                let path = match &table.schema {
                    Some(schema) => format!("{schema}::{table_ident}"),
                    None => table_ident.clone(),
                };
                Model {
                    table,
                    path,
                    table_ident,
                    module: naming::module(&ident, &mut modules),
                    ident,
                    fields: Vec::new(),
                    primary,
                    left_out: Vec::new(),
                    parents: Vec::new(),
                    relations: Vec::new(),
                    patterns: Vec::new(),
                    is_insertable: true,
                }
            })
            .collect();
        let enums = fields::fill(&mut models, &mut taken, &mut notes);
        relations::relate(&mut models, &mut notes);
        for model in &mut models {
            patterns::find(model, &mut notes);
        }
        Self { schema, tables, models, enums, notes }
    }

    /// How many columns the widest table has.
    pub(crate) fn widest(&self) -> usize {
        self.tables.iter().map(|(table, _)| table.columns.len()).max().unwrap_or_default()
    }
}

/// The columns by which a table's rows are found, or why there are none.
fn key_of(table: &Table) -> Result<Vec<&str>, String> {
    let key = table.key();
    if key.is_empty() && table.is_view {
        return Err("it has no unique index on columns alone, by which a refresh tells rows apart".into());
    }
    if key.is_empty() {
        return Err("it has no primary key, by which rows are found and caches told of them".into());
    }
    if key.len() > MOST_KEY_COLUMNS {
        return Err(format!("its key has {} columns, and one of a model has {MOST_KEY_COLUMNS} at most", key.len()));
    }
    for name in &key {
        let Some(column) = table.column(name) else { return Err(format!("its key's column {name} is not told of")) };
        if !column.ty.rust.as_ref().is_some_and(|rust| rust.is_key) {
            return Err(format!("no key can have {name}, a {}", column.sql_type));
        }
        if column.is_lenient {
            // Two spellings would name one row, and a write would tell the cell of one of them.
            return Err(format!("{name} compares texts that differ as equal, and caches go by the very text"));
        }
    }
    Ok(key)
}

/// Whether two lists have the same members.
fn same<'a>(one: impl IntoIterator<Item = &'a str>, other: impl IntoIterator<Item = &'a str>) -> bool {
    one.into_iter().collect::<BTreeSet<_>>() == other.into_iter().collect::<BTreeSet<_>>()
}
