//! `impl Codec`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Fields, Ident, Member, Type, parse_quote};

use super::coding;
use crate::{
    attr::{self, SerdeCoding},
    errors::Errors,
    names,
};

pub(super) fn codec(input: &DeriveInput, errors: &mut Errors) -> TokenStream {
    let (fingerprint, encode, decode) = match &input.data {
        Data::Struct(data) => {
            let parts = parts(&data.fields, errors);
            let fingerprint = fingerprint(quote!(__larder::Fingerprint::of("struct")), &parts);
            let (members, bound) = (parts.iter().map(|part| &part.member), parts.iter().map(|part| &part.bound));
            let (encode, decode) = (encode(&parts), decode(&parts));
            let encode = quote!(let Self { #(#members: #bound),* } = self; #encode);
            (fingerprint, encode, quote!(::core::result::Result::Ok(Self { #decode })))
        }
        Data::Enum(data) => {
            let variants: Vec<_> = data.variants.iter().map(|v| (&v.ident, parts(&v.fields, errors))).collect();
            of_enum(&variants)
        }
        Data::Union(data) => {
            errors.at(data.union_token, "a union does not say which field it holds: use an enum");
            return TokenStream::new();
        }
    };

    let ident = &input.ident;
    let mut generics = input.generics.clone();
    for param in generics.type_params_mut() {
        param.bounds.push(parse_quote!(__larder::Codec));
    }
    let (params, args, bounds) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #params __larder::Codec for #ident #args #bounds {
            const FINGERPRINT: __larder::Fingerprint = #fingerprint;
            fn encode(&self, out: &mut ::std::vec::Vec<u8>) {
                #encode
            }
            fn decode(
                input: &mut __larder::Input<'_>,
            ) -> ::core::result::Result<Self, __larder::Corrupt> {
                #decode
            }
        }
    }
}

/// A field of a struct or a variant.
struct Part<'a> {
    member: Member,
    /// What it is called inside of the generated functions.
    bound: Ident,
    ty: &'a Type,
    serde: Option<SerdeCoding>,
}

fn parts<'a>(fields: &'a Fields, errors: &mut Errors) -> Vec<Part<'a>> {
    let members = fields.members().zip(fields).enumerate();
    members
        .map(|(at, (member, field))| Part {
            member,
            bound: format_ident!("field{at}", span = proc_macro2::Span::mixed_site()),
            ty: &field.ty,
            serde: attr::serde(&field.attrs, errors),
        })
        .collect()
}

fn fingerprint(start: TokenStream, parts: &[Part<'_>]) -> TokenStream {
    let steps = parts.iter().map(|part| {
        let name = match &part.member {
            Member::Named(name) => names::plain(name),
            Member::Unnamed(at) => at.index.to_string(),
        };
        let fingerprint = coding::fingerprint(part.ty, part.serde.as_ref());
        quote!(.and(#name).then(#fingerprint))
    });
    quote!(#start #(#steps)*)
}

fn encode(parts: &[Part<'_>]) -> TokenStream {
    let steps = parts.iter().map(|part| {
        let bound = &part.bound;
        coding::encode(part.ty, part.serde.as_ref(), quote!(#bound))
    });
    quote!(#(#steps;)*)
}

fn decode(parts: &[Part<'_>]) -> TokenStream {
    let steps = parts.iter().map(|part| {
        let (member, value) = (&part.member, coding::decode(part.ty, part.serde.as_ref()));
        quote!(#member: #value)
    });
    quote!(#(#steps),*)
}

/// A variant is its place in the enum, and then its fields.
fn of_enum(variants: &[(&Ident, Vec<Part<'_>>)]) -> (TokenStream, TokenStream, TokenStream) {
    let mut print = quote!(__larder::Fingerprint::of("enum"));
    let (mut encoders, mut decoders) = (Vec::new(), Vec::new());
    for (at, (ident, parts)) in variants.iter().enumerate() {
        let (name, at) = (names::plain(ident), at as u64);
        print = fingerprint(quote!(#print.and(#name)), parts);
        let (members, bound) = (parts.iter().map(|part| &part.member), parts.iter().map(|part| &part.bound));
        let (encode, decode) = (encode(parts), decode(parts));
        encoders.push(quote! {
            Self::#ident { #(#members: #bound),* } => {
                __larder::put_varint(#at, out);
                #encode
            }
        });
        decoders.push(quote!(#at => ::core::result::Result::Ok(Self::#ident { #decode })));
    }
    let encode = if variants.is_empty() { quote!(match *self {}) } else { quote!(match self { #(#encoders)* }) };
    let decode = quote! {
        match input.varint()? {
            #(#decoders,)*
            _ => ::core::result::Result::Err(__larder::Corrupt),
        }
    };
    (print, encode, decode)
}
