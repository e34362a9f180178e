use super::{finding::Finding, tree::Tree};

/// Lints, version, edition, toolchain and licence are the workspace's.
pub(super) fn shared_settings_are_inherited(tree: &Tree) -> Vec<Finding> {
    const PACKAGE: [&str; 4] = [
        "version.workspace = true",
        "edition.workspace = true",
        "rust-version.workspace = true",
        "license.workspace = true",
    ];
    let mut findings = Vec::new();
    for file in tree.with_ending("/Cargo.toml") {
        let expected = PACKAGE.map(|line| ("package", line)).into_iter().chain([("lints", "workspace = true")]);
        for (section, line) in expected.filter(|(section, line)| !section_has(&file.text, section, line)) {
            findings.push(Finding::error(&file.path, 1, format!("[{section}] lacks `{line}`")));
        }
    }
    findings
}

fn section_has(manifest: &str, section: &str, wanted: &str) -> bool {
    let header = format!("[{section}]");
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != header).skip(1);
    lines.by_ref().take_while(|line| !line.starts_with('[')).any(|line| line == wanted)
}

/// Both licences are there, whole.
pub(super) fn licences_are_there(tree: &Tree) -> Vec<Finding> {
    let licences = [
        ("LICENSE-MIT", "Permission is hereby granted, free of charge", "OTHER DEALINGS"),
        ("LICENSE-APACHE", "Version 2.0, January 2004", "END OF TERMS AND CONDITIONS"),
    ];
    licences
        .iter()
        .filter_map(|(path, start, end)| {
            let message = match tree.file(path) {
                None => "it is missing, and every crate says that it is licensed by it",
                Some(file) if !file.text.contains(start) || !file.text.contains(end) => "it is not the whole licence",
                Some(_) => return None,
            };
            Some(Finding::error(path, 1, message))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[package]\nname = \"a\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\n\n[dependencies]\n\n[lints]\nworkspace = true\n";

    #[test]
    fn a_crate_that_goes_its_own_way_is_found() {
        let lax = MANIFEST.replace("[lints]\nworkspace = true\n", "[lints.rust]\nworkspace = true\n");
        let old = MANIFEST.replace("edition.workspace = true", "edition = \"2021\"");
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace]\n"),
            ("crates/a/Cargo.toml", MANIFEST),
            ("crates/lax/Cargo.toml", &lax),
            ("crates/old/Cargo.toml", &old),
        ]);
        let found: Vec<String> = shared_settings_are_inherited(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("crates/lax/Cargo.toml:1: [lints] lacks"), "{found:?}");
        assert!(found[1].contains("crates/old/Cargo.toml:1: [package] lacks `edition"), "{found:?}");
    }

    #[test]
    fn a_missing_or_cut_licence_is_found() {
        let tree = Tree::of(&[("LICENSE-APACHE", "Version 2.0, January 2004")]);
        let found: Vec<String> = licences_are_there(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("missing") && found[1].contains("not the whole"), "{found:?}");
    }
}
