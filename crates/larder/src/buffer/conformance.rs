//! What every implementation of [`Buffer`] must do, as tests (feature `conformance`).
//!
//! Each property is a function whose name is its claim; it panics when a buffer breaks it. They need a buffer without entries each. In a
//! test crate, one line makes a test of each:
//!
//! ```
//! # #![allow(dead_code, reason = "the tests are not run here")]
//! use larder::buffer::MemoryBuffer;
//!
//! larder::buffer_conformance_tests!(|| MemoryBuffer::new("test"));
//! ```
//!
//! What the suite can't see from outside is the implementation's own to test: what a crash of the server loses, and time-outs.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant},
};

use super::{Appended, Buffer, Bytes, ENTRY_BYTES, EntryId, Size};

/// More than any test adds.
const MANY: Size = Size { n_entries: 1 << 40, n_bytes: 1 << 50 };

/// Makes one `#[test]` of each property in [`buffer::conformance`](crate::buffer::conformance).
///
/// Takes a path to, or a closure that is, a function which makes a buffer with no entries in it.
#[macro_export]
macro_rules! buffer_conformance_tests {
    ($fresh:expr) => {
        $crate::buffer_conformance_tests! { @tests ($fresh)
            an_empty_buffer_has_nothing,
            entries_come_in_the_order_in_which_they_were_added,
            what_was_read_stays_until_it_is_removed,
            a_page_goes_on_behind_the_one_before,
            what_was_removed_is_gone_and_the_rest_stays,
            removing_what_is_not_there_changes_nothing,
            what_was_removed_gives_its_place_to_nobody,
            a_full_buffer_takes_nothing,
            a_buffer_is_full_by_its_bytes_too,
            the_bytes_of_what_was_removed_are_room,
            entries_are_added_all_or_none,
            entries_may_be_any_bytes,
            the_backlog_tells_what_waits,
            threads_lose_nothing_and_leave_nothing_out,
        }
    };
    (@tests ($fresh:expr) $($claim:ident,)+) => {
        $(
            #[test]
            fn $claim() {
                $crate::buffer::conformance::$claim(&($fresh)());
            }
        )+
    };
}

