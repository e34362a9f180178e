//! How one field goes into a cell.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::Type;

use super::{local, place};
use crate::attr::SerdeCoding;

pub(super) fn fingerprint(ty: &Type, serde: Option<&SerdeCoding>) -> TokenStream {
    match serde {
        None => quote_spanned!(place(ty)=> <#ty as __larder::Codec>::FINGERPRINT),
        Some(serde) => {
            // Compilers differ in the spaces that they put between tokens.
            let name = ty.to_token_stream().to_string().replace(char::is_whitespace, "");
            let version = serde.version.unwrap_or(1).to_string();
            quote_spanned!(place(ty)=> __larder::Serde::fingerprint(#name, #version))
        }
    }
}

/// Appends `value`, a reference, to `out`.
pub(super) fn encode(ty: &Type, serde: Option<&SerdeCoding>, value: TokenStream) -> TokenStream {
    let out = local("out");
    match serde {
        None => quote_spanned!(place(ty)=> <#ty as __larder::Codec>::encode(#value, #out)),
        Some(_) => quote_spanned!(place(ty)=> __larder::Serde::encode::<#ty>(#value, #out)),
    }
}

/// How many bytes `value`, a reference, owns beside itself.
pub(super) fn heap_bytes(ty: &Type, serde: Option<&SerdeCoding>, value: TokenStream) -> TokenStream {
    match serde {
        None => quote_spanned!(place(ty)=> <#ty as __larder::Codec>::heap_bytes(#value)),
        Some(_) => quote_spanned!(place(ty)=> __larder::Serde::heap_bytes::<#ty>(#value)),
    }
}

/// Takes a value from `input`.
pub(super) fn decode(ty: &Type, serde: Option<&SerdeCoding>) -> TokenStream {
    let input = local("input");
    match serde {
        None => quote_spanned!(place(ty)=> <#ty as __larder::Codec>::decode(#input)?),
        Some(_) => quote_spanned!(place(ty)=> __larder::Serde::decode::<#ty>(#input)?),
    }
}
