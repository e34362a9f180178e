//! Files, which are written whole or not at all.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::write::File;
use crate::complaint::Complaint;

/// What a file is called until all of them are there.
const UNFINISHED: &str = "larder-unfinished";

/// Where each file goes.
pub(super) fn paths(out: &Path, files: &[File]) -> Result<Vec<(PathBuf, String)>, Complaint> {
    let name = out.file_name().and_then(|name| name.to_str());
    if name.is_none_or(|name| syn::parse_str::<syn::Ident>(name).is_err()) {
        let out = out.display();
        return Err(Complaint::from(format!("--out takes a folder that is called as a module, not {out}")));
    }
    let path = |file: &File| match &file.module {
        None => out.with_extension("rs"),
        Some(module) => out.join(module).with_extension("rs"),
    };
    Ok(files.iter().map(|file| (path(file), file.text.clone())).collect())
}

/// Writes all files, or none if one of them is there and may not be replaced.
pub(super) fn write(files: &[(PathBuf, String)], overwrites: bool) -> Result<(), Complaint> {
    let there = files.iter().map(|(path, _)| path).find(|path| path.symlink_metadata().is_ok());
    if let (Some(path), false) = (there, overwrites) {
        return Err(Complaint::from(format!(
            "{} is there already, and nothing was written: give --overwrite to replace it, or another --out",
            path.display()
        )));
    }
    let done = prepare(files).and_then(|()| {
        files.iter().try_for_each(|(path, _)| fs::rename(unfinished(path), path).map_err(|error| (path.clone(), error)))
    });
    done.map_err(|(path, error)| {
        for (path, _) in files {
            // Those that were never begun are not there.
            let _ = fs::remove_file(unfinished(path));
        }
        Complaint::at(&path, &error)
    })
}

fn prepare(files: &[(PathBuf, String)]) -> Result<(), (PathBuf, io::Error)> {
    for (path, text) in files {
        let folder = path.parent().unwrap_or(Path::new(""));
        fs::create_dir_all(folder).map_err(|error| (folder.to_owned(), error))?;
        fs::write(unfinished(path), text).map_err(|error| (path.clone(), error))?;
    }
    Ok(())
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_extension(UNFINISHED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_is_there_is_not_replaced_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["a.rs", "b.rs"].map(|name| (folder.path().join(name), format!("// {name}")));
        fs::write(folder.path().join("b.rs"), "mine").unwrap();
        let complaint = write(&files, false).unwrap_err().to_string();
        assert!(complaint.contains("b.rs is there already"), "{complaint}");
        assert_eq!(listed(folder.path()), ["b.rs"]);
        write(&files, true).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("b.rs")).unwrap(), "// b.rs");
        assert_eq!(listed(folder.path()), ["a.rs", "b.rs"]);
    }

    #[test]
    fn a_file_that_can_not_be_written_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        // A folder can't be below a file.
        fs::write(folder.path().join("file"), "").unwrap();
        let files = ["a.rs", "file/b.rs"].map(|name| (folder.path().join(name), String::new()));
        assert!(write(&files, false).is_err());
        assert_eq!(listed(folder.path()), ["file"]);
    }

    #[test]
    fn a_folder_is_called_as_a_module() {
        for (out, is_module) in [("src/models", true), ("models", true), ("src/my-models", false), ("..", false)] {
            assert_eq!(paths(Path::new(out), &[]).is_ok(), is_module, "{out}");
        }
    }
}
