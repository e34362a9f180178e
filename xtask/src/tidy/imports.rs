use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    finding::Finding,
    tree::{Tree, list},
};

/// What a package of the workspace may depend on. It is the table of docs/architecture.md.
struct Room {
    package: &'static str,
    /// The dependencies that it may declare, those for tests aside; `None` for all.
    may: Option<&'static [&'static str]>,
    /// What it may not reach, by way of others either.
    never: &'static [&'static str],
}

const ROOMS: &[Room] = &[
    Room {
        package: "larder-derive",
        may: Some(&["darling", "proc-macro2", "quote", "syn"]),
        never: &["larder", "diesel", "redis"],
    },
    Room {
        package: "larder",
        may: Some(&[
            "base64",
            "bigdecimal",
            "bytes",
            "chrono",
            "diesel",
            "getrandom",
            "hmac",
            "ipnet",
            "larder-derive",
            "metrics",
            "postcard",
            "quanta",
            "quick_cache",
            "r2d2",
            "rmp-serde",
            "rustix",
            "serde",
            "serde_json",
            "sha2",
            "smallvec",
            "thiserror",
            "tokio",
            "tracing",
            "uuid",
        ]),
        never: &["redis", "larder-redis", "shop-core"],
    },
    // It reaches Diesel through larder, and may not name it.
    Room {
        package: "larder-redis",
        may: Some(&[
            "async-trait",
            "bytes",
            "getrandom",
            "larder",
            "larder-http",
            "r2d2",
            "redis",
            "rmp-serde",
            "rustls",
            "rustls-native-certs",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "tower-sessions-core",
            "tracing",
        ]),
        never: &["shop-core"],
    },
    // It is told versions and tags, and not what they are of.
    Room {
        package: "larder-http",
        may: Some(&[
            "base64",
            "bytes",
            "futures-core",
            "http",
            "http-body",
            "http-body-util",
            "httpdate",
            "hyper",
            "hyper-util",
            "larder",
            "pin-project-lite",
            "postcard",
            "serde",
            "sha2",
            "thiserror",
            "tokio",
            "tower-layer",
            "tower-service",
            "tracing",
        ]),
        never: &["redis", "larder-redis", "shop-core"],
    },
    // It is told of models, and knows none.
    Room {
        package: "larder-cli",
        may: Some(&["diesel", "larder", "larder-redis", "lexopt", "serde_json", "signal-hook", "syn", "thiserror"]),
        never: &["shop-core"],
    },
    Room {
        package: "larder-wal",
        may: Some(&[
            "bytes",
            "diesel",
            "larder",
            "percent-encoding",
            "pgwire-replication",
            "serde_json",
            "thiserror",
            "tokio",
            "tracing",
            "url",
        ]),
        never: &["redis", "larder-redis", "shop-core"],
    },
    Room {
        package: "shop-core",
        may: Some(&["bigdecimal", "chrono", "diesel", "diesel_migrations", "larder", "serde", "uuid"]),
        never: &["redis", "larder-redis"],
    },
    // The chores have to build when larder does not.
    Room { package: "xtask", may: None, never: &["larder", "diesel", "redis"] },
    // The model says what the code should do, and must not do what the code does.
    Room { package: "model", may: Some(&["lexopt"]), never: &["larder", "diesel", "redis"] },
    Room { package: "servers", may: None, never: &["larder", "diesel", "redis"] },
];

/// Every crate stays within its row, and every crate has one.
pub(super) fn only_what_the_table_allows(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (package, folder) in tree.packages() {
        let name = package["name"].as_str().unwrap_or_default();
        let manifest = format!("{folder}/Cargo.toml");
        let Some(room) = ROOMS.iter().find(|room| room.package == name) else {
            if folder.starts_with("crates/") {
                let message =
                    format!("{name} has no row in the import table: add it, here and in docs/architecture.md");
                findings.push(Finding::error(&manifest, 1, message));
            }
            continue;
        };
        let Some(may) = room.may else { continue };
        for dependency in list(&package["dependencies"]).filter(|dependency| dependency["kind"] != "dev") {
            let other = dependency["name"].as_str().unwrap_or_default();
            if !may.contains(&other) {
                let message = format!("{name} may not import {other}; a new need belongs into the import table first");
                findings.push(Finding::error(&manifest, 1, message));
            }
        }
    }
    findings
}

