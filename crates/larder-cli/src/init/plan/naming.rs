//! What models are called.

use std::collections::BTreeSet;

use crate::init::{
    names,
    schema::{Schema, Table},
};

/// Names that a generated module has for something else, or that every one has.
const RESERVED: [&str; 62] = [
    "AsChangeset",
    "AsExpression",
    "Associations",
    "BigDecimal",
    "Box",
    "Clone",
    "Codec",
    "Copy",
    "DateTime",
    "Debug",
    "Default",
    "Deserialize",
    "Drop",
    "Eq",
    "Err",
    "Fn",
    "FnMut",
    "FnOnce",
    "From",
    "FromSql",
    "FromSqlRow",
    "Hash",
    "Identifiable",
    "Insertable",
    "Into",
    "Iterator",
    "KeyPart",
    "MaterializedView",
    "NaiveDate",
    "NaiveDateTime",
    "NaiveTime",
    "None",
    "Ok",
    "Option",
    "Ord",
    "Output",
    "PartialEq",
    "PartialOrd",
    "Queryable",
    "Repository",
    "Result",
    "Selectable",
    "Self",
    "Send",
    "Serialize",
    "Sized",
    "Some",
    "String",
    "Sync",
    "ToOwned",
    "ToSql",
    "ToString",
    "TryFrom",
    "TryInto",
    "Unpin",
    "Utc",
    "Uuid",
    "Value",
    "Vec",
    "View",
    "Write",
    "Pg",
];

pub(super) fn reserved() -> BTreeSet<String> {
    RESERVED.iter().map(|name| (*name).to_owned()).collect()
}

/// Whether `table!` can name the schema, and the module of its tables is called as nothing else.
pub(super) fn is_written_as_it_is(schema: &str) -> bool {
    names::in_schema(schema, None) == schema && schema != SQL_TYPES
}

/// The module of the types that Diesel has not.
const SQL_TYPES: &str = "sql_types";

/// What tables are called in the schema, each of one schema otherwise.
pub(super) struct Idents(BTreeSet<(Option<String>, String)>);

impl Idents {
    /// The modules that stand beside the tables are taken.
    pub(super) fn of(schema: &Schema) -> Self {
        let modules = schema.tables.iter().filter_map(|table| table.schema.clone());
        let has_types = schema.tables.iter().flat_map(|table| &table.columns).any(|column| column.ty.custom.is_some());
        let types = has_types.then(|| SQL_TYPES.to_owned());
        Self(modules.chain(types).map(|module| (None, module)).collect())
    }

    pub(super) fn table(&mut self, table: &Table) -> String {
        let mut ident = names::in_schema(&table.name, None);
        while !self.0.insert((table.schema.clone(), ident.clone())) {
            ident.push('_');
        }
        ident
    }
}

/// A struct's name that nothing else has, nor anything that is made beside it.
pub(super) fn model(table: &Table, taken: &mut BTreeSet<String>) -> String {
    let plain = names::camel_case(&names::singular(&table.name));
    let with_schema = table.schema.as_ref().map(|schema| format!("{}{plain}", names::camel_case(schema)));
    let of_row = format!("{plain}Row");
    let numbered = (2..).map(|n| format!("{of_row}{n}"));
    let ident = [Some(plain), with_schema, Some(of_row.clone())]
        .into_iter()
        .flatten()
        .chain(numbered)
        .find(|ident| beside(ident).iter().all(|name| !taken.contains(name)))
        .expect("there are more numbers than tables");
    taken.extend(beside(&ident));
    ident
}

fn beside(ident: &str) -> [String; 4] {
    [ident.to_owned(), format!("New{ident}"), format!("{ident}Changes"), format!("{ident}Repository")]
}

/// The enum that a database's type becomes.
pub(super) fn of_enum(sql_name: &str, taken: &mut BTreeSet<String>) -> String {
    let plain = names::camel_case(sql_name);
    let numbered = (2..).map(|n| format!("{plain}Kind{n}"));
    let ident = [plain.clone(), format!("{plain}Kind")]
        .into_iter()
        .chain(numbered)
        .find(|ident| !taken.contains(ident))
        .expect("there are more numbers than types");
    taken.insert(ident.clone());
    ident
}

/// The files that are there beside those of the models.
pub(super) fn modules() -> BTreeSet<String> {
    ["schema", "enums"].map(str::to_owned).into()
}

/// The file of a model, which no other has: not by another case either, since some file systems know none.
pub(super) fn module(ident: &str, taken: &mut BTreeSet<String>) -> String {
    // Diesel's way would split `APIKey` into letters.
    let mut module = String::with_capacity(ident.len() + 4);
    let characters: Vec<char> = ident.chars().collect();
    for (at, character) in characters.iter().enumerate() {
        let starts = character.is_uppercase()
            && at > 0
            && (!characters[at - 1].is_uppercase() || characters.get(at + 1).is_some_and(|next| next.is_lowercase()));
        if starts && !module.ends_with('_') {
            module.push('_');
        }
        module.extend(character.to_lowercase());
    }
    module = names::ident(&module);
    while !taken.insert(module.clone()) {
        module.push('_');
    }
    module
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_as_its_model() {
        for (ident, file) in
            [("OrderItem", "order_item"), ("Type", "type_"), ("Schema", "schema_"), ("APIKey", "api_key")]
        {
            assert_eq!(module(ident, &mut modules()), file);
        }
    }

    #[test]
    fn two_models_have_two_files() {
        let mut taken = modules();
        assert_eq!(["APIKey", "ApiKey"].map(|ident| module(ident, &mut taken)), ["api_key", "api_key_"]);
    }
}
