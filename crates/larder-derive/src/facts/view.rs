use syn::{Ident, Path, Type, Visibility};

use crate::attr::{CachedAttr, Refined, SerdeCoding};

/// A view, as it will be expanded.
pub(crate) struct View<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) vis: &'a Visibility,
    pub(crate) of: Path,
    /// Empty if it is for the entity's first back end.
    pub(crate) backends: Vec<Type>,
    pub(crate) columns: Vec<ViewColumn<'a>>,
    pub(crate) relations: Vec<ViewRelation<'a>>,
    /// How its trees are stored whole, if they are.
    pub(crate) cached: Option<CachedAttr>,
    /// Whether it can lie in a cell, by itself or within another.
    pub(crate) is_packed: bool,
}

/// A field that holds a column.
pub(crate) struct ViewColumn<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    /// The entity's field.
    pub(crate) source: Ident,
    pub(crate) serde: Option<SerdeCoding>,
}

/// A field that holds a relation's rows, or their number.
pub(crate) struct ViewRelation<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) relation: Ident,
    pub(crate) counted: bool,
    pub(crate) refined: Refined,
}