/// What a crate must never know, it does not know by way of others either.
pub(super) fn nothing_forbidden_by_way_of_others(tree: &Tree) -> Vec<Finding> {
    let names: BTreeMap<&str, &str> = list(&tree.metadata["packages"])
        .filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?)))
        .collect();
    let edges: BTreeMap<&str, Vec<&str>> = list(&tree.metadata["resolve"]["nodes"])
        .filter_map(|node| Some((node["id"].as_str()?, list(&node["deps"]).filter_map(shipped).collect())))
        .collect();
    let mut findings = Vec::new();
    for (package, folder) in tree.packages() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(room) = ROOMS.iter().find(|room| room.package == name) else { continue };
        let reached = reach(package["id"].as_str().unwrap_or_default(), &edges);
        for id in reached {
            let other = names.get(id).copied().unwrap_or_default();
            if room.never.contains(&other) {
                let message =
                    format!("{name} must never know {other}: `cargo tree -p {name} -i {other}` shows how it does");
                findings.push(Finding::error(&format!("{folder}/Cargo.toml"), 1, message));
            }
        }
    }
    findings
}

/// The package at the end of an edge, unless only tests use it.
fn shipped(edge: &Value) -> Option<&str> {
    let is_shipped = list(&edge["dep_kinds"]).any(|kind| kind["kind"] != "dev");
    edge["pkg"].as_str().filter(|_| is_shipped)
}

fn reach<'m>(start: &'m str, edges: &BTreeMap<&'m str, Vec<&'m str>>) -> BTreeSet<&'m str> {
    let (mut reached, mut waiting) = (BTreeSet::new(), vec![start]);
    while let Some(id) = waiting.pop() {
        for &next in edges.get(id).into_iter().flatten() {
            if reached.insert(next) {
                waiting.push(next);
            }
        }
    }
    reached
}

/// larder and its derive are one thing in two crates: generated code fits one version only.
pub(super) fn derive_is_pinned(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (package, folder) in tree.packages().filter(|(package, _)| package["name"] == "larder") {
        for dependency in list(&package["dependencies"]).filter(|dependency| dependency["name"] == "larder-derive") {
            if !dependency["req"].as_str().is_some_and(|requirement| requirement.starts_with('=')) {
                let message = "larder takes larder-derive at exactly its own version: `=`";
                findings.push(Finding::error(&format!("{folder}/Cargo.toml"), 1, message));
            }
        }
    }
    findings
}

/// Only generated code names larder's private paths.
pub(super) fn private_paths_stay_private(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let outside = ["examples/", "tests/", "crates/shop-core/", "crates/larder-redis/"];
    for file in tree.with_ending(".rs").filter(|file| outside.iter().any(|folder| file.path.starts_with(folder))) {
        for (line, _) in file.code_lines().iter().filter(|(_, code)| code.contains("__private")) {
            findings.push(Finding::error(&file.path, *line, "use larder's public doors; __private may change any day"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn on(name: &str) -> Value {
        json!({ "name": name, "kind": null, "req": "^1" })
    }

    fn for_tests(name: &str) -> Value {
        json!({ "name": name, "kind": "dev", "req": "^1" })
    }

    #[test]
    fn a_dependency_outside_the_table_is_found() {
        let tree =
            Tree::of_packages(&[("larder", "crates/larder", json!([on("diesel"), on("redis"), for_tests("insta")]))]);
        let findings = only_what_the_table_allows(&tree);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].to_string().starts_with("error: crates/larder/Cargo.toml:1: larder may not import redis"));
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        let tree = Tree::of_packages(&[
            ("larder-nonesuch", "crates/larder-nonesuch", json!([])),
            ("shop", "examples/shop", json!([])),
        ]);
        assert_eq!(only_what_the_table_allows(&tree).len(), 1);
    }

    #[test]
    fn what_is_reached_by_way_of_another_is_found_and_what_tests_use_is_not() {
        let through = |dependency| {
            Tree::of_packages(&[
                ("shop-core", "crates/shop-core", json!([on("larder")])),
                ("larder", "crates/larder", json!([dependency])),
                ("middle", "", json!([on("redis")])),
                ("redis", "", json!([])),
            ])
        };
        let findings = nothing_forbidden_by_way_of_others(&through(on("middle")));
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert_eq!(nothing_forbidden_by_way_of_others(&through(for_tests("middle"))), []);
    }

    #[test]
    fn a_derive_that_is_not_pinned_is_found() {
        let tree = |requirement| {
            let derive = json!([{ "name": "larder-derive", "kind": null, "req": requirement }]);
            Tree::of_packages(&[("larder", "crates/larder", derive)])
        };
        assert_eq!(derive_is_pinned(&tree("^0.1")).len(), 1);
        assert_eq!(derive_is_pinned(&tree("=0.1.0")), []);
    }

    #[test]
    fn a_private_path_is_found_outside_of_larder_only() {
        let code = "//! __private\nuse larder::__private::row;\n";
        let tree = Tree::of(&[("examples/shop/src/main.rs", code), ("crates/larder/src/lib.rs", code)]);
        assert_eq!(private_paths_stay_private(&tree).len(), 1);
    }
}
