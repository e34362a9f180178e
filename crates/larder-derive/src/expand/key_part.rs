//! `impl KeyPart`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use crate::names;

pub(super) fn key_part(ident: &Ident, variants: &[&Ident]) -> TokenStream {
    let words = variants.iter().map(|variant| names::plain(variant));
    let word = if variants.is_empty() {
        quote!(match *self {})
    } else {
        quote!(match self { #(Self::#variants => #words),* })
    };
    quote! {
        #[automatically_derived]
        impl __larder::KeyPart for #ident {
            fn write_part(&self, out: &mut ::std::vec::Vec<u8>) {
                let word: &str = #word;
                out.extend_from_slice(word.as_bytes());
            }
        }
    }
}
