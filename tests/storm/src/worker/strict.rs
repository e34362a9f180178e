//! The same work on strict models: what is kept near is for a model to say, so there are two of each.

pub(super) use self::hand::work;
use crate::strict::{Order, User};

#[path = "hand.rs"]
#[expect(clippy::duplicate_mod, reason = "the same work, on other models")]
mod hand;
