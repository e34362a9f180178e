//! Relations, made of foreign keys.

use std::collections::BTreeSet;

use super::{Model, same};
use crate::init::{
    names,
    schema::{ForeignKey, Note, OnDelete},
};

/// Functions that a model has for something else.
const RESERVED: [&str; 16] = [
    "repository",
    "refresh",
    "table",
    "as_select",
    "as_returning",
    "new",
    "clone",
    "default",
    "fmt",
    "eq",
    "key",
    "encode",
    "decode",
    "cells",
    "hash",
    "build",
];

/// `#[diesel(belongs_to(Parent))]`: of a parent that is referred to once.
#[derive(Debug)]
pub(crate) struct Parent {
    pub(crate) target: String,
    /// Where it is not the one that Diesel would take.
    pub(crate) foreign_key: Option<String>,
}

/// A relation in `#[larder(..)]`.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) name: String,
    pub(crate) target: String,
    pub(crate) side: Side,
    /// Fields of the model that refers.
    pub(crate) foreign_key: Vec<String>,
}

/// Which side of a foreign key a relation is seen from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Side {
    BelongsTo,
    HasMany(OnDelete),
    HasOne(OnDelete),
    ManyToMany { through: String, target_key: Vec<String> },
}

/// A foreign key that a relation can go by.
#[derive(Debug)]
struct Link {
    child: usize,
    parent: usize,
    /// Fields of the child, in the order of the parent's primary key.
    fields: Vec<String>,
    /// The same, as columns.
    columns: Vec<String>,
    on_delete: OnDelete,
    is_one: bool,
}

impl Link {
    /// What the column calls the parent: `author_id` an `author`.
    fn base(&self) -> Option<&str> {
        let [field] = self.fields.as_slice() else { return None };
        field.strip_suffix("_id").filter(|base| !base.is_empty())
    }
}

