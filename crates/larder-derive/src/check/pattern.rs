//! Rules of access patterns.

use syn::Ident;

use super::find_field;
use crate::{
    attr::ModelAttrs,
    errors::Errors,
    facts::{Kind, Model, ModelField, Pattern},
    names,
};

/// How many columns a key has at most: as many as there are implementations for tuples.
const MOST_COLUMNS: usize = 4;

/// How many rows of a list its cell holds, unless the index says otherwise.
const HEAD: usize = 256;

/// Words that are options rather than fields, unless a field has that name.
const OPTIONS: [&str; 3] = ["deferrable", "order", "head"];

/// The patterns of a model, so far.
pub(super) struct Patterns<'m, 'a> {
    model: &'m Ident,
    fields: &'m [ModelField<'a>],
    /// The field that every key begins with.
    tenant: Option<usize>,
    found: Vec<Pattern>,
}

impl<'m, 'a> Patterns<'m, 'a> {
    pub(super) fn new(
        model: &'m Ident,
        fields: &'m [ModelField<'a>],
        primary: Vec<usize>,
        errors: &mut Errors,
    ) -> Self {
        let mut patterns = Self { model, fields, tenant: None, found: Vec::new() };
        patterns.are_columns(model, &primary, errors);
        patterns.add(primary, Kind::Primary);
        patterns
    }

    /// The same, of rows that belong to the tenant in that field.
    pub(super) fn of_tenant(self, tenant: Option<usize>) -> Self {
        Self { tenant, ..self }
    }

    /// Takes what `unique(..)` and `index(..)` say.
    pub(super) fn declared(&mut self, attrs: &ModelAttrs, errors: &mut Errors) {
        for unique in &attrs.uniques {
            if let Some(fields) = self.named(&unique.keyword, &unique.fields, errors) {
                self.add_new(&unique.keyword, fields, Kind::Unique { deferrable: unique.deferrable }, errors);
            }
        }
        for index in &attrs.indexes {
            let known = self.fields.iter().map(|field| field.ident);
            let mut order = Vec::new();
            for term in &index.order {
                let Some(at) = find_field(self.model, known.clone(), &term.field, errors) else { continue };
                if self.fields[at].column.is_none() {
                    errors.at(&term.field, "this field is an embedded struct: order by a column");
                }
                order.push((at, term.descending));
            }
            if let Some(fields) = self.named(&index.keyword, &index.fields, errors) {
                let kind = Kind::List { order, head: index.head.unwrap_or(HEAD) };
                self.add_new(&index.keyword, fields, kind, errors);
            }
        }
    }

    /// The pattern by a foreign key: the one that is declared by these columns, or one of its own.
    pub(super) fn of_foreign_key(&mut self, key: &[Ident], errors: &mut Errors) -> Option<usize> {
        let fields = self.named(key.first()?, key, errors)?;
        self.of_reference(fields, Kind::List { order: Vec::new(), head: HEAD })
    }

    /// The pattern by a foreign key of rows of no tenant, in whose columns no tenant stands: nobody lists by it.
    pub(super) fn of_common_key(&mut self, key: &[Ident], errors: &mut Errors) -> Option<usize> {
        let fields = self.columns(key.first()?, key, errors)?;
        self.of_reference(fields, Kind::Common)
    }

    fn of_reference(&mut self, fields: Vec<usize>, kind: Kind) -> Option<usize> {
        if let Some(declared) = self.found.iter().position(|pattern| pattern.fields == fields) {
            return Some(declared);
        }
        self.add(fields, kind);
        Some(self.found.len() - 1)
    }

    /// The name of the tenant's field.
    pub(super) fn tenant(&self) -> Option<&'m Ident> {
        self.tenant.map(|at| self.fields[at].ident)
    }

    pub(super) fn fields(&self) -> &'m [ModelField<'a>] {
        self.fields
    }

    pub(super) fn primary(&self) -> &Pattern {
        &self.found[0]
    }

    pub(super) fn finish(self, errors: &mut Errors) -> Vec<Pattern> {
        for (at, pattern) in self.found.iter().enumerate() {
            let twin = self.found[..at].iter().find(|other| other.ident == pattern.ident);
            if let Some(twin) = twin {
                // `a_and_b` may be one field or two.
                let (one, other) = (self.names(&twin.fields), self.names(&pattern.fields));
                errors.at(
                    self.model,
                    format!("finders by {one} and by {other} would have one name: rename a field, with `column_name`"),
                );
            }
        }
        self.found
    }

    fn names(&self, fields: &[usize]) -> String {
        names::listed(fields.iter().map(|at| self.fields[*at].ident), "and")
    }

    /// The fields of a key, behind the tenant's.
    fn named(&self, keyword: &Ident, names: &[Ident], errors: &mut Errors) -> Option<Vec<usize>> {
        let mut fields = self.columns(keyword, names, errors)?;
        if let Some(tenant) = self.tenant {
            match fields.iter().position(|field| *field == tenant) {
                Some(0) => {}
                Some(at) => {
                    let name = self.fields[tenant].ident;
                    errors.at(&names[at], format!("name `{name}` first, or leave it out: each key begins with it"));
                }
                None => fields.insert(0, tenant),
            }
        }
        self.are_columns(keyword, &fields, errors).then_some(fields)
    }

    /// The fields of these names.
    fn columns(&self, keyword: &Ident, names: &[Ident], errors: &mut Errors) -> Option<Vec<usize>> {
        let known = self.fields.iter().map(|field| field.ident);
        let mut fields = Vec::with_capacity(names.len());
        for name in names {
            if OPTIONS.contains(&&*name.to_string()) && !known.clone().any(|field| field == name) {
                errors.at(name, format!("options stand behind a semicolon: `{keyword}(field; {name})`"));
                continue;
            }
            let Some(at) = find_field(self.model, known.clone(), name, errors) else { continue };
            if fields.contains(&at) {
                errors.at(name, format!("`{name}` is named twice: remove one"));
            }
            fields.push(at);
        }
        let all = fields.len() == names.len();
        (all && self.are_columns(keyword, &fields, errors)).then_some(fields)
    }

    fn are_columns(&self, at: &Ident, fields: &[usize], errors: &mut Errors) -> bool {
        let embedded = fields.iter().map(|field| &self.fields[*field]).find(|field| field.column.is_none());
        if let Some(field) = embedded {
            let name = field.ident;
            errors.at(
                at,
                format!("`{name}` is an embedded struct: rows are found by columns, so make the column a field"),
            );
        }
        if fields.len() > MOST_COLUMNS {
            errors.at(at, format!("a key has at most {MOST_COLUMNS} columns, and this has {}", fields.len()));
        }
        embedded.is_none() && fields.len() <= MOST_COLUMNS
    }

    fn add_new(&mut self, keyword: &Ident, fields: Vec<usize>, kind: Kind, errors: &mut Errors) {
        if let Some(other) = self.found.iter().find(|pattern| pattern.fields == fields) {
            // A relation that names these columns could not tell which is meant.
            let what = match other.kind {
                Kind::Primary => "the primary key",
                Kind::Unique { .. } => "another `unique`",
                Kind::List { .. } | Kind::Common => "another `index`",
            };
            let names = self.names(&fields);
            errors.at(keyword, format!("rows are already found by {names}, through {what}: remove one of the two"));
            return;
        }
        self.add(fields, kind);
    }

    fn add(&mut self, fields: Vec<usize>, kind: Kind) {
        let words: Vec<String> =
            fields.iter().map(|at| names::camel_case(&names::plain(self.fields[*at].ident))).collect();
        let ident = Model::type_name(self.model, &format!("By{}", words.join("And")));
        self.found.push(Pattern { ident, fields, kind });
    }
}
