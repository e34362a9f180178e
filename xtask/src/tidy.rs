mod code;
mod documents;
mod finding;
mod imports;
mod manifests;
mod sources;
mod tree;

use self::{
    finding::{Finding, Severity},
    tree::Tree,
};
use crate::{failure::Failure, runner::Runner};

/// Every rule, each a function from the tree to what it finds wrong.
const RULES: [fn(&Tree) -> Vec<Finding>; 13] = [
    imports::only_what_the_table_allows,
    imports::nothing_forbidden_by_way_of_others,
    imports::derive_is_pinned,
    imports::private_paths_stay_private,
    sources::no_mod_rs,
    sources::no_long_files,
    sources::nothing_unsafe_or_unfinished,
    sources::no_sleeping,
    manifests::shared_settings_are_inherited,
    manifests::licences_are_there,
    documents::changelog_tells_what_is_new,
    documents::links_lead_somewhere,
    documents::tests_that_are_named_exist,
];

pub(crate) fn run(runner: &Runner) -> Result<(), Failure> {
    let tree = Tree::load(runner)?;
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    let n_errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    println!(
        "tidy: {} rules, {} files, {n_errors} errors, {} warnings",
        RULES.len(),
        tree.files.len(),
        findings.len() - n_errors
    );
    match n_errors {
        0 => Ok(()),
        n => Err(Failure::new(format!("tidy has found {n} errors"))),
    }
}
