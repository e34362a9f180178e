//! A model's file: the row, what is inserted, and what may change.

use super::{derive, document, imports::Imports};
use crate::init::{
    plan::{Field, Kind, Model, Plan, Relation, Side},
    schema::OnDelete,
};

pub(super) fn model(plan: &Plan<'_>, model: &Model<'_>, schema: &str) -> String {
    let mut imports = Imports::default();
    imports.add_path(format!("{schema}::{}", model.path));
    let mut body = row(plan, model, &mut imports);
    let inserted = model.inserted();
    if !inserted.is_empty() {
        body.push_str(&insertion(plan, model, &inserted, &mut imports));
    }
    let changed = model.changed();
    if !changed.is_empty() {
        body.push_str(&changes(plan, model, &changed, &mut imports));
    }
    for field in &model.fields {
        if field.column.ty.custom.is_some() {
            let plain = field.rust.trim_start_matches("Vec<Option<").trim_end_matches('>');
            imports.add_super(plain);
        } else {
            imports.add_type(&field.rust);
        }
    }
    format!("{}\n{body}", imports.text())
}

fn row(plan: &Plan<'_>, model: &Model<'_>, imports: &mut Imports) -> String {
    let mut out = String::new();
    match &model.table.comment {
        Some(comment) => document(&mut out, "", comment),
        None => document(&mut out, "", &format!("A row of `{}`.", model.table.full_name())),
    }
    if !model.left_out.is_empty() {
        out.push_str("///\n/// Columns without a field:\n");
        for note in &model.left_out {
            document(&mut out, "", &format!("- `{}`: {}", note.of, note.text));
        }
    }
    let last = if model.table.is_view { "MaterializedView" } else { "Repository" };
    let mut derives = vec!["Debug", "Clone", "PartialEq", "Queryable", "Selectable", "Identifiable"];
    if !model.parents.is_empty() {
        derives.push("Associations");
        imports.add(&["diesel::prelude::Associations"]);
    }
    derives.extend(["Serialize", "Deserialize", last]);
    out.push_str(&derive(&derives));
    imports.add(&["diesel::prelude::Identifiable", "diesel::prelude::Queryable", "diesel::prelude::Selectable"]);
    imports.add(&["serde::Deserialize", "serde::Serialize"]);
    imports.add(&[if model.table.is_view { "larder::MaterializedView" } else { "larder::Repository" }]);

    out.push_str(&format!("#[diesel(table_name = {})]\n", model.table_ident));
    let primary = named(model, &model.primary);
    if primary != ["id"] || model.table.is_view {
        out.push_str(&format!("#[diesel(primary_key({}))]\n", primary.join(", ")));
    }
    for parent in &model.parents {
        imports.add_super(&parent.target);
        match &parent.foreign_key {
            None => out.push_str(&format!("#[diesel(belongs_to({}))]\n", parent.target)),
            Some(key) => out.push_str(&format!("#[diesel(belongs_to({}, foreign_key = {key}))]\n", parent.target)),
        }
    }
    out.push_str(&format!("#[diesel(check_for_backend({}))]\n", plan.schema.backend.path()));
    if model.table.is_changed_after {
        out.push_str("#[larder(write_through = false)]\n");
    }
    for pattern in &model.patterns {
        out.push_str(&format!("#[larder({})]\n", pattern_text(&pattern.fields, &pattern.kind)));
    }
    for relation in &model.relations {
        for name in [Some(&relation.target), through_of(relation)].into_iter().flatten() {
            if *name != model.ident {
                imports.add_super(name);
            }
        }
        out.push_str(&format!("#[larder({})]\n", relation_text(relation)));
    }
    out.push_str(&format!("pub struct {} {{\n", model.ident));
    for field in &model.fields {
        described(&mut out, field);
        let ty = if field.is_nullable { format!("Option<{}>", field.rust) } else { field.rust.clone() };
        out.push_str(&format!("    pub {}: {ty},\n", field.name));
    }
    out.push_str("}\n");
    out
}

