//! What an entity says of the near cache.

use proc_macro2::TokenStream;
use quote::quote;

use crate::{
    attr::{Near, Reads},
    facts::Model,
};

/// The constants that the model gives; the others have defaults.
pub(super) fn constants(model: &Model<'_>) -> TokenStream {
    let near = model.near.near.map(|near| {
        let near = match near {
            Near::Off => quote!(Off),
            Near::Bounded => quote!(Bounded),
            Near::Strict => quote!(Strict),
            Near::Outwaited => quote!(Outwaited),
        };
        quote!(const NEAR: __larder::Near = __larder::Near::#near;)
    });
    let ttl = model.near.ttl.as_ref().map(|ttl| {
        let milliseconds = ttl.value;
        quote! {
            const NEAR_TTL: ::core::option::Option<::core::time::Duration> =
                ::core::option::Option::Some(::core::time::Duration::from_millis(#milliseconds));
        }
    });
    let bytes = model.near.bytes.as_ref().map(|bytes| {
        let bytes = bytes.value;
        quote! {
            const NEAR_BYTES: ::core::option::Option<u64> = ::core::option::Option::Some(#bytes);
        }
    });
    let reads = model.near.reads.as_ref().map(|reads| {
        let reads = match reads.value {
            Reads::Near => quote!(Near),
            Reads::Shared => quote!(Shared),
            Reads::Database => quote!(Database),
        };
        quote! {
            const READS: ::core::option::Option<__larder::Consistency> =
                ::core::option::Option::Some(__larder::Consistency::#reads);
        }
    });
    quote!(#near #ttl #bytes #reads)
}
