//! `schema.rs`, in the form of the diesel CLI.

use std::collections::{BTreeMap, BTreeSet};

use super::{document, quoted};
use crate::init::{
    names,
    plan::Plan,
    schema::{Backend, Column, Custom, Table},
};

pub(super) fn schema(plan: &Plan<'_>) -> String {
    let mut out = String::from("//! The tables, as `larder init` found them.\n\n");
    let customs: BTreeMap<&str, &Custom> = plan
        .tables
        .iter()
        .flat_map(|(table, _)| &table.columns)
        .filter_map(|column| column.ty.custom.as_ref())
        .map(|custom| (custom.rust_name.as_str(), custom))
        .collect();
    if !customs.is_empty() {
        out.push_str("/// Types that the database has and Diesel has not.\npub mod sql_types {\n");
        let all: Vec<String> = customs.values().map(|custom| declared(plan.schema.backend, custom)).collect();
        out.push_str(&all.join("\n"));
        out.push_str("}\n\n");
    }
    let mut schemas: BTreeMap<Option<&str>, Vec<&(&Table, String)>> = BTreeMap::new();
    for table in &plan.tables {
        schemas.entry(table.0.schema.as_deref()).or_default().push(table);
    }
    let mut blocks = Vec::new();
    for (schema, tables) in &schemas {
        let mut text: Vec<String> = tables.iter().map(|(table, ident)| block(table, ident)).collect();
        text.extend(joins(tables));
        let text = text.join("\n");
        blocks.push(match schema {
            None => text,
            Some(schema) => {
                let uses_types =
                    tables.iter().any(|(table, _)| table.columns.iter().any(|column| column.ty.custom.is_some()));
                let import = if uses_types { "    use super::sql_types;\n\n" } else { "" };
                let inner: String = text
                    .lines()
                    .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") })
                    .collect();
                format!("/// Tables of the schema `{schema}`.\npub mod {schema} {{\n{import}{inner}}}\n")
            }
        });
    }
    out.push_str(&blocks.join("\n"));
    out
}

fn declared(backend: Backend, custom: &Custom) -> String {
    let name = quoted(&custom.sql_name);
    let ty = match (backend, &custom.schema) {
        (Backend::Mysql, _) => format!("mysql_type(name = {name})"),
        (_, None) => format!("postgres_type(name = {name})"),
        (_, Some(schema)) => format!("postgres_type(name = {name}, schema = {})", quoted(schema)),
    };
    format!(
        "    /// `{}`.\n    #[derive(diesel::sql_types::SqlType)]\n    #[diesel({ty})]\n    \
         pub struct {};\n",
        custom.sql_name, custom.rust_name
    )
}

/// A `table!`.
fn block(table: &Table, ident: &str) -> String {
    let mut out = String::from("diesel::table! {\n");
    let customs: BTreeSet<&str> = table
        .columns
        .iter()
        .filter_map(|column| column.ty.custom.as_ref())
        .map(|custom| custom.rust_name.as_str())
        .collect();
    if !customs.is_empty() {
        out.push_str("    use diesel::sql_types::*;\n");
        for custom in customs {
            out.push_str(&format!("    use super::sql_types::{custom};\n"));
        }
        out.push('\n');
    }
    if let Some(comment) = &table.comment {
        document(&mut out, "    ", comment);
    }
    if ident != table.name {
        out.push_str(&format!("    #[sql_name = {}]\n", quoted(&table.name)));
    }
    let key = table.key();
    let named: Vec<(String, &Column)> = columns(table, ident);
    let in_key: Vec<&str> = key
        .iter()
        .filter_map(|name| named.iter().find(|(_, column)| column.name == *name).map(|(ident, _)| ident.as_str()))
        .collect();
    let schema = table.schema.as_ref().map(|schema| format!("{schema}.")).unwrap_or_default();
    out.push_str(&format!("    {schema}{ident} ({}) {{\n", in_key.join(", ")));
    for (name, column) in &named {
        if let Some(comment) = &column.comment {
            document(&mut out, "        ", comment);
        }
        if *name != column.name {
            out.push_str(&format!("        #[sql_name = {}]\n", quoted(&column.name)));
        }
        if let Some(length) = column.ty.max_length {
            out.push_str(&format!("        #[max_length = {length}]\n"));
        }
        let ty = &column.ty.diesel;
        if column.is_nullable && !key.contains(&column.name.as_str()) {
            out.push_str(&format!("        {name} -> Nullable<{ty}>,\n"));
        } else {
            out.push_str(&format!("        {name} -> {ty},\n"));
        }
    }
    out.push_str("    }\n}\n");
    out
}

