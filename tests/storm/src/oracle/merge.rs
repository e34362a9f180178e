//! The threads of all workers, put in the order of time.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    clock::Moment,
    record::{Event, Record},
};

/// Gives records in the order of the moments at which they were over, holding back what an earlier one may still come before.
#[derive(Debug, Default)]
pub(super) struct Merge {
    streams: BTreeMap<u64, Stream>,
}

#[derive(Debug)]
struct Stream {
    waiting: VecDeque<Record>,
    /// The begin of the last operation that was given: none that is still to come began earlier.
    began: Moment,
}

impl Merge {
    /// A thread that is started now; its first operation begins later.
    pub(super) fn start(&mut self, thread: u64, at: Moment) {
        self.streams.insert(thread, Stream { waiting: VecDeque::new(), began: at });
    }

    pub(super) fn push(&mut self, thread: u64, record: Record) {
        if let Some(stream) = self.streams.get_mut(&thread) {
            stream.waiting.push_back(record);
        }
    }

    /// The next record of all: `None` as long as a thread that has not ended may have an earlier one.
    pub(super) fn next(&mut self) -> Option<(u64, Record)> {
        let mut first: Option<(Moment, u64)> = None;
        for (thread, stream) in &self.streams {
            let at = stream.waiting.front()?.at;
            if first.is_none_or(|(earliest, _)| at < earliest) {
                first = Some((at, *thread));
            }
        }
        let (_, thread) = first?;
        let stream = self.streams.get_mut(&thread)?;
        let record = stream.waiting.pop_front()?;
        match record.event {
            Event::Ended => {
                self.streams.remove(&thread);
            }
            Event::Wrote { began, .. } | Event::Read { began, .. } | Event::ReadFailed { began, .. } => {
                stream.began = began
            }
            Event::Announced(_) | Event::Quiet => {}
        }
        Some((thread, record))
    }

    /// Whether none of these threads is still there.
    pub(super) fn is_last_of(&self, is_meant: impl Fn(u64) -> bool) -> bool {
        !self.streams.keys().any(|thread| is_meant(*thread))
    }

    /// No record that is still to come is of an operation that began before this.
    pub(super) fn watermark(&self) -> Moment {
        self.streams.values().map(|stream| stream.began).min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Layer;

    fn read(began: Moment, at: Moment) -> Record {
        Record { thread: 0, at, event: Event::ReadFailed { began, from: Layer::Shared, why: String::new() } }
    }

    fn given(merge: &mut Merge) -> Vec<(u64, Moment)> {
        std::iter::from_fn(|| merge.next()).map(|(thread, record)| (thread, record.at)).collect()
    }

    #[test]
    fn records_come_in_the_order_of_time_and_not_before_it_is_certain() {
        let mut merge = Merge::default();
        merge.start(1, 0);
        merge.start(2, 0);
        merge.push(1, read(1, 10));
        merge.push(1, read(10, 30));
        assert_eq!(given(&mut merge), [], "the other thread may have an earlier one");
        merge.push(2, read(2, 20));
        assert_eq!(given(&mut merge), [(1, 10), (2, 20)]);
        assert_eq!(merge.watermark(), 1);
        merge.push(2, Record { thread: 0, at: 25, event: Event::Ended });
        assert_eq!(given(&mut merge), [(2, 25), (1, 30)], "nobody waits for one that has ended");
        assert_eq!(merge.watermark(), 10);
    }
}
