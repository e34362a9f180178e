//! What the comment of a table tells that was a partition.

use std::path::{Path, PathBuf};

use super::archive::Archived;

/// What the comment of a table begins with that was a partition and is to be emptied from the caches, archived and dropped.
pub(super) const MARK: &str = "larder: was a partition of ";

/// What its second line begins with, as soon as it is archived.
const ARCHIVED: &str = "larder: archived ";

/// A comment with a mark, and without what a mark before it told of an archive.
pub(super) fn marked(parent: &str, comment: &str) -> String {
    lines([Some(&format!("{MARK}{parent}")), unmarked(comment)])
}

/// A comment that has a mark, with what is archived.
pub(super) fn archived(comment: &str, archived: &Archived) -> Option<String> {
    let (mark, path) = (comment.lines().next()?, archived.path.to_str().filter(|path| !path.contains(['\n', '\r']))?);
    let of_archive = format!("{ARCHIVED}{} rows to {path}", archived.n_rows);
    Some(lines([Some(mark), Some(&of_archive), unmarked(comment)]))
}

/// What was archived, as the comment has it: of a file in that folder.
pub(super) fn archive_of(comment: &str, folder: &Path) -> Option<Archived> {
    let (n_rows, path) = comment.lines().nth(1)?.strip_prefix(ARCHIVED)?.split_once(" rows to ")?;
    let (n_rows, path) = (n_rows.parse().ok()?, PathBuf::from(path));
    (path.parent() == Some(folder)).then_some(Archived { path, n_rows })
}

/// The comment that the table had before: `None` if it had none.
pub(super) fn unmarked(comment: &str) -> Option<&str> {
    let mut rest = Some(comment).filter(|comment| !comment.is_empty());
    for mark in [MARK, ARCHIVED] {
        if let Some(marked) = rest.filter(|rest| rest.starts_with(mark)) {
            rest = marked.split_once('\n').map(|(_, rest)| rest);
        }
    }
    rest
}

fn lines<const N: usize>(lines: [Option<&str>; N]) -> String {
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_and_an_archive_leave_the_comment_as_it_was() {
        let written = Archived { path: "/archive/public.orders_p20240101.csv".into(), n_rows: 7 };
        for comment in ["", "of ours", "of ours\nand more"] {
            let before = Some(comment).filter(|comment| !comment.is_empty());
            let mark = marked("public.orders", comment);
            assert!(mark.starts_with("larder: was a partition of public.orders"), "{mark}");
            assert_eq!(unmarked(&mark), before);
            let both = archived(&mark, &written).unwrap();
            assert_eq!(both.lines().next(), mark.lines().next());
            assert_eq!(unmarked(&both), before);
            let read = archive_of(&both, Path::new("/archive")).unwrap();
            assert_eq!((read.path, read.n_rows), (written.path.clone(), 7));
            // It is told of twice, and not twice.
            assert_eq!(archived(&both, &written).unwrap(), both);
            // Attached again and detached, it may have other rows.
            assert_eq!(marked("public.orders", &both), mark);
            assert!(archive_of(&both, Path::new("/elsewhere")).is_none());
            assert!(archive_of(&mark, Path::new("/archive")).is_none());
        }
    }
}
