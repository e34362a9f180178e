use crate::{
    attr::{Given, Near, NearAttrs, Reads, Writes},
    errors::Errors,
};

/// What a model says of the near cache must not contradict itself.
pub(super) fn near(attrs: &NearAttrs, writes: Option<&Given<Writes>>, errors: &mut Errors) {
    let Some(near) = attrs.near else { return };
    if near == Near::Off {
        // Such a setting would have no effect, and whoever wrote it expects one.
        let settings = [attrs.ttl.as_ref(), attrs.bytes.as_ref()];
        for given in settings.into_iter().flatten() {
            errors.at(&given.word, format!("nothing is kept near: leave out `{}`, or `near = off`", given.word));
        }
        if let Some(given) = attrs.reads.as_ref().filter(|reads| reads.value == Reads::Near) {
            errors.at(&given.word, "nothing is kept near: leave out `reads = near`, or `near = off`");
        }
    }
    if let Some(given) = writes.filter(|writes| near.is_strict() && writes.value == Writes::Available) {
        // Whoever could not be told of a write goes on serving the copies that it has.
        errors.at(
            &given.word,
            "a write that goes on without the store can't be told to those who keep the rows near: \
             write `writes = strict`, or `near = bounded`",
        );
    }
}
