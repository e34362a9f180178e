//! What stands in for an implementation that could not be made.
//!
//! The first error is written where a type belongs: the compiler then takes everything that has this type for already reported,
//! and the user sees the derive's errors and none that follow from them.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{DeriveInput, Error, Ident};

use crate::{facts::Model, names};

/// The errors, and the name of a type that is one of them.
fn errors(input: &DeriveInput, errors: &[Error]) -> (TokenStream, Ident) {
    let broken = Model::type_name(&input.ident, "Broken");
    let (first, rest) = errors.split_first().map_or((None, &[][..]), |(first, rest)| (Some(first), rest));
    let first = first.map(Error::to_compile_error);
    let rest = rest.iter().map(Error::to_compile_error);
    (quote!(#(#rest)* type #broken = #first;), broken)
}

pub(super) fn repository(input: &DeriveInput, found: &[Error], relations: &[Ident]) -> TokenStream {
    let (errors, broken) = errors(input, found);
    let (vis, ident) = (&input.vis, &input.ident);
    let repository = format_ident!("{ident}Repository", span = proc_macro2::Span::call_site());
    let (params, args, bounds) = input.generics.split_for_impl();
    let mut functions: Vec<&Ident> = Vec::new();
    for name in relations {
        let taken = functions.iter().any(|other| names::plain(other) == names::plain(name));
        if !taken && name != "repository" {
            functions.push(name);
        }
    }
    let one_of_many = {
        let mut generics = input.generics.clone();
        generics.params.push(syn::parse_quote!(const __NAME: u64));
        let (params, ..) = generics.split_for_impl();
        quote!(#params)
    };
    quote! {
        #[doc(hidden)]
        #vis struct #repository<'s, DB: ::larder::Backend, S> {
            inner: ::larder::Repository<'s, DB, S>,
        }

        const _: () = {
            #errors

            impl #params #ident #args #bounds {
                #[doc(hidden)]
                #vis fn repository<__S>(_: &__S) -> #broken {
                    loop {}
                }
                #(
                    #[doc(hidden)]
                    #vis fn #functions() -> #broken {
                        loop {}
                    }
                )*
            }

            impl #params ::larder::__private::Entity for #ident #args #bounds {
                type Key = #broken;
                type Backend = #broken;
                type Primary = #broken;
                type Columns = #broken;
                const COLUMNS: #broken = loop {};
                const NAME: &'static str = "";
                const LAYOUT: ::larder::__private::Layout = ::larder::__private::layout("", &[]);
                const TTL: ::core::option::Option<::core::time::Duration> = ::core::option::Option::None;
                const WRITE_THROUGH: bool = false;
                fn key(&self) -> Self::Key {
                    loop {}
                }
                fn encode(&self, _: &mut ::std::vec::Vec<u8>) {}
                fn decode(
                    _: &mut ::larder::__private::Input<'_>,
                ) -> ::core::result::Result<Self, ::larder::__private::Corrupt> {
                    ::core::result::Result::Err(::larder::__private::Corrupt)
                }
                fn cells(&self, _: &mut ::larder::__private::Cells<'_, Self>) {}
            }
            impl #one_of_many ::larder::__private::ListedBy<__NAME> for #ident #args #bounds {
                type Pattern = #broken;
            }
            impl #one_of_many ::larder::__private::Related<__NAME> for #ident #args #bounds {
                type Relation = #broken;
                fn relation() -> Self::Relation {
                    loop {}
                }
            }
        };
    }
}

pub(super) fn view(input: &DeriveInput, found: &[Error]) -> TokenStream {
    let (errors, broken) = errors(input, found);
    let ident = &input.ident;
    let (_, args, bounds) = input.generics.split_for_impl();
    let on_any_backend = {
        let mut generics = input.generics.clone();
        generics.params.push(syn::parse_quote!(__DB: ::larder::__private::Backend));
        let (params, ..) = generics.split_for_impl();
        quote!(#params)
    };
    quote! {
        const _: () = {
            #errors

            impl #on_any_backend ::larder::__private::Load<__DB> for #ident #args #bounds {
                type Entity = #broken;
                type Head = #broken;
                fn assemble(
                    _: ::larder::__private::Access<'_, __DB>,
                    _: ::std::vec::Vec<Self::Head>,
                ) -> ::larder::__private::Result<::std::vec::Vec<Self>> {
                    loop {}
                }
            }
        };
    }
}

pub(super) fn codec(input: &DeriveInput, found: &[Error]) -> TokenStream {
    let (errors, _) = errors(input, found);
    let ident = &input.ident;
    let (params, args, bounds) = input.generics.split_for_impl();
    quote! {
        const _: () = {
            #errors

            impl #params ::larder::__private::Codec for #ident #args #bounds {
                const FINGERPRINT: ::larder::__private::Fingerprint = ::larder::__private::Fingerprint::of("");
                fn encode(&self, _: &mut ::std::vec::Vec<u8>) {}
                fn decode(
                    _: &mut ::larder::__private::Input<'_>,
                ) -> ::core::result::Result<Self, ::larder::__private::Corrupt> {
                    ::core::result::Result::Err(::larder::__private::Corrupt)
                }
            }
        };
    }
}

pub(super) fn key_part(input: &DeriveInput, found: &[Error]) -> TokenStream {
    let (errors, _) = errors(input, found);
    let ident = &input.ident;
    let (params, args, bounds) = input.generics.split_for_impl();
    quote! {
        const _: () = {
            #errors

            impl #params ::larder::__private::KeyPart for #ident #args #bounds {
                fn write_part(&self, _: &mut ::std::vec::Vec<u8>) {}
            }
        };
    }
}
