use std::{fs, path::Path};

use serde_json::Value;

use super::code;
use crate::{failure::Failure, runner::Runner};

/// The workspace as the rules see it.
pub(super) struct Tree {
    pub(super) files: Vec<File>,
    /// What `cargo metadata` says.
    pub(super) metadata: Value,
}

/// A file that may have something to say to a rule.
pub(super) struct File {
    /// From the root of the workspace, with `/`.
    pub(super) path: String,
    /// Empty where it is no text.
    pub(super) text: String,
}

impl Tree {
    pub(super) fn load(runner: &Runner) -> Result<Self, Failure> {
        let mut files = Vec::new();
        walk(runner.root(), "", &mut files)?;
        let output = runner
            .cargo(["metadata", "--format-version", "1", "--all-features"])
            .output()
            .map_err(Failure::io("run cargo metadata"))?;
        if !output.status.success() {
            return Err(Failure::new(format!("cargo metadata failed:\n{}", String::from_utf8_lossy(&output.stderr))));
        }
        let metadata = serde_json::from_slice(&output.stdout).map_err(Failure::new)?;
        Ok(Self { files, metadata })
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    pub(super) fn with_ending<'t>(&'t self, ending: &'t str) -> impl Iterator<Item = &'t File> {
        self.files.iter().filter(move |file| file.path.ends_with(ending))
    }

    /// The packages of the workspace, with the folder of each.
    pub(super) fn packages(&self) -> impl Iterator<Item = (&Value, String)> {
        let root = self.metadata["workspace_root"].as_str().unwrap_or_default();
        let members: Vec<&str> = list(&self.metadata["workspace_members"]).filter_map(Value::as_str).collect();
        list(&self.metadata["packages"])
            .filter(move |package| package["id"].as_str().is_some_and(|id| members.contains(&id)))
            .map(move |package| {
                let manifest = package["manifest_path"].as_str().unwrap_or_default();
                let manifest = manifest.strip_prefix(root).unwrap_or(manifest).trim_start_matches('/');
                (package, manifest.strip_suffix("/Cargo.toml").unwrap_or_default().to_owned())
            })
    }
}

impl File {
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The lines of a source without its comments and what its strings say, numbered from 1.
    pub(super) fn code_lines(&self) -> Vec<(usize, String)> {
        let code = code::without_words(&self.text);
        code.lines().enumerate().map(|(index, line)| (index + 1, line.to_owned())).collect()
    }
}

pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<File>) -> Result<(), Failure> {
    let read = |error| Failure::io(format!("read {}", folder.display()))(error);
    let mut entries = fs::read_dir(folder).map_err(read)?.collect::<Result<Vec<_>, _>>().map_err(read)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().map_err(read)?;
        if kind.is_dir() && name != "target" && name != ".git" {
            walk(&entry.path(), &format!("{path}/"), files)?;
        } else if kind.is_file() {
            // Most of what is no text is data, and none of the rules' business.
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            files.push(File { path, text });
        }
    }
    Ok(())
}

#[cfg(test)]
impl Tree {
    /// A tree of these files and no packages.
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |&(path, text): &(&str, &str)| File { path: path.to_owned(), text: text.to_owned() };
        Self { files: files.iter().map(file).collect(), metadata: Value::Null }
    }

    /// A tree of packages: name, folder, and the lines that `cargo metadata` has for its dependencies.
    pub(super) fn of_packages(packages: &[(&str, &str, Value)]) -> Self {
        let described: Vec<Value> = packages
            .iter()
            .map(|(name, folder, dependencies)| {
                let manifest = format!("/root/{folder}/Cargo.toml");
                serde_json::json!({ "id": name, "name": name, "manifest_path": manifest, "dependencies": dependencies })
            })
            .collect();
        let nodes: Vec<Value> = packages
            .iter()
            .map(|(name, _, dependencies)| {
                let deps: Vec<Value> = list(dependencies)
                    .map(|dependency| {
                        let kinds = serde_json::json!([{ "kind": dependency["kind"] }]);
                        serde_json::json!({ "pkg": dependency["name"], "dep_kinds": kinds })
                    })
                    .collect();
                serde_json::json!({ "id": name, "deps": deps })
            })
            .collect();
        let members: Vec<&str> =
            packages.iter().filter(|(_, folder, _)| !folder.is_empty()).map(|(name, ..)| *name).collect();
        let metadata = serde_json::json!({
            "packages": described,
            "workspace_members": members,
            "workspace_root": "/root",
            "resolve": { "nodes": nodes },
        });
        Self { files: Vec::new(), metadata }
    }
}
