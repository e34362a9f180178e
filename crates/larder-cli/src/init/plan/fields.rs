//! Fields of models, and the enums that some of them are.

use std::collections::{BTreeMap, BTreeSet};

use super::{Model, naming};
use crate::init::{
    names,
    schema::{Column, Custom, Note, Path},
};

/// A field.
#[derive(Debug, Clone)]
pub(crate) struct Field<'s> {
    pub(crate) column: &'s Column,
    pub(crate) name: String,
    /// The type, `Option` aside.
    pub(crate) rust: String,
    pub(crate) is_nullable: bool,
    pub(crate) is_key_part: bool,
}

/// An enum of the database's, as one of Rust.
#[derive(Debug)]
pub(crate) struct Enum<'s> {
    pub(crate) ident: String,
    pub(crate) custom: &'s Custom,
    /// The variants and their words.
    pub(crate) variants: Vec<(String, &'s str)>,
}

/// Gives models their fields, and returns the enums among those.
pub(super) fn fill<'s>(models: &mut [Model<'s>], taken: &mut BTreeSet<String>, notes: &mut Vec<Note>) -> Vec<Enum<'s>> {
    let mut enums: BTreeMap<(Option<&'s str>, &'s str), Enum<'s>> = BTreeMap::new();
    for model in models {
        let table = model.table;
        let mut used = BTreeSet::new();
        for column in &table.columns {
            let of = format!("{}.{}", table.full_name(), column.name);
            let Some(rust) = &column.ty.rust else {
                let mut text =
                    format!("no field: neither Diesel nor larder has a type in Rust for {}", column.sql_type);
                if !column.is_nullable && !column.has_default && !column.is_generated && !table.is_view {
                    model.is_insertable = false;
                    text.push_str("; and since a row needs it, nothing to insert is generated");
                }
                model.left_out.push(Note::new(column.name.clone(), text.clone()));
                notes.push(Note::new(of, text));
                continue;
            };
            let mut name = names::in_schema(&column.name, Some(&model.table_ident));
            while !used.insert(name.clone()) {
                name.push('_');
            }
            let of_enum = column.ty.custom.as_ref().map(|custom| {
                let key = (custom.schema.as_deref(), custom.rust_name.as_str());
                let known = enums.entry(key).or_insert_with(|| Enum {
                    ident: naming::of_enum(&custom.rust_name, taken),
                    custom,
                    variants: variants(&custom.labels),
                });
                known.ident.clone()
            });
            if column.ty.diesel == "Bpchar" && rust.is_key {
                notes.push(Note::new(
                    of,
                    "values of char(n) are compared as text: shorter ones are not found, and no index on it is used. \
                     Make it text",
                ));
            }
            let is_in_key = model.primary.contains(&column.name.as_str());
            model.fields.push(Field {
                column,
                name,
                rust: written(&rust.path, of_enum.as_deref()),
                // A view's columns may all be NULL, as far as the database knows.
                is_nullable: column.is_nullable && !is_in_key,
                is_key_part: rust.is_key && !column.is_lenient,
            });
        }
    }
    enums.into_values().collect()
}

fn written(path: &Path, of_enum: Option<&str>) -> String {
    match path {
        Path::Plain(name) => (*name).to_owned(),
        Path::Enum => of_enum.expect("an enum is a custom type").to_owned(),
        Path::Array(element) => format!("Vec<Option<{}>>", written(element, of_enum)),
    }
}

/// Names for the words of an enum, each of them once.
fn variants(labels: &[String]) -> Vec<(String, &str)> {
    let mut used = BTreeSet::new();
    labels
        .iter()
        .map(|label| {
            let mut name = match label.as_str() {
                "" => "Empty".to_owned(),
                label => names::ident(&names::camel_case(label)),
            };
            while !used.insert(name.clone()) {
                name.push('_');
            }
            (name, label.as_str())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_look_alike_are_told_apart() {
        let labels = ["new", "in-transit", "in transit", "", "self", "24h"].map(str::to_owned);
        let named: Vec<_> = variants(&labels).into_iter().map(|(name, _)| name).collect();
        assert_eq!(named, ["New", "InTransit", "InTransit_", "Empty", "Self_", "N24h"]);
    }
}
