//! The models that a handle has come upon.

use std::{
    any::TypeId,
    hash::{Hash, Hasher},
    sync::OnceLock,
};

use super::ModelFigures;
use crate::entity::Entity;

const SLOTS: usize = 64;
/// How many slots a model may be in.
const PROBES: usize = 4;

/// The figures of each model, by its type. It only grows, so that looking one up takes no lock.
pub(super) struct Models {
    slots: [OnceLock<Box<Slot>>; SLOTS],
    /// More of them, where there is no room.
    more: OnceLock<Box<Models>>,
}

struct Slot {
    model: TypeId,
    figures: ModelFigures,
}

impl Default for Models {
    fn default() -> Self {
        Self { slots: std::array::from_fn(|_| OnceLock::new()), more: OnceLock::new() }
    }
}

impl Models {
    #[inline]
    pub(super) fn of<E: Entity>(&self) -> &ModelFigures {
        let model = TypeId::of::<E>();
        // A type's number is a hash already: where it lies is known when the program is compiled.
        let first = number_of(model);
        match self.slots[first].get() {
            Some(slot) if slot.model == model => &slot.figures,
            _ => self.find(model, first, || ModelFigures::new(E::cells_name())),
        }
    }

    /// Those of a type that is no model.
    pub(super) fn of_type(&self, id: TypeId, name: &'static str) -> &ModelFigures {
        self.find(id, number_of(id), || ModelFigures::new(name))
    }

    #[cold]
    fn find(&self, model: TypeId, first: usize, make: impl Fn() -> ModelFigures) -> &ModelFigures {
        let mut models = self;
        loop {
            for at in first..first + PROBES {
                // Two that come at once agree on one slot, and whoever has lost goes on to the next.
                let slot = models.slots[at % SLOTS].get_or_init(|| Box::new(Slot { model, figures: make() }));
                if slot.model == model {
                    return &slot.figures;
                }
            }
            models = models.more.get_or_init(Box::default);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ModelFigures> {
        let tables = std::iter::successors(Some(self), |models| models.more.get().map(AsRef::as_ref));
        tables.flat_map(|models| &models.slots).filter_map(OnceLock::get).map(|slot| &slot.figures)
    }
}

#[inline]
fn number_of(model: TypeId) -> usize {
    #[derive(Default)]
    struct Number(u64);

    impl Hasher for Number {
        fn finish(&self) -> u64 {
            self.0
        }

        fn write(&mut self, bytes: &[u8]) {
            bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
        }

        fn write_u64(&mut self, number: u64) {
            self.0 = number;
        }
    }

    let mut number = Number::default();
    model.hash(&mut number);
    usize::try_from(number.0 % SLOTS as u64).expect("there are a few hundred slots")
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    struct Type<const N: usize>;

    #[test]
    fn each_type_has_its_own_also_where_there_are_very_many() {
        let models = Models::default();
        let types = [TypeId::of::<Type<0>>(), TypeId::of::<Type<1>>(), TypeId::of::<Type<2>>()];
        // All in the same few slots.
        let find = |model| models.find(model, 63, || ModelFigures::new("model"));
        let found = types.map(|model| ptr::from_ref(find(model)));
        for (one, other) in [(0, 1), (1, 2), (0, 2)] {
            assert!(found[one] != found[other]);
        }
        let others = [
            TypeId::of::<Type<3>>(),
            TypeId::of::<Type<4>>(),
            TypeId::of::<Type<5>>(),
            TypeId::of::<Type<6>>(),
            TypeId::of::<Type<7>>(),
            TypeId::of::<Type<8>>(),
        ];
        others.iter().for_each(|model| _ = find(*model));
        assert_eq!(models.iter().count(), 9);
        assert!(models.more.get().is_some() && types.map(|model| ptr::from_ref(find(model))) == found);
    }
}
