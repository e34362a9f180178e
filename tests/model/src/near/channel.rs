//! What is on its way from the store to a listener, in the order in which it was sent.

use super::state::{Number, Tag};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Message {
    /// A write is announced, or has not found its marker any more: of this writer, with its number if it has one.
    Announced { writer: u8, number: Option<Number> },
    /// The reply to a PING, or to a renewal of the membership; `None` if what it would prove is too old by now.
    Reply { tag: Option<Tag>, has_lapsed: bool },
    /// The reply to the question for the number.
    Number(Option<Number>),
}

/// First in, first out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Channel {
    messages: [Option<Message>; 6],
}

impl Channel {
    pub(super) fn len(&self) -> usize {
        self.messages.iter().flatten().count()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages[0].is_none()
    }

    pub(super) fn first(&self) -> Option<Message> {
        self.messages[0]
    }

    pub(super) fn push(&mut self, message: Message) {
        let free = self.messages.iter_mut().find(|slot| slot.is_none());
        *free.expect("no behaviour sends more messages than there is room for") = Some(message);
    }

    pub(super) fn pop(&mut self) {
        self.messages[0] = None;
        self.messages.rotate_left(1);
    }

    /// All but the first `n` are lost.
    pub(super) fn cut(&mut self, n: usize) {
        self.messages[n..].fill(None);
    }

    pub(super) fn replies(&mut self) -> impl Iterator<Item = &mut Option<Tag>> {
        self.messages.iter_mut().flatten().filter_map(|message| match message {
            Message::Reply { tag, .. } => Some(tag),
            _ => None,
        })
    }

    pub(super) fn has_reply(&self) -> bool {
        self.messages.iter().flatten().any(|message| matches!(message, Message::Reply { .. }))
    }
}
