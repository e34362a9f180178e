//! The shape of what a derive stands on.

use syn::{Attribute, Data, DataEnum, DeriveInput, Fields, Ident, Type, Visibility};

use crate::errors::Errors;

/// A struct with named fields and without parameters.
pub(crate) struct Struct<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) vis: &'a Visibility,
    pub(crate) attrs: &'a [Attribute],
    pub(crate) fields: Vec<Field<'a>>,
}

pub(crate) struct Field<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) attrs: &'a [Attribute],
}

impl<'a> Struct<'a> {
    /// Takes a struct; `what` is what it would be, for the messages.
    pub(crate) fn of(input: &'a DeriveInput, what: &str, errors: &mut Errors) -> Option<Self> {
        if !input.generics.params.is_empty() {
            let message = format!("{what} has no parameters: its rows must be of one type, so write the type out");
            errors.at(&input.generics, message);
        }
        let fields = match &input.data {
            Data::Struct(data) => match &data.fields {
                Fields::Named(fields) => fields,
                Fields::Unnamed(fields) => {
                    errors
                        .at(fields, format!("{what} needs field names, which say what columns it has: `{{ id: .. }}`"));
                    return None;
                }
                Fields::Unit => {
                    errors.at(
                        &input.ident,
                        format!("{what} needs fields, which say what columns it has: `{{ id: .. }}`"),
                    );
                    return None;
                }
            },
            Data::Enum(data) => {
                errors.at(data.enum_token, format!("{what} is a struct with named fields, not an enum"));
                return None;
            }
            Data::Union(data) => {
                errors.at(data.union_token, format!("{what} is a struct with named fields, not a union"));
                return None;
            }
        };
        let fields = fields
            .named
            .iter()
            .filter_map(|field| Some(Field { ident: field.ident.as_ref()?, ty: &field.ty, attrs: &field.attrs }))
            .collect();
        Some(Self { ident: &input.ident, vis: &input.vis, attrs: &input.attrs, fields })
    }
}

/// An enum whose variants have no fields.
pub(crate) struct Words<'a> {
    pub(crate) variants: Vec<&'a Ident>,
}

impl<'a> Words<'a> {
    pub(crate) fn of(input: &'a DeriveInput, errors: &mut Errors) -> Option<Self> {
        let Data::Enum(DataEnum { variants, .. }) = &input.data else {
            let message = "`KeyPart` can be derived for an enum without fields; implement it by hand for other types, \
                           or use a type that has it";
            errors.at(&input.ident, message);
            return None;
        };
        for variant in variants {
            if !matches!(variant.fields, Fields::Unit) {
                let message = format!(
                    "`{}` has fields, and a part of a key is one column: store it in several columns, or implement `KeyPart` \
                     by hand",
                    variant.ident
                );
                errors.at(&variant.fields, message);
            }
        }
        Some(Self { variants: variants.iter().map(|variant| &variant.ident).collect() })
    }
}