fn insertion(plan: &Plan<'_>, model: &Model<'_>, fields: &[&Field<'_>], imports: &mut Imports) -> String {
    imports.add(&["diesel::prelude::Insertable"]);
    let is_default = fields.iter().all(|field| is_optional(field));
    let mut out = format!("\n/// A row of `{}` to insert.\n", model.table.full_name());
    let derives = ["Debug", "Clone", "Default", "PartialEq", "Insertable", "Serialize", "Deserialize"];
    out.push_str(&derive(&derives.into_iter().filter(|name| is_default || *name != "Default").collect::<Vec<_>>()));
    attributes(&mut out, plan, model);
    out.push_str(&format!("pub struct {} {{\n", model.new_ident()));
    for field in fields {
        let ty = if is_optional(field) { format!("Option<{}>", field.rust) } else { field.rust.clone() };
        if field.column.has_default {
            out.push_str("    /// `None` leaves it to the database.\n");
        } else {
            described(&mut out, field);
        }
        out.push_str(&format!("    pub {}: {ty},\n", field.name));
    }
    out.push_str("}\n");
    out
}

fn changes(plan: &Plan<'_>, model: &Model<'_>, fields: &[&Field<'_>], imports: &mut Imports) -> String {
    imports.add(&["diesel::prelude::AsChangeset"]);
    let mut out =
        format!("\n/// What may change in a row of `{}`. `None` leaves a column alone.\n", model.table.full_name());
    out.push_str(&derive(&["Debug", "Clone", "Default", "PartialEq", "AsChangeset", "Serialize", "Deserialize"]));
    attributes(&mut out, plan, model);
    out.push_str(&format!("pub struct {} {{\n", model.changes_ident()));
    for field in fields {
        let ty = if field.is_nullable {
            out.push_str("    /// `Some(None)` makes it NULL.\n");
            format!("Option<Option<{}>>", field.rust)
        } else {
            described(&mut out, field);
            format!("Option<{}>", field.rust)
        };
        out.push_str(&format!("    pub {}: {ty},\n", field.name));
    }
    out.push_str("}\n");
    out
}

fn attributes(out: &mut String, plan: &Plan<'_>, model: &Model<'_>) {
    out.push_str(&format!("#[diesel(table_name = {})]\n", model.table_ident));
    out.push_str(&format!("#[diesel(check_for_backend({}))]\n", plan.schema.backend.path()));
}

/// Whether an insert may do without it.
fn is_optional(field: &Field<'_>) -> bool {
    field.is_nullable || field.column.has_default
}

/// A field's documentation: the database's comment, or else its type there, of which the one in Rust does not say all.
fn described(out: &mut String, field: &Field<'_>) {
    match &field.column.comment {
        Some(comment) => document(out, "    ", comment),
        None => out.push_str(&format!("    /// `{}`\n", field.column.sql_type.replace(['`', '\n', '\r'], " "))),
    }
}

fn named(model: &Model<'_>, columns: &[&str]) -> Vec<String> {
    columns.iter().filter_map(|column| Some(model.field(column)?.name.clone())).collect()
}

fn pattern_text(fields: &[String], kind: &Kind) -> String {
    let by = fields.join(", ");
    match kind {
        Kind::Unique { is_deferrable: false } => format!("unique({by})"),
        Kind::Unique { is_deferrable: true } => format!("unique({by}; deferrable)"),
        Kind::List(order) if order.is_empty() => format!("index({by})"),
        Kind::List(order) => {
            let terms: Vec<String> = order
                .iter()
                .map(|(field, descending)| format!("{field}.{}()", if *descending { "desc" } else { "asc" }))
                .collect();
            match terms.as_slice() {
                [term] => format!("index({by}; order = {term})"),
                terms => format!("index({by}; order = ({}))", terms.join(", ")),
            }
        }
    }
}

fn relation_text(relation: &Relation) -> String {
    let Relation { name, target, side, foreign_key } = relation;
    let key = tuple(foreign_key);
    match side {
        Side::BelongsTo => format!("belongs_to({name}: {target}, foreign_key = {key})"),
        Side::HasMany(on_delete) => format!("has_many({name}: {target}, foreign_key = {key}{})", action(*on_delete)),
        Side::HasOne(on_delete) => format!("has_one({name}: {target}, foreign_key = {key}{})", action(*on_delete)),
        Side::ManyToMany { through, target_key } => {
            let target_key = tuple(target_key);
            format!(
                "many_to_many({name}: {target}, through = {through}, foreign_key = {key}, target_key = {target_key})"
            )
        }
    }
}

fn through_of(relation: &Relation) -> Option<&String> {
    match &relation.side {
        Side::ManyToMany { through, .. } => Some(through),
        _ => None,
    }
}

fn action(on_delete: OnDelete) -> &'static str {
    match on_delete {
        OnDelete::Cascade => ", on_delete = cascade",
        OnDelete::SetNull => ", on_delete = set_null",
        OnDelete::Refuse | OnDelete::SetDefault => "",
    }
}

fn tuple(fields: &[String]) -> String {
    match fields {
        [field] => field.clone(),
        fields => format!("({})", fields.join(", ")),
    }
}
