//! What the workers said, kept for whoever has to find out why a run went wrong.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use crate::Result;

/// A piece of the history is so long; the last two are kept.
const PIECE: u64 = 64 << 20;

/// Files of lines in a folder of their own, of which only the newest are there.
#[derive(Debug)]
pub(crate) struct History {
    folder: PathBuf,
    file: BufWriter<File>,
    n_bytes: u64,
    n_pieces: u64,
}

impl History {
    /// A history in a new folder.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), file: open(folder, 0)?, n_bytes: 0, n_pieces: 1 })
    }

    /// A file beside the history.
    pub(crate) fn file(&self, name: &str) -> Result<File> {
        Ok(File::options().create(true).append(true).open(self.folder.join(name))?)
    }

    pub(crate) fn line(&mut self, line: &str) -> Result<()> {
        self.n_bytes += line.len() as u64 + 1;
        writeln!(self.file, "{line}")?;
        if self.n_bytes >= PIECE {
            self.file = open(&self.folder, self.n_pieces)?;
            self.n_bytes = 0;
            self.n_pieces += 1;
        }
        Ok(())
    }

    /// Writes a report beside the history, and says where.
    pub(crate) fn keep(mut self, report: &str) -> Result<PathBuf> {
        self.file.flush()?;
        fs::write(self.folder.join("report.txt"), report)?;
        Ok(self.folder)
    }

    /// Forgets it all.
    pub(crate) fn forget(self) -> Result<()> {
        Ok(fs::remove_dir_all(&self.folder)?)
    }
}

fn open(folder: &Path, piece: u64) -> Result<BufWriter<File>> {
    Ok(BufWriter::new(File::create(folder.join(format!("history-{}.txt", piece % 2)))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_pieces_are_kept() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("run");
        let mut history = History::new(&folder).unwrap();
        for letter in ["a", "b", "c"] {
            history.line(&letter.repeat(usize::try_from(PIECE).unwrap())).unwrap();
        }
        history.line("end").unwrap();
        assert_eq!(history.keep("why").unwrap(), folder);
        let starts = |piece: u64| fs::read(folder.join(format!("history-{piece}.txt"))).unwrap()[0];
        assert_eq!([starts(0), starts(1)], [b'c', b'e']);
        assert_eq!(fs::read_to_string(folder.join("report.txt")).unwrap(), "why");
    }

    #[test]
    fn a_history_that_nobody_needs_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("run");
        let mut history = History::new(&folder).unwrap();
        history.line("x").unwrap();
        history.forget().unwrap();
        assert!(!folder.exists());
    }
}
