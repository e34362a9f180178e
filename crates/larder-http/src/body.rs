use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of an answer that has come through [`Conditional`](crate::Conditional), [`ResponseCache`](crate::ResponseCache) or [`RateLimit`](crate::RateLimit): the service's own, or what was made of it.
    #[derive(Debug)]
    pub struct Body<B>
    where
        B: http_body::Body,
    {
        #[pin]
        kind: Kind<B, B::Error>,
    }
}

pin_project! {
    #[project = KindProjection]
    #[derive(Debug)]
    enum Kind<B, E> {
        Empty,
        Nothing,
        Whole { frames: VecDeque<Frame<Bytes>> },
        Begun { frames: VecDeque<Frame<Bytes>>, rest: Pin<Box<B>> },
        Broken { frames: VecDeque<Frame<Bytes>>, error: Option<E> },
        Inner { #[pin] inner: B },
    }
}

impl<B: http_body::Body> Body<B> {
    /// A content of no bytes.
    pub(crate) fn empty() -> Self {
        Self { kind: Kind::Empty }
    }

    /// What goes with a 304 or an answer to HEAD, which have no content but may speak of its length.
    ///
    /// It claims no size, since a framework would send that as `Content-Length: 0`: here that is the length of what is *not* sent (RFC 9110, section 8.6).
    pub(crate) fn nothing() -> Self {
        Self { kind: Kind::Nothing }
    }

    /// A body that was read already.
    pub(crate) fn whole(frames: VecDeque<Frame<Bytes>>) -> Self {
        Self { kind: Kind::Whole { frames } }
    }

    /// A body that was read in part.
    pub(crate) fn begun(frames: VecDeque<Frame<Bytes>>, rest: Pin<Box<B>>) -> Self {
        Self { kind: Kind::Begun { frames, rest } }
    }

    /// A body that has failed after these.
    pub(crate) fn broken(frames: VecDeque<Frame<Bytes>>, error: B::Error) -> Self {
        Self { kind: Kind::Broken { frames, error: Some(error) } }
    }

    /// A body of which nothing can be sent but that it failed.
    pub(crate) fn failed(error: B::Error) -> Self {
        Self::broken(VecDeque::new(), error)
    }

    /// A body of these bytes.
    pub(crate) fn of(bytes: Bytes) -> Self {
        Self::whole(VecDeque::from([Frame::data(bytes)]))
    }

    pub(crate) fn inner(inner: B) -> Self {
        Self { kind: Kind::Inner { inner } }
    }
}

impl<B: http_body::Body<Data = Bytes>> http_body::Body for Body<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.project().kind.project() {
            KindProjection::Empty | KindProjection::Nothing => Poll::Ready(None),
            KindProjection::Whole { frames } => Poll::Ready(frames.pop_front().map(Ok)),
            KindProjection::Begun { frames, rest } => match frames.pop_front() {
                Some(frame) => Poll::Ready(Some(Ok(frame))),
                None => rest.as_mut().poll_frame(context),
            },
            KindProjection::Broken { frames, error } => {
                Poll::Ready(frames.pop_front().map(Ok).or_else(|| error.take().map(Err)))
            }
            KindProjection::Inner { inner } => inner.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty | Kind::Nothing => true,
            Kind::Whole { frames } => frames.is_empty(),
            Kind::Begun { frames, rest } => frames.is_empty() && rest.is_end_stream(),
            Kind::Broken { frames, error } => frames.is_empty() && error.is_none(),
            Kind::Inner { inner } => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Whole { frames } => SizeHint::with_exact(n_bytes(frames)),
            Kind::Begun { frames, rest } => {
                let (read, left) = (n_bytes(frames), rest.size_hint());
                let mut hint = SizeHint::new();
                // The upper one first: neither may pass the other.
                if let Some(upper) = left.upper() {
                    hint.set_upper(upper.saturating_add(read));
                }
                hint.set_lower(left.lower().saturating_add(read));
                hint
            }
            Kind::Nothing | Kind::Broken { .. } => SizeHint::default(),
            Kind::Inner { inner } => inner.size_hint(),
        }
    }
}

fn n_bytes(frames: &VecDeque<Frame<Bytes>>) -> u64 {
    frames.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum()
}