/// The columns by their names in the schema, each of which is there once.
fn columns<'t>(table: &'t Table, ident: &str) -> Vec<(String, &'t Column)> {
    let mut used = BTreeSet::new();
    table
        .columns
        .iter()
        .map(|column| {
            let mut name = names::in_schema(&column.name, Some(ident));
            while !used.insert(name.clone()) {
                name.push('_');
            }
            (name, column)
        })
        .collect()
}

/// What tables may be joined by: foreign keys of which there is one between two tables.
fn joins(tables: &[&(&Table, String)]) -> Vec<String> {
    let ident = |schema: &Option<String>, name: &str| {
        tables.iter().find(|(table, _)| table.schema == *schema && table.name == name)
    };
    let mut links: Vec<(String, String, String)> = Vec::new();
    for (table, child) in tables {
        for key in &table.foreign_keys {
            let Some((target, parent)) = ident(&key.schema, &key.table) else { continue };
            let ([column], [primary]) = (key.columns.as_slice(), target.primary_key.as_slice()) else { continue };
            if key.target.first().is_some_and(|column| column != primary) || child == parent {
                continue;
            }
            // Diesel compares what is of one type.
            let ty = |table: &Table, name: &str| table.column(name).map(|column| column.ty.diesel.clone());
            if ty(table, column) != ty(target, primary) {
                continue;
            }
            let named = columns(table, child);
            let Some((field, _)) = named.iter().find(|(_, known)| known.name == *column) else { continue };
            links.push((child.clone(), parent.clone(), field.clone()));
        }
    }
    let pair = |link: &(String, String, String)| {
        let mut pair = [link.0.clone(), link.1.clone()];
        pair.sort_unstable();
        pair
    };
    let all = links.clone();
    links.retain(|link| all.iter().filter(|other| pair(other) == pair(link)).count() == 1);
    links.sort_unstable();
    let mut text = Vec::new();
    if !links.is_empty() {
        text.push(
            links
                .iter()
                .map(|(child, parent, field)| format!("diesel::joinable!({child} -> {parent} ({field}));\n"))
                .collect(),
        );
    }
    let groups = together(&links);
    if !groups.is_empty() {
        text.push(groups.iter().map(|group| allowed(group)).collect::<Vec<_>>().join("\n"));
    }
    text
}

/// Tables that are connected by links, as the diesel CLI can group them: all in one would take long to compile.
fn together(links: &[(String, String, String)]) -> Vec<BTreeSet<&str>> {
    let mut groups: Vec<BTreeSet<&str>> = Vec::new();
    for (child, parent, _) in links {
        let mut group = BTreeSet::from([child.as_str(), parent.as_str()]);
        groups.retain(|other| {
            let is_apart = group.is_disjoint(other);
            if !is_apart {
                group.extend(other.iter().copied());
            }
            is_apart
        });
        groups.push(group);
    }
    groups.sort_unstable();
    groups
}

fn allowed(group: &BTreeSet<&str>) -> String {
    let names: Vec<&str> = group.iter().copied().collect();
    let listed = names.join(", ");
    // rustfmt breaks the arguments of a call beyond this width.
    if listed.len() < 60 {
        return format!("diesel::allow_tables_to_appear_in_same_query!({listed},);\n");
    }
    let lines: String = names.iter().map(|name| format!("    {name},\n")).collect();
    format!("diesel::allow_tables_to_appear_in_same_query!(\n{lines});\n")
}
