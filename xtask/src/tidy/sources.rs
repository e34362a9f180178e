use super::{
    finding::Finding,
    tree::{File, Tree},
};

/// A file of more lines than this is worth a look for its second subject.
const LONG: usize = 400;
/// And of more than this has one.
const TOO_LONG: usize = 600;

/// Where a wait is the very purpose, and there is nothing to be told by.
const SLEEPERS: [&str; 17] = [
    // Ask again and again, with a deadline.
    "crates/larder-http/tests/edge/eventually.rs",
    "crates/larder-http/tests/responses/eventually.rs",
    "crates/larder-redis/tests/redis/eventually.rs",
    "crates/larder/src/store/conformance/subject.rs",
    "examples/shop-import/tests/program/command.rs",
    "tests/harness/eventually.rs",
    "tests/servers/src/daemon.rs",
    // Pauses before a transaction is tried again, since nobody tells when the others are done.
    "crates/larder/src/handle.rs",
    // Keeps a rate, and waits for differences to go away by themselves.
    "crates/larder/src/verify/pace.rs",
    // Polls for what another process loads, of which nobody tells.
    "crates/larder-http/src/response_cache/look.rs",
    "crates/larder/src/load/lacking.rs",
    "crates/larder/src/queries/slot.rs",
    // Nobody tells when the system has a descriptor again.
    "examples/shop/src/listen.rs",
    // Samples how many connections there are.
    "examples/shop/benches/load.rs",
    // Injects delays.
    "tests/harness/faulty.rs",
    // Faults come at their time, and markers expire at theirs.
    "tests/storm/src/pace.rs",
    // Gives a command some time to end before it is killed.
    "xtask/src/runner.rs",
];

/// Modules are `foo.rs` beside `foo/`.
pub(super) fn no_mod_rs(tree: &Tree) -> Vec<Finding> {
    let named = tree.files.iter().filter(|file| file.name() == "mod.rs");
    named.map(|file| Finding::error(&file.path, 1, "name a module after what it has: foo.rs beside foo/")).collect()
}

/// A file answers one question.
pub(super) fn no_long_files(tree: &Tree) -> Vec<Finding> {
    tree.with_ending(".rs")
        .filter(|file| !is_test(file) && file.name() != "schema.rs")
        .filter_map(|file| {
            let n_lines = n_lines_before_tests(&file.text);
            let message = format!("{n_lines} lines without the tests: look for the second subject");
            match n_lines {
                n if n > TOO_LONG => Some(Finding::error(&file.path, 1, message)),
                n if n > LONG => Some(Finding::warning(&file.path, 1, message)),
                _ => None,
            }
        })
        .collect()
}

fn is_test(file: &File) -> bool {
    let is_harness = ["harness/", "servers/", "storm/src/"]
        .iter()
        .any(|folder| file.path.strip_prefix("tests/").is_some_and(|path| path.starts_with(folder)));
    file.name() == "tests.rs" || file.path.contains("/tests/") || (file.path.starts_with("tests/") && !is_harness)
}

fn n_lines_before_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod tests"));
    tests.unwrap_or(lines.len())
}

/// No `unsafe`, nothing left undone, and no test that does not run.
pub(super) fn nothing_unsafe_or_unfinished(tree: &Tree) -> Vec<Finding> {
    const BANNED: [(&str, &str); 4] = [
        ("unsafe", "there is nothing here that needs `unsafe`"),
        ("todo!", "finish it, or leave it out"),
        ("unimplemented!", "finish it, or leave it out"),
        ("#[ignore", "a test that does not run is worse than none"),
    ];
    find_words(tree, |_| true, &BANNED)
}

/// Waits are for conditions.
pub(super) fn no_sleeping(tree: &Tree) -> Vec<Finding> {
    const BANNED: [(&str, &str); 1] = [("sleep", "wait for a condition, with a deadline; in a test: `eventually`")];
    find_words(tree, |file| !SLEEPERS.contains(&file.path.as_str()), &BANNED)
}

fn find_words(tree: &Tree, is_meant: impl Fn(&File) -> bool, banned: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.with_ending(".rs").filter(|file| is_meant(file)) {
        for (line, code) in file.code_lines() {
            for (word, message) in banned.iter().filter(|(word, _)| has_word(&code, word)) {
                findings.push(Finding::error(&file.path, line, format!("{word}: {message}")));
            }
        }
    }
    findings
}

/// Whether the word is there by itself, and not within a longer name.
fn has_word(code: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let goes_on_before = code[..at].ends_with(is_name);
        let goes_on_after = word.ends_with(is_name) && code[at + word.len()..].starts_with(is_name);
        !(goes_on_before || goes_on_after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mod_rs_is_found() {
        let tree = Tree::of(&[("crates/larder/src/store/mod.rs", ""), ("crates/larder/src/store.rs", "")]);
        assert_eq!(no_mod_rs(&tree).len(), 1);
    }

    #[test]
    fn a_long_file_is_a_warning_and_a_longer_one_an_error() {
        let lines = |n| "fn f() {}\n".repeat(n);
        let tested = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", lines(400), lines(900));
        let tree = Tree::of(&[
            ("crates/a/src/right.rs", &lines(400)),
            ("crates/a/src/tested.rs", &tested),
            ("crates/a/src/long.rs", &lines(401)),
            ("crates/a/src/longer.rs", &lines(601)),
            ("crates/a/src/tests.rs", &lines(601)),
            ("crates/a/src/schema.rs", &lines(601)),
            ("tests/behaviour/reads.rs", &lines(601)),
            ("tests/harness/meter.rs", &lines(601)),
        ]);
        let found: Vec<String> = no_long_files(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("warning: crates/a/src/long.rs:1: 401 lines"), "{found:?}");
        assert!(found[1].starts_with("error: crates/a/src/longer.rs"), "{found:?}");
        assert!(found[2].starts_with("error: tests/harness/meter.rs"), "{found:?}");
    }

    #[test]
    fn what_is_unfinished_is_found_where_it_is_code() {
        let bad = "fn f() {\n    todo!()\n}\n#[ignore = \"slow\"]\nfn g() { unimplemented!(); unsafe { h() } }\n";
        let good = "// todo!()\n#![forbid(unsafe_code)]\nfn my_todo() { \"unsafe\"; }\n";
        let tree = Tree::of(&[("crates/a/src/bad.rs", bad), ("crates/a/src/good.rs", good)]);
        let found: Vec<String> = nothing_unsafe_or_unfinished(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].starts_with("error: crates/a/src/bad.rs:2: todo!"), "{found:?}");
    }

    #[test]
    fn a_sleep_is_found_however_it_is_imported() {
        let tree = Tree::of(&[
            ("crates/a/src/a.rs", "std::thread::sleep(d);\n"),
            ("tests/behaviour/b.rs", "use std::thread::sleep;\n"),
            ("crates/a/src/c.rs", "let asleep = no_sleep();\n"),
            ("tests/harness/eventually.rs", "thread::sleep(d);\n"),
        ]);
        assert_eq!(no_sleeping(&tree).len(), 2);
    }
}
