use syn::{Ident, Path, ext::IdentExt};

use super::{find_column, guard, maintains, near, partition, pattern, relation, source, tenant};
use crate::{
    ast::Struct,
    attr::{Diesel, FieldAttrs, GuardAttrs, ModelAttrs},
    errors::Errors,
    facts::{Model, ModelField, Source},
    names,
};

/// The model, as far as it can be made out. What it says is right if there were no errors.
pub(crate) fn model<'a>(input: Struct<'a>, source: Source, errors: &mut Errors) -> (Option<Model<'a>>, Vec<Ident>) {
    let diesel = Diesel::of(input.attrs, errors);
    let attrs = ModelAttrs::of(input.attrs, errors);
    let mut broken = attrs.broken.clone();
    broken.extend(attrs.relations.iter().map(|relation| relation.name.clone()));
    broken.extend(diesel.parents.iter().map(relation::name_of_parent));

    if diesel.backends.is_empty() {
        // Which back ends larder was built with is nothing that a derive can know.
        errors.at(
            input.ident,
            format!("say which databases `{}` is on: `#[diesel(check_for_backend(diesel::pg::Pg))]`", input.ident),
        );
    }
    let table = diesel.table.clone().unwrap_or_else(|| default_table(input.ident));
    let (fields, guards) = fields(&input, &table, errors);
    source::source(source, input.ident, &diesel, &attrs, errors);
    let Some(primary) = primary(&input, &fields, &diesel, source, errors) else { return (None, broken) };

    let primary_key = primary.clone();
    let tenant = tenant::tenant(input.ident, &fields, attrs.tenant.as_ref(), &primary, errors);
    let mut patterns = pattern::Patterns::new(input.ident, &fields, primary, errors).of_tenant(tenant);
    patterns.declared(&attrs, errors);
    let relations = relation::relations(input.ident, &diesel, attrs.relations, &mut patterns, errors);
    let upkeeps = maintains::maintains(input.ident, source, attrs.maintains, &mut patterns, errors);
    let patterns = patterns.finish(errors);
    let partition = partition::partition(input.ident, source, attrs.partition, &fields, &patterns, errors);
    near::near(&attrs.near, attrs.writes.as_ref(), errors);

    let guards = guard::guards(&input, source, &fields, &primary_key, &guards, attrs.soft_delete.as_ref(), errors);

    let is_named = attrs.name.is_some();
    let name = match attrs.name {
        Some(name) if name.value().is_empty() => {
            // It stands in front of the key of every cell.
            errors.at(name, "the name of the cells can't be empty: leave it out to use the table's");
            return (None, broken);
        }
        Some(name) => name.value(),
        None => table.segments.last().map(|segment| names::plain(&segment.ident)).unwrap_or_default(),
    };
    let model = Model {
        ident: input.ident,
        vis: input.vis,
        table,
        name,
        is_named,
        tenant,
        ttl: attrs.ttl,
        source,
        query: attrs.query.map(|query| query.value),
        write_through: attrs.write_through.is_none_or(|given| given.value),
        writes: attrs.writes.map(|writes| writes.value),
        near: attrs.near,
        guards,
        backends: diesel.backends,
        fields,
        patterns,
        relations,
        upkeeps,
        in_views: attrs.in_views,
        partition,
    };
    (Some(model), broken)
}

/// The table that Diesel would take.
fn default_table(model: &Ident) -> Path {
    Ident::new(&format!("{}s", names::snake_case(&model.unraw().to_string())), model.span()).into()
}

fn fields<'a>(input: &Struct<'a>, table: &Path, errors: &mut Errors) -> (Vec<ModelField<'a>>, Vec<GuardAttrs>) {
    let mut fields = Vec::with_capacity(input.fields.len());
    let mut guards = Vec::with_capacity(input.fields.len());
    for field in &input.fields {
        let attrs = FieldAttrs::of(field.attrs, errors);
        let column = (!attrs.embed).then(|| {
            let mut path = table.clone();
            path.segments.push(attrs.column.unwrap_or_else(|| field.ident.clone()).into());
            path
        });
        fields.push(ModelField { ident: field.ident, ty: field.ty, column, serde: attrs.serde });
        guards.push(attrs.guards);
    }
    (fields, guards)
}

fn primary(
    input: &Struct<'_>,
    fields: &[ModelField<'_>],
    diesel: &Diesel,
    source: Source,
    errors: &mut Errors,
) -> Option<Vec<usize>> {
    let Some(written) = &diesel.primary_key else {
        if source == Source::MaterializedView {
            // Told already; nothing that is `id` by chance is to be taken for the key.
            return None;
        }
        let id = fields.iter().position(|field| field.column_name().is_some_and(|column| column == "id"));
        if id.is_none() {
            let model = input.ident;
            errors.at(
                model,
                format!(
                    "`{model}` has no column `id`, by which rows are found: name the key, `#[diesel(primary_key(..))]`"
                ),
            );
        }
        return id.map(|id| vec![id]);
    };
    let found: Vec<_> = written.iter().filter_map(|name| find_column(input.ident, fields, name, errors)).collect();
    (found.len() == written.len() && !found.is_empty()).then_some(found)
}
