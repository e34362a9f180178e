use std::{
    collections::{BTreeSet, VecDeque},
    mem,
    time::Duration,
};

use tokio::time::Instant;

use super::{PurgerFigures, PurgerOptions};
use crate::Tag;

/// What is to be purged together. `all` stands for every tag that there is.
#[derive(Debug, Default)]
pub(super) struct Batch {
    tags: BTreeSet<Tag>,
    all: bool,
    /// Since when the oldest of it waits; `None` for what is purged for the second time.
    since: Option<Instant>,
}

impl Batch {
    pub(super) fn tags(&self) -> Option<Vec<Tag>> {
        (!self.all).then(|| self.tags.iter().cloned().collect())
    }

    fn n_tags(&self) -> usize {
        self.tags.len() + usize::from(self.all)
    }

    fn add(&mut self, other: Self) {
        self.tags.extend(other.tags);
        if other.all {
            self.widen();
        }
        self.since = match (self.since, other.since) {
            (Some(one), Some(another)) => Some(one.min(another)),
            (one, another) => one.or(another),
        };
    }

    fn widen(&mut self) {
        self.tags.clear();
        self.all = true;
    }

    /// At most so many of it, and the rest stays.
    fn split_off(&mut self, n_tags: usize) -> Self {
        let mut first = mem::take(self);
        if let Some(next) = first.tags.iter().nth(n_tags).cloned() {
            self.tags = first.tags.split_off(&next);
            self.since = first.since;
        }
        first
    }
}

/// What the task is to do next.
#[derive(Debug)]
pub(super) enum Next {
    /// Purge this, and say how it went.
    Purge(Batch),
    /// Wait until something is told, or until then.
    Wait(Option<Instant>),
    /// There is nothing to do, and nothing will be told.
    End,
}

/// What waits, what is under way, and what is to be told once more.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Batch,
    again: VecDeque<(Instant, Batch)>,
    under_way: Option<(usize, Option<Instant>)>,
    closed: bool,
    hurry: Option<Instant>,
    max_waiting: usize,
    max_batch: usize,
    again_after: Option<Duration>,
    figures: PurgerFigures,
}

impl Queue {
    pub(super) fn new(options: &PurgerOptions) -> Self {
        Self {
            waiting: Batch::default(),
            again: VecDeque::new(),
            under_way: None,
            closed: false,
            hurry: None,
            max_waiting: options.max_waiting,
            max_batch: options.max_batch,
            again_after: options.again_after,
            figures: PurgerFigures::default(),
        }
    }

    pub(super) fn tell(&mut self, tags: Vec<Tag>, now: Instant) {
        self.figures.n_told += tags.len() as u64;
        self.add(Batch { tags: tags.into_iter().collect(), all: false, since: Some(now) });
    }

    pub(super) fn tell_all(&mut self, now: Instant) {
        self.add(Batch { all: true, since: Some(now), ..Batch::default() });
    }

    fn add(&mut self, batch: Batch) {
        self.waiting.add(batch);
        if self.waiting.all {
            self.waiting.tags.clear();
        } else if self.waiting.tags.len() > self.max_waiting {
            self.waiting.widen();
            self.figures.n_overflows += 1;
            tracing::warn!(max_waiting = self.max_waiting, "too many tags wait to be purged: everything will be");
        }
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// What would be told once more after the deadline is told at once, until then.
    pub(super) fn hurry(&mut self, deadline: Option<Instant>) {
        self.hurry = deadline;
    }

    pub(super) fn next(&mut self, now: Instant) -> Next {
        let hurry = self.hurry.filter(|deadline| now <= *deadline);
        let is_due = |due: Instant| due <= now || self.closed || hurry.is_some_and(|deadline| due >= deadline);
        // By itself: among others it would be told a third time with them.
        if self.again.front().is_some_and(|(due, _)| is_due(*due))
            && let Some((_, batch)) = self.again.pop_front()
        {
            self.under_way = Some((batch.n_tags(), batch.since));
            return Next::Purge(batch);
        }
        if self.waiting.all {
            self.waiting.tags.clear();
        }
        if self.waiting.n_tags() == 0 {
            return match self.again.front() {
                Some((due, _)) => Next::Wait(Some(*due)),
                None if self.closed => Next::End,
                None => Next::Wait(None),
            };
        }
        let batch = self.waiting.split_off(self.max_batch);
        self.under_way = Some((batch.n_tags(), batch.since));
        Next::Purge(batch)
    }

    /// The batch that was under way is purged.
    pub(super) fn succeeded(&mut self, batch: Batch, now: Instant) {
        self.under_way = None;
        self.figures.n_purges += 1;
        self.figures.n_purges_of_all += u64::from(batch.all);
        let Some(after) = self.again_after.filter(|_| batch.since.is_some()) else { return };
        self.again.push_back((now + after, Batch { since: None, ..batch }));
        let n_again: usize = self.again.iter().map(|(_, batch)| batch.n_tags()).sum();
        if n_again > self.max_waiting {
            // The latest is late enough for all of them.
            self.again.clear();
            self.again.push_back((now + after, Batch { all: true, ..Batch::default() }));
            self.figures.n_overflows += 1;
        }
    }

    /// It is not, and is to be tried again with whatever waits by then.
    pub(super) fn failed(&mut self, batch: Batch) {
        self.under_way = None;
        self.figures.n_failures += 1;
        self.add(batch);
    }

    /// Tags that have a purge before them, be it their second.
    pub(super) fn n_undone(&self) -> usize {
        let again: usize = self.again.iter().map(|(_, batch)| batch.n_tags()).sum();
        self.waiting.n_tags() + self.under_way.map_or(0, |(n_tags, _)| n_tags) + again
    }

    pub(super) fn figures(&self, now: Instant) -> PurgerFigures {
        let (n_under_way, since) = self.under_way.unwrap_or_default();
        let oldest = [self.waiting.since, since].into_iter().flatten().min();
        PurgerFigures {
            n_waiting: self.waiting.n_tags() + n_under_way,
            lag: oldest.map_or(Duration::ZERO, |since| now - since),
            ..self.figures
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(again_after: Duration) -> Queue {
        Queue::new(&PurgerOptions { again_after: Some(again_after), ..PurgerOptions::default() })
    }

    fn names(next: Next) -> (Batch, Vec<String>) {
        let Next::Purge(batch) = next else { panic!("there is something to purge") };
        let tags = batch.tags().unwrap_or_default();
        (batch, tags.iter().map(|tag| tag.as_str().to_owned()).collect())
    }

    #[test]
    fn what_is_told_a_second_time_is_told_by_itself_and_no_third_time() {
        let (start, after) = (Instant::now(), Duration::from_secs(5));
        let mut queue = queue(after);
        queue.tell(vec![Tag::new("old")], start);
        let (batch, told) = names(queue.next(start));
        assert_eq!(told, ["old"]);
        queue.succeeded(batch, start);
        queue.tell(vec![Tag::new("new")], start + after);
        let (batch, told) = names(queue.next(start + after));
        assert_eq!(told, ["old"]);
        queue.succeeded(batch, start + after);
        let (batch, told) = names(queue.next(start + after));
        assert_eq!(told, ["new"]);
        queue.succeeded(batch, start + after);
        assert_eq!(queue.n_undone(), 1, "the second time of the new one");
    }
}
