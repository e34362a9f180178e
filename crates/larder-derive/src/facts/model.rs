use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{Ident, LitStr, Path, Type, Visibility};

use crate::{
    attr::{NearAttrs, OnDelete, SerdeCoding, Step, Writes},
    names,
};

/// What a model's rows are rows of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Table,
    MaterializedView,
}

/// A model, as it will be expanded.
pub(crate) struct Model<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) vis: &'a Visibility,
    pub(crate) table: Path,
    pub(crate) name: String,
    /// Whether the model gives its cells a name of their own, instead of the table's.
    pub(crate) is_named: bool,
    /// The field of the tenant that a row belongs to: an index of `fields`.
    pub(crate) tenant: Option<usize>,
    pub(crate) source: Source,
    /// That of a view, if the model has it.
    pub(crate) query: Option<LitStr>,
    pub(crate) ttl: Option<u64>,
    pub(crate) write_through: bool,
    pub(crate) writes: Option<Writes>,
    pub(crate) near: NearAttrs,
    pub(crate) guards: Guards,
    pub(crate) backends: Vec<Type>,
    pub(crate) fields: Vec<ModelField<'a>>,
    /// The primary key's comes first.
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) relations: Vec<Relation>,
    pub(crate) upkeeps: Vec<Upkeep>,
    /// The cached views that its rows are in.
    pub(crate) in_views: Vec<Path>,
    pub(crate) partition: Option<Partition>,
}

pub(crate) struct ModelField<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    /// `None` of an embedded struct.
    pub(crate) column: Option<Path>,
    pub(crate) serde: Option<SerdeCoding>,
}

/// The columns that larder itself writes: indexes of [`Model::fields`].
#[derive(Clone, Copy, Default)]
pub(crate) struct Guards {
    pub(crate) version: Option<usize>,
    pub(crate) deleted_at: Option<usize>,
    pub(crate) created_at: Option<usize>,
    pub(crate) updated_at: Option<usize>,
}

/// Columns by which rows are found.
pub(crate) struct Pattern {
    /// The type that stands for it.
    pub(crate) ident: Ident,
    /// Indexes of [`Model::fields`].
    pub(crate) fields: Vec<usize>,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    Primary,
    Unique {
        deferrable: bool,
    },
    List {
        order: Vec<(usize, bool)>,
        head: usize,
    },
    /// By a foreign key in which no tenant stands: it leads to rows of no tenant, and rows are not found by it.
    Common,
}

/// A relation to another entity, or to the same.
pub(crate) struct Relation {
    pub(crate) name: Ident,
    /// The type that stands for it.
    pub(crate) link: Ident,
    pub(crate) target: Path,
    pub(crate) leads: Leads,
}

pub(crate) enum Leads {
    /// To rows whose fields `by` hold this row's key.
    Children { by: Vec<Ident>, many: bool, on_delete: Option<OnDelete> },
    /// To the row whose key is in these fields, of which the pattern at `from` is made.
    Parent { from: usize },
    /// Over the rows of `join`, whose fields `by` hold this row's key and whose fields `to` the target's.
    Through { join: Path, by: Vec<Ident>, to: Vec<Ident>, second: Ident },
}

/// Columns of another model's rows that the writes of this one keep up to date.
pub(crate) struct Upkeep {
    /// The type that stands for it.
    pub(crate) ident: Ident,
    pub(crate) target: Path,
    /// The pattern of the fields that hold the row's key.
    pub(crate) by: usize,
    /// The fields that are summed: indexes of [`Model::fields`].
    pub(crate) factors: Vec<usize>,
    pub(crate) columns: Vec<Maintained>,
    pub(crate) insert: bool,
    /// The column by which it is known that nothing is left, if the row is deleted then.
    pub(crate) delete: Option<usize>,
}

/// A maintained column.
pub(crate) struct Maintained {
    /// The other model's field.
    pub(crate) field: Ident,
    /// The factors whose product is summed, by their places in [`Upkeep::factors`]; `None` of a count.
    pub(crate) sum: Option<Vec<usize>>,
}

/// How the table is cut into partitions.
pub(crate) struct Partition {
    pub(crate) keyword: Ident,
    /// The field as it was named there.
    pub(crate) named: Ident,
    /// Index of [`Model::fields`].
    pub(crate) field: usize,
    pub(crate) by: PartitionBy,
    pub(crate) has_default: bool,
}

pub(crate) enum PartitionBy {
    Range { every: Step, keep: Option<Step>, ahead: u32 },
    List,
    Hash(u32),
}

impl<'a> Model<'a> {
    /// The visibility of everything that stands for the model: its own, since the types are named where the model is.
    pub(crate) fn vis(&self) -> TokenStream {
        at_call_site(self.vis)
    }

    /// The name of a type that stands for something of the model. The underscores keep it away from the user's own.
    pub(crate) fn type_name(model: &Ident, of: &str) -> Ident {
        format_ident!("__{}{}", names::plain(model), of, span = Span::call_site())
    }

    pub(crate) fn repository(&self) -> Ident {
        format_ident!("{}Repository", self.ident, span = Span::call_site())
    }

    pub(crate) fn columns(&self) -> Ident {
        Self::type_name(self.ident, "Columns")
    }

    pub(crate) fn primary(&self) -> &Pattern {
        &self.patterns[0]
    }

    /// The patterns by which rows are found.
    pub(crate) fn finding(&self) -> impl Iterator<Item = &Pattern> {
        self.patterns.iter().filter(|pattern| !matches!(pattern.kind, Kind::Common))
    }

    /// The fields of a pattern that a caller gives: all but the tenant's.
    pub(crate) fn given_fields_of(&self, pattern: &Pattern) -> Vec<&ModelField<'a>> {
        pattern.fields.iter().filter(|at| Some(**at) != self.tenant).map(|at| &self.fields[*at]).collect()
    }

    /// What the finders of a pattern are called after: `user_id_and_status`, without the tenant unless nothing else is left.
    pub(crate) fn finder_name(&self, pattern: &Pattern) -> String {
        let given = self.given_fields_of(pattern);
        let fields = if given.is_empty() { self.fields_of(pattern) } else { given };
        Pattern::name(&fields.iter().map(|field| field.ident).collect::<Vec<_>>())
    }

    pub(crate) fn fields_of(&self, pattern: &Pattern) -> Vec<&ModelField<'a>> {
        pattern.fields.iter().map(|at| &self.fields[*at]).collect()
    }
}

impl ModelField<'_> {
    /// The column's name in the table's module.
    pub(crate) fn column_name(&self) -> Option<&Ident> {
        Some(&self.column.as_ref()?.segments.last()?.ident)
    }
}

impl Pattern {
    /// `user_id_and_status`, as finders have it.
    pub(crate) fn name(fields: &[&Ident]) -> String {
        fields.iter().map(|field| names::plain(field)).collect::<Vec<_>>().join("_and_")
    }

    pub(crate) fn is_unique(&self) -> bool {
        !matches!(self.kind, Kind::List { .. } | Kind::Common)
    }
}

/// One item, or a tuple of several.
pub(crate) fn tuple(items: &[impl ToTokens]) -> TokenStream {
    match items {
        [item] => item.to_token_stream(),
        items => quote!((#(#items),*)),
    }
}

/// The same tokens, as if the derive had written them: lints that watch what users write leave them alone.
pub(crate) fn at_call_site(tokens: impl ToTokens) -> TokenStream {
    tokens
        .to_token_stream()
        .into_iter()
        .map(|mut token| {
            token.set_span(Span::call_site());
            token
        })
        .collect()
}
