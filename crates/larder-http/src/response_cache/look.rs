use std::time::{Duration, SystemTime};

use http::request::Parts;
use tokio::time::{Instant, sleep};

use super::{Found, ResponseCacheLayer, Responses, entry::Entry, flights::End, request::Wanted};

/// How long others are waited for that are no requests of this process: nobody tells when they are done.
const PATIENCE: Duration = Duration::from_secs(2);

/// Pauses between two looks for what they do: they grow to this.
const LONGEST_POLL: Duration = Duration::from_millis(50);

/// After so many others whose answers were overtaken by writes, the service is asked in any case.
const TURNS: usize = 3;

/// What has come of looking for an answer.
pub(super) enum Looked<L> {
    /// One that the request takes, and its age, unless it is known to be current.
    Kept(Box<Entry>, Option<Duration>),
    /// Something is kept that the request does not take.
    TooOld,
    Lease(L),
    /// The service is to be asked, and its answer not to be kept.
    Nothing,
}

/// Looks for an answer, and waits while others have it made.
pub(super) async fn look<R: Responses>(
    layer: &ResponseCacheLayer<R>,
    wanted: &Wanted,
    parts: &Parts,
) -> Looked<R::Lease> {
    let end = Instant::now() + layer.options.wait;
    let (mut polled, mut poll, mut n_turns) = (Duration::ZERO, Duration::from_millis(1), 0);
    loop {
        match layer.responses.look(parts, &wanted.key, layer.options.may_take).await {
            Found::Kept { answer, is_current } => {
                let Some(entry) = Entry::read(&answer, &wanted.key) else { return Looked::Nothing };
                // What another cache had before the service is as old as that has said.
                let age = (!is_current || entry.was > 0).then(|| entry.age(SystemTime::now()));
                let is_taken = age.is_none_or(|age| wanted.takes(age));
                let age = age.map(|(age, _)| age);
                return if is_taken { Looked::Kept(Box::new(entry), age) } else { Looked::TooOld };
            }
            Found::Lease(lease) => return Looked::Lease(lease),
            Found::Unknown => return Looked::Nothing,
            Found::Elsewhere => {}
        }
        let left = end.saturating_duration_since(Instant::now());
        match layer.flights.wait(&wanted.key, left).await {
            Some(End::NotKept) => return Looked::Nothing,
            Some(End::Kept) if n_turns == TURNS => return Looked::Nothing,
            // What comes of it is looked at as everything else is: what it depends on may have been written meanwhile.
            Some(End::Kept) => n_turns += 1,
            Some(End::GivenUp) => {}
            None if polled < PATIENCE => {
                sleep(poll).await;
                polled += poll;
                poll = (poll * 3).min(LONGEST_POLL);
            }
            None => return Looked::Nothing,
        }
        if Instant::now() >= end {
            return Looked::Nothing;
        }
    }
}