fn entry(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn add(buffer: &impl Buffer, texts: &[&str]) {
    let entries: Vec<Bytes> = texts.iter().map(|text| entry(text)).collect();
    let added = buffer.append(&entries, MANY).expect("entries are added");
    assert!(matches!(added, Appended::All { .. }), "there is room: {added:?}");
}

fn read(buffer: &impl Buffer, n: usize, after: Option<EntryId>) -> Vec<(EntryId, Bytes)> {
    let entries = buffer.read(n, after).expect("entries are read");
    entries.into_iter().map(|entry| (entry.id, entry.bytes)).collect()
}

fn texts(buffer: &impl Buffer, n: usize) -> Vec<Bytes> {
    read(buffer, n, None).into_iter().map(|(_, bytes)| bytes).collect()
}

/// Nothing waits, and nothing is read.
#[track_caller]
pub fn an_empty_buffer_has_nothing(buffer: &impl Buffer) {
    assert_eq!(texts(buffer, 10), [""; 0]);
    let backlog = buffer.backlog().expect("the backlog is told");
    assert_eq!((backlog.size, backlog.oldest, backlog.newest), (Size::default(), None, None));
    assert_eq!(buffer.append(&[], MANY).expect("nothing is added"), Appended::All(Size::default()));
}

/// Those of one call, and those of one call after another.
#[track_caller]
pub fn entries_come_in_the_order_in_which_they_were_added(buffer: &impl Buffer) {
    add(buffer, &["a", "b"]);
    add(buffer, &["c"]);
    add(buffer, &["d", "e"]);
    let read = read(buffer, 10, None);
    assert_eq!(read.iter().map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
    assert!(read.is_sorted_by(|(one, _), (other, _)| one.place < other.place), "{read:?}");
}

/// Whoever reads next is given the same.
#[track_caller]
pub fn what_was_read_stays_until_it_is_removed(buffer: &impl Buffer) {
    add(buffer, &["a", "b", "c"]);
    let first = read(buffer, 2, None);
    assert_eq!(first.len(), 2);
    assert_eq!(read(buffer, 2, None), first);
    assert_eq!(texts(buffer, 10), ["a", "b", "c"]);
}

/// Nothing is left out between two pages, and nothing comes twice.
#[track_caller]
pub fn a_page_goes_on_behind_the_one_before(buffer: &impl Buffer) {
    let names: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    names.iter().for_each(|name| add(buffer, &[name]));
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = read(buffer, 3, after);
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        all.extend(page.into_iter().map(|(_, bytes)| bytes));
    }
    assert_eq!(all, names);
}

/// From the front, and from the middle.
#[track_caller]
pub fn what_was_removed_is_gone_and_the_rest_stays(buffer: &impl Buffer) {
    add(buffer, &["a", "b", "c", "d"]);
    let ids: Vec<EntryId> = read(buffer, 10, None).into_iter().map(|(id, _)| id).collect();
    buffer.remove(&[ids[0], ids[2]]).expect("entries are removed");
    assert_eq!(texts(buffer, 10), ["b", "d"]);
    assert_eq!(buffer.backlog().expect("the backlog is told").size.n_entries, 2);
}

/// It may have been removed already, by somebody who did not live to hear of it.
#[track_caller]
pub fn removing_what_is_not_there_changes_nothing(buffer: &impl Buffer) {
    add(buffer, &["a", "b"]);
    let ids: Vec<EntryId> = read(buffer, 10, None).into_iter().map(|(id, _)| id).collect();
    for _ in 0..2 {
        buffer.remove(&ids[..1]).expect("entries are removed");
        assert_eq!(texts(buffer, 10), ["b"]);
    }
    buffer.remove(&[]).expect("nothing is removed");
    assert_eq!(texts(buffer, 10), ["b"]);
}

/// Not even the place of the last one, when nothing else is left.
#[track_caller]
pub fn what_was_removed_gives_its_place_to_nobody(buffer: &impl Buffer) {
    add(buffer, &["a"]);
    let (first, _) = read(buffer, 1, None)[0];
    buffer.remove(&[first]).expect("entries are removed");
    add(buffer, &["b"]);
    let (second, _) = read(buffer, 1, None)[0];
    assert!(second.place > first.place, "{first:?}, {second:?}");
    buffer.remove(&[first]).expect("entries are removed");
    assert_eq!(texts(buffer, 10), ["b"]);
}

/// It says how many there are, and has room again when some are removed.
#[track_caller]
pub fn a_full_buffer_takes_nothing(buffer: &impl Buffer) {
    let at_most = Size { n_entries: 2, ..MANY };
    let append = |text: &str| buffer.append(&[entry(text)], at_most).expect("the buffer answers");
    assert_eq!(append("a"), Appended::All(size(1, 1)));
    assert_eq!(append("b"), Appended::All(size(2, 2)));
    assert_eq!(append("c"), Appended::Full(size(2, 2)));
    assert_eq!(texts(buffer, 10), ["a", "b"], "nothing was trimmed for it, either");
    let (first, _) = read(buffer, 1, None)[0];
    buffer.remove(&[first]).expect("entries are removed");
    assert_eq!(append("d"), Appended::All(size(2, 2)));
    assert_eq!(texts(buffer, 10), ["b", "d"]);
}

/// Those of the entries that wait, each with what it costs itself, and no other ones.
#[track_caller]
pub fn a_buffer_is_full_by_its_bytes_too(buffer: &impl Buffer) {
    let at_most = Size { n_bytes: size(2, 100).n_bytes, ..MANY };
    let append = |n: usize| buffer.append(&[Bytes::from(vec![b'x'; n])], at_most).expect("the buffer answers");
    assert_eq!(append(101 + usize::try_from(ENTRY_BYTES).unwrap_or(0)), Appended::Full(Size::default()), "never fits");
    assert_eq!(append(70), Appended::All(size(1, 70)));
    assert_eq!(append(31), Appended::Full(size(1, 70)));
    assert_eq!(append(30), Appended::All(size(2, 100)));
    assert_eq!(append(0), Appended::Full(size(2, 100)));
    let (first, _) = read(buffer, 1, None)[0];
    buffer.remove(&[first]).expect("entries are removed");
    assert_eq!(append(71), Appended::Full(size(1, 30)));
    assert_eq!(append(70), Appended::All(size(2, 100)));
    assert_eq!(buffer.backlog().expect("the backlog is told").size, size(2, 100));
}

/// However much has gone through it, in whatever sizes.
#[track_caller]
pub fn the_bytes_of_what_was_removed_are_room(buffer: &impl Buffer) {
    for round in 0..50_usize {
        let entries: Vec<Bytes> = (0..5).map(|n| Bytes::from(vec![b'x'; (round * 37 + n * 91) % 500])).collect();
        let expected = Size::of(&entries);
        assert_eq!(buffer.append(&entries, expected).expect("the buffer answers"), Appended::All(expected));
        assert_eq!(buffer.backlog().expect("the backlog is told").size, expected);
        let ids: Vec<EntryId> = read(buffer, 10, None).into_iter().map(|(id, _)| id).collect();
        // From the front, the middle and the end, and some of them twice.
        let (first, rest): (Vec<usize>, Vec<usize>) = (0..5).partition(|n| (round >> n) & 1 == 1);
        let ids_of = |places: &[usize]| places.iter().map(|n| ids[*n]).collect::<Vec<_>>();
        for _ in 0..2 {
            buffer.remove(&ids_of(&first)).expect("entries are removed");
        }
        let left = Size::of(&rest.iter().map(|n| entries[*n].clone()).collect::<Vec<_>>());
        assert_eq!(buffer.backlog().expect("the backlog is told").size, left);
        assert_eq!(buffer.append(&[], MANY).expect("nothing is added"), Appended::All(left));
        buffer.remove(&ids_of(&rest)).expect("entries are removed");
    }
}

fn size(n_entries: u64, n_bytes: u64) -> Size {
    Size { n_entries, n_bytes: n_bytes + n_entries * ENTRY_BYTES }
}

/// Where there is room for some of them only, none is.
#[track_caller]
pub fn entries_are_added_all_or_none(buffer: &impl Buffer) {
    add(buffer, &["a"]);
    let three: Vec<Bytes> = ["b", "c", "d"].map(entry).to_vec();
    let append = |n_entries| buffer.append(&three, Size { n_entries, ..MANY }).expect("the buffer answers");
    assert_eq!(append(3), Appended::Full(size(1, 1)));
    assert_eq!(texts(buffer, 10), ["a"]);
    assert_eq!(append(4), Appended::All(size(4, 4)));
    assert_eq!(texts(buffer, 10), ["a", "b", "c", "d"]);
}

/// Empty, long, and those that mean something elsewhere.
#[track_caller]
pub fn entries_may_be_any_bytes(buffer: &impl Buffer) {
    let entries = [Bytes::new(), Bytes::from(vec![0; 100_000]), Bytes::from_static(b"\r\n*1\r\n\xff\0")];
    buffer.append(&entries, MANY).expect("entries are added");
    assert_eq!(texts(buffer, 10), entries);
}

/// How many, since when, and up to where.
#[track_caller]
pub fn the_backlog_tells_what_waits(buffer: &impl Buffer) {
    let before = Instant::now();
    add(buffer, &["a", "b", "c"]);
    let backlog = buffer.backlog().expect("the backlog is told");
    let last = read(buffer, 10, None).last().map(|(id, _)| *id);
    assert_eq!((backlog.size, backlog.newest), (size(3, 3), last));
    let waited = |oldest: Option<Duration>| oldest.expect("something waits");
    // Clocks may be as coarse as a millisecond.
    assert!(waited(backlog.oldest) <= before.elapsed() + Duration::from_millis(2), "{backlog:?}");
    let entry = buffer.read(1, None).expect("entries are read").remove(0);
    assert!(entry.waited <= before.elapsed() + Duration::from_millis(2), "{entry:?}");
    assert!(entry.waited + Duration::from_millis(2) >= waited(backlog.oldest), "{entry:?}, {backlog:?}");
}

/// Each entry comes once, those of one thread in its order; and whoever was given one has been given all before it.
#[track_caller]
pub fn threads_lose_nothing_and_leave_nothing_out(buffer: &impl Buffer) {
    const THREADS: usize = 4;
    const EACH: usize = 200;
    let taken: Vec<String> = thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || (0..EACH).for_each(|n| add(buffer, &[&format!("{thread} {n}")])));
        }
        let mut taken = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(60);
        while taken.len() < THREADS * EACH {
            assert!(Instant::now() < deadline, "only {} entries have come", taken.len());
            let page = read(buffer, 7, None);
            buffer.remove(&page.iter().map(|(id, _)| *id).collect::<Vec<_>>()).expect("entries are removed");
            taken.extend(page.into_iter().map(|(_, bytes)| String::from_utf8_lossy(&bytes).into_owned()));
        }
        taken
    });
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), THREADS * EACH, "each comes once");
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    for (thread, n) in taken.iter().filter_map(|text| text.split_once(' ')) {
        let expected = next.entry(thread).or_default();
        assert_eq!(n.parse(), Ok(*expected), "the entries of thread {thread} keep their order");
        *expected += 1;
    }
}

#[cfg(test)]
mod tests {
    use crate::buffer::MemoryBuffer;

    crate::buffer_conformance_tests!(|| MemoryBuffer::new("test"));
}
