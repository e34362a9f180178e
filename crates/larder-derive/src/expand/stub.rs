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
    (quote!(type #broken = [::core::convert::Infallible; #first]; #(#rest)*), broken)
}

pub(super) fn repository(input: &DeriveInput, found: &[Error], relations: &[Ident]) -> TokenStream {
    if !input.generics.params.is_empty() {
        // What bounds the parameters would need is anybody's guess.
        return found.iter().map(Error::to_compile_error).collect();
    }
    let (errors, broken) = errors(input, found);
    let (vis, ident) = (&input.vis, &input.ident);
    let repository = format_ident!("{ident}Repository", span = proc_macro2::Span::call_site());
    let mut functions: Vec<&Ident> = Vec::new();
    for name in relations {
        let taken = functions.iter().any(|other| names::plain(other) == names::plain(name));
        if !taken && name != "repository" {
            functions.push(name);
        }
    }
    quote! {
        #[doc(hidden)]
        #vis struct #repository<'s, DB: ::larder::Backend, S> {
            inner: ::larder::Repository<'s, DB, S>,
        }

        const _: () = {
            use ::larder::__private as __larder;
            #errors

            impl #ident {
                #[doc(hidden)]
                #vis fn repository<S>(_: &S) -> #broken {
                    loop {}
                }
                #(
                    #[doc(hidden)]
                    #vis fn #functions() -> #broken {
                        loop {}
                    }
                )*
            }

            impl __larder::Entity for #ident {
                type Key = #broken;
                type Backend = #broken;
                type Primary = #broken;
                type Columns = #broken;
                const COLUMNS: #broken = loop {};
                type Relations = #broken;
                const RELATIONS: #broken = loop {};
                const NAME: &'static str = "";
                const LAYOUT: __larder::Layout = __larder::layout("", &[]);
                const TTL: ::core::option::Option<::core::time::Duration> = ::core::option::Option::None;
                const WRITE_THROUGH: bool = false;
                fn key(&self) -> Self::Key {
                    loop {}
                }
                fn encode(&self, _: &mut ::std::vec::Vec<u8>) {}
                fn decode(
                    _: &mut __larder::Input<'_>,
                ) -> ::core::result::Result<Self, __larder::Corrupt> {
                    ::core::result::Result::Err(__larder::Corrupt)
                }
                fn heap_bytes(&self) -> usize {
                    0
                }
                fn cells(&self, _: &mut __larder::Cells<'_, Self>) {}
            }
            impl __larder::Writable for #ident {}
            impl __larder::Common for #ident {}
            impl __larder::MaterializedView for #ident {}
            impl<DB: __larder::Backend> __larder::Load<DB> for #ident {
                type Entity = #broken;
                type Head = #broken;
                fn assemble(
                    _: __larder::Access<'_, DB>,
                    _: ::std::vec::Vec<Self::Head>,
                ) -> __larder::Result<::std::vec::Vec<Self>> {
                    loop {}
                }
            }
            impl<DB: __larder::Backend, E> __larder::LoadOf<DB, E> for #ident {}
            impl<const NAME: u64> __larder::ListedBy<NAME> for #ident {
                type Pattern = #broken;
            }
            impl<const NAME: u64> __larder::Related<NAME> for #ident {
                type Relation = #broken;
            }
        };
    }
}

pub(super) fn view(input: &DeriveInput, found: &[Error]) -> TokenStream {
    if !input.generics.params.is_empty() {
        return found.iter().map(Error::to_compile_error).collect();
    }
    let (errors, broken) = errors(input, found);
    let ident = &input.ident;
    quote! {
        const _: () = {
            use ::larder::__private as __larder;
            #errors

            impl<DB: __larder::Backend> __larder::Load<DB> for #ident {
                type Entity = #broken;
                type Head = #broken;
                fn assemble(
                    _: __larder::Access<'_, DB>,
                    _: ::std::vec::Vec<Self::Head>,
                ) -> __larder::Result<::std::vec::Vec<Self>> {
                    loop {}
                }
            }
            impl<DB: __larder::Backend, E> __larder::LoadOf<DB, E> for #ident {}
        };
    }
}

pub(super) fn codec(input: &DeriveInput, found: &[Error]) -> TokenStream {
    let (errors, _) = errors(input, found);
    let ident = &input.ident;
    let (params, args, bounds) = input.generics.split_for_impl();
    quote! {
        const _: () = {
            use ::larder::__private as __larder;
            #errors

            impl #params __larder::Codec for #ident #args #bounds {
                const FINGERPRINT: __larder::Fingerprint = __larder::Fingerprint::of("");
                fn encode(&self, _: &mut ::std::vec::Vec<u8>) {}
                fn decode(
                    _: &mut __larder::Input<'_>,
                ) -> ::core::result::Result<Self, __larder::Corrupt> {
                    ::core::result::Result::Err(__larder::Corrupt)
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
            use ::larder::__private as __larder;
            #errors

            impl #params __larder::KeyPart for #ident #args #bounds {
                fn write_part(&self, _: &mut ::std::vec::Vec<u8>) {}
            }
        };
    }
}