/// Gives models their relations.
pub(super) fn relate(models: &mut [Model<'_>], notes: &mut Vec<Note>) {
    let links = links(models, notes);
    let mut taken: Vec<BTreeSet<String>> =
        models.iter().map(|_| RESERVED.iter().map(|name| (*name).to_owned()).collect()).collect();
    for link in &links {
        belongs_to(models, &links, link, &mut taken[link.child]);
    }
    for link in &links {
        has(models, &links, link, &mut taken[link.parent]);
    }
    for join in 0..models.len() {
        let [one, other] = links.iter().filter(|link| link.child == join).collect::<Vec<_>>()[..] else { continue };
        let columns = one.columns.iter().chain(&other.columns).map(String::as_str);
        let is_pure = one.columns.iter().all(|column| !other.columns.contains(column));
        if is_pure && same(columns, models[join].primary.iter().copied()) {
            through(models, join, one, other, &mut taken[one.parent]);
            through(models, join, other, one, &mut taken[other.parent]);
        }
    }
}

fn links(models: &[Model<'_>], notes: &mut Vec<Note>) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    for (child, model) in models.iter().enumerate() {
        for key in &model.table.foreign_keys {
            match link(models, child, key) {
                Ok(link) => {
                    let is_new =
                        |known: &Link| (known.child, known.parent, &known.fields) != (child, link.parent, &link.fields);
                    if links.iter().all(is_new) {
                        links.push(link);
                    }
                }
                Err(why) => {
                    let mut text = format!("no relation to {}: {why}", key.table);
                    if key.on_delete != OnDelete::Refuse {
                        // Its rows go or change without anybody telling their cells.
                        text.push_str(
                            "; and when a row there is deleted, the database changes these rows without larder's knowing: \
                             delete them first, or say so with `tx.touched`",
                        );
                    }
                    notes.push(Note::new(format!("{}({})", model.table.full_name(), key.columns.join(", ")), text));
                }
            }
        }
    }
    for link in &links {
        if link.on_delete == OnDelete::SetDefault {
            let (child, parent) = (models[link.child].table.full_name(), &models[link.parent].ident);
            notes.push(Note::new(
                child,
                format!(
                    "ON DELETE SET DEFAULT is unknown to larder: after deleting a `{parent}`, say so with `tx.touched`"
                ),
            ));
        }
    }
    links
}

fn link(models: &[Model<'_>], child: usize, key: &ForeignKey) -> Result<Link, String> {
    let parent = models
        .iter()
        .position(|model| model.table.schema == key.schema && model.table.name == key.table && !model.table.is_view)
        .ok_or("it has no model")?;
    let (of, to) = (&models[child], &models[parent]);
    let target: Vec<&str> = match key.target.as_slice() {
        [] => to.primary.clone(),
        columns => columns.iter().map(String::as_str).collect(),
    };
    if !same(target.iter().copied(), to.primary.iter().copied()) || target.len() != key.columns.len() {
        return Err(format!("it refers to {}, and relations go by the primary key", target.join(", ")));
    }
    let mut columns = Vec::with_capacity(target.len());
    for primary in &to.primary {
        let at = target.iter().position(|column| column == primary).expect("the members are the same");
        let column = &key.columns[at];
        let (Some(field), Some(held)) = (of.field(column), to.field(primary)) else {
            return Err(format!("{column} is no field"));
        };
        if field.rust != held.rust {
            return Err(format!("{column} is {}, and {primary} is {}", field.column.sql_type, held.column.sql_type));
        }
        if !field.is_key_part {
            return Err(format!("{column} can't be part of a key"));
        }
        columns.push(column.clone());
    }
    let fields = of.fields_of(columns.iter().map(String::as_str)).ok_or("a column of it is no field")?;
    let is_one = columns.iter().map(String::as_str).eq(of.primary.iter().copied())
        || of.table.indexes.iter().any(|index| {
            index.is_unique && index.flaw.is_none() && same(index.names(), columns.iter().map(String::as_str))
        });
    Ok(Link { child, parent, fields, columns, on_delete: key.on_delete, is_one })
}

/// How many foreign keys lead from one table to the other.
fn siblings(links: &[Link], link: &Link) -> usize {
    links.iter().filter(|other| (other.child, other.parent) == (link.child, link.parent)).count()
}

fn belongs_to(models: &mut [Model<'_>], links: &[Link], link: &Link, taken: &mut BTreeSet<String>) {
    let target = models[link.parent].ident.clone();
    let of_parent = names::snake_case(&target);
    let wished = match (link.base(), link.fields.as_slice()) {
        (Some(base), _) => base.to_owned(),
        (None, [field]) if siblings(links, link) > 1 => field.clone(),
        _ if link.parent == link.child => "parent".to_owned(),
        _ => of_parent.clone(),
    };
    let others = [of_parent.clone(), format!("{of_parent}_by_{}", link.fields[0])];
    let name = free(&wished, &others, taken);
    let child = &mut models[link.child];
    let default_key = format!("{of_parent}_id");
    // Diesel knows one reference to each parent, and names its relation in larder itself.
    let of_diesel = link.base().map_or(&of_parent[..], |base| base);
    if siblings(links, link) == 1 && link.parent != link.child && link.fields.len() == 1 && name == of_diesel {
        let foreign_key = (link.fields[0] != default_key).then(|| link.fields[0].clone());
        child.parents.push(Parent { target, foreign_key });
    } else {
        child.relations.push(Relation { name, target, side: Side::BelongsTo, foreign_key: link.fields.clone() });
    }
}

fn has(models: &mut [Model<'_>], links: &[Link], link: &Link, taken: &mut BTreeSet<String>) {
    let child = &models[link.child];
    let many = many(&child.table_ident);
    let by = link.base().unwrap_or(&link.fields[0]).to_owned();
    let plain = if link.is_one { names::singular(&many) } else { many.clone() };
    let wished = match () {
        () if link.parent == link.child && by == "parent" => if link.is_one { "child" } else { "children" }.to_owned(),
        () if siblings(links, link) > 1 || link.parent == link.child => format!("{plain}_by_{by}"),
        () => plain.clone(),
    };
    let others = [format!("{plain}_by_{by}"), format!("{plain}_of_{by}")];
    let name = free(&wished, &others, taken);
    let side = if link.is_one { Side::HasOne(link.on_delete) } else { Side::HasMany(link.on_delete) };
    let relation = Relation { name, target: child.ident.clone(), side, foreign_key: link.fields.clone() };
    models[link.parent].relations.push(relation);
}

fn through(models: &mut [Model<'_>], join: usize, from: &Link, to: &Link, taken: &mut BTreeSet<String>) {
    let target = &models[to.parent];
    let plain = many(&target.table_ident);
    let by = to.base().unwrap_or(&to.fields[0]);
    let wished = if from.parent == to.parent { names::plural(by) } else { plain.clone() };
    let others = [format!("{plain}_through_{}", models[join].table_ident), format!("{plain}_by_{by}")];
    let relation = Relation {
        name: free(&wished, &others, taken),
        target: target.ident.clone(),
        side: Side::ManyToMany { through: models[join].ident.clone(), target_key: to.fields.clone() },
        foreign_key: from.fields.clone(),
    };
    models[from.parent].relations.push(relation);
}

/// A table's name as that of many rows: some have the name of one.
fn many(table: &str) -> String {
    if names::singular(table) == table { names::plural(table) } else { table.to_owned() }
}

/// A name that no other relation has.
fn free(wished: &str, others: &[String], taken: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|n| format!("{wished}_{n}"));
    let name = std::iter::once(wished.to_owned())
        .chain(others.iter().cloned())
        .chain(numbered)
        .map(|name| names::ident(&name))
        .find(|name| !taken.contains(name))
        .expect("there are more numbers than relations");
    taken.insert(name.clone());
    name
}
