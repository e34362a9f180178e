//! What an entity says of its partitions.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::{moved, place};
use crate::{
    attr::Step,
    facts::{Model, Partition, PartitionBy},
};

/// The constant, if the model gives it.
pub(super) fn constant(model: &Model<'_>) -> Option<TokenStream> {
    let Partition { field, named, by, has_default, .. } = model.partition.as_ref()?;
    let at = place(named);
    let column = moved(model.fields[*field].column.as_ref()?, at);
    let made = match by {
        PartitionBy::Range { every, keep, ahead } => {
            let keep = match keep {
                Some(keep) => {
                    let keep = step(*keep);
                    quote!(::core::option::Option::Some(#keep))
                }
                None => quote!(::core::option::Option::None),
            };
            let every = step(*every);
            quote_spanned!(at=> __larder::Partition::by_range::<#column>(#every, #keep, #ahead, #has_default))
        }
        PartitionBy::List => quote!(__larder::Partition::by_list::<#column>(#has_default)),
        PartitionBy::Hash(n) => quote!(__larder::Partition::by_hash::<#column>(#n)),
    };
    Some(quote! {
        const PARTITION: ::core::option::Option<__larder::Partition> = ::core::option::Option::Some(#made);
    })
}

/// Items that do not compile on a back end without partitions.
pub(super) fn checks(model: &Model<'_>) -> TokenStream {
    let Some(Partition { keyword, .. }) = &model.partition else { return TokenStream::new() };
    let ident = model.ident;
    let checks = model
        .backends
        .iter()
        .map(|backend| quote_spanned!(place(keyword)=> const _: () = __larder::partitioned::<#ident, #backend>();));
    quote!(#(#checks)*)
}

fn step(step: Step) -> TokenStream {
    match step {
        Step::Months(n) => quote!(__larder::Step::Months(#n)),
        Step::Hours(n) => quote!(__larder::Step::Hours(#n)),
        Step::Numbers(n) => quote!(__larder::Step::Numbers(#n)),
    }
}
