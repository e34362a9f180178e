use super::{
    finding::Finding,
    tree::{File, Tree},
};

/// The changelog has a heading for what comes next, or for the version that is being released.
pub(super) fn changelog_tells_what_is_new(tree: &Tree) -> Vec<Finding> {
    const PATH: &str = "CHANGELOG.md";
    let version =
        tree.packages().find(|(package, _)| package["name"] == "larder").map(|(package, _)| package["version"].clone());
    let version = version.as_ref().and_then(|version| version.as_str()).unwrap_or("0.0.0");
    let headings = ["## [Unreleased]".to_owned(), format!("## [{version}]")];
    let is_told = tree.file(PATH).is_some_and(|file| {
        file.text.lines().any(|line| headings.iter().any(|heading| line.starts_with(heading.as_str())))
    });
    if is_told {
        Vec::new()
    } else {
        vec![Finding::error(PATH, 1, format!("it needs a heading: {}", headings.join(" or ")))]
    }
}

/// A relative link in a document leads to a file of the workspace, and to a heading where it names one.
pub(super) fn links_lead_somewhere(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.with_ending(".md") {
        for (line, target) in links(&file.text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, heading) =
                target.split_once('#').map_or((target.as_str(), None), |(path, heading)| (path, Some(heading)));
            let found = if path.is_empty() { Some(Place::File(file)) } else { find(tree, &file.path, path) };
            let message = match (found, heading) {
                (None, _) => format!("the link {target} leads nowhere"),
                (Some(Place::File(other)), Some(heading)) if !has_heading(other, heading) => {
                    format!("{} has no heading #{heading}", other.path)
                }
                _ => continue,
            };
            findings.push(Finding::error(&file.path, line, message));
        }
    }
    findings
}

/// Every test by which a document shows something is there: what looks like the name of one, in code, is in a source file too.
pub(super) fn tests_that_are_named_exist(tree: &Tree) -> Vec<Finding> {
    const SHOWN_BY_TESTS: [&str; 13] = [
        "docs/access-patterns.md",
        "docs/accounts.md",
        "docs/async.md",
        "docs/backends.md",
        "docs/guarantees.md",
        "docs/http.md",
        "docs/observability.md",
        "docs/patterns.md",
        "docs/patterns-behind.md",
        "docs/redis-uses.md",
        "docs/resilience.md",
        "docs/shop.md",
        "docs/views.md",
    ];
    SHOWN_BY_TESTS
        .iter()
        .filter_map(|path| tree.file(path))
        .flat_map(|file| tests_that_are_missing(tree, file))
        .collect()
}

fn tests_that_are_missing(tree: &Tree, file: &File) -> Vec<Finding> {
    let is_name = |word: &str| {
        word.matches('_').count() > 2
            && word.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let sources: Vec<&File> = tree.with_ending(".rs").collect();
    // As a function, or as what a macro makes one of.
    let is_there = |name: &str| {
        let forms = [format!("fn {name}("), format!(" {name}: "), format!(" {name},"), format!(" {name};")];
        sources.iter().any(|file| forms.iter().any(|form| file.text.contains(form.as_str())))
    };
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for name in line.split('`').skip(1).step_by(2).filter(|word| is_name(word) && !is_there(word)) {
            findings.push(Finding::error(&file.path, index + 1, format!("there is no test {name}")));
        }
    }
    findings
}

/// What a link may lead to.
enum Place<'t> {
    File(&'t File),
    Folder,
}

fn find<'t>(tree: &'t Tree, from: &str, link: &str) -> Option<Place<'t>> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            // A link out of the workspace is found nowhere.
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    let path = parts.join("/");
    let is_folder = path.is_empty() || tree.files.iter().any(|file| file.path.starts_with(&format!("{path}/")));
    tree.file(&path).map(Place::File).or(is_folder.then_some(Place::Folder))
}

/// The targets of a document's links with their lines: `[text](target)` and `[name]: target`, code aside.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        let mut rest = line.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else { break };
            // What follows a blank is a title.
            links.extend(target.split_whitespace().next().map(|target| (number, target.to_owned())));
            rest = after;
        }
        if line.starts_with('[')
            && let Some((_, target)) = line.split_once("]: ")
        {
            links.extend(target.split_whitespace().next().map(|target| (number, target.to_owned())));
        }
    }
    links
}

/// The lines of a document with their numbers, without what is code.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut is_code = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            lines.push((index + 1, line.split('`').step_by(2).collect::<Vec<_>>().join("`")));
        }
    }
    lines
}

fn has_heading(file: &File, anchor: &str) -> bool {
    let headings = file.text.lines().filter(|line| line.starts_with('#'));
    // Lines of code that look like headings do no harm here.
    headings.map(|line| anchor_of(line.trim_start_matches('#').trim())).any(|known| known == anchor)
}

/// The anchor that code hosts make of a heading.
fn anchor_of(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changelog_without_news_is_found() {
        assert_eq!(changelog_tells_what_is_new(&Tree::of(&[])).len(), 1);
        assert_eq!(changelog_tells_what_is_new(&Tree::of(&[("CHANGELOG.md", "# Changelog\n## [0.0.1]\n")])).len(), 1);
        assert_eq!(changelog_tells_what_is_new(&Tree::of(&[("CHANGELOG.md", "## [Unreleased]\n")])), []);
    }

    #[test]
    fn a_test_that_is_not_there_is_found() {
        let text =
            "`a_claim_that_is_kept`, `a_claim_that_is_lost`\n`commit_takes` a_word_that_is_prose `caught_by_a_macro`\n";
        let code = "fn a_claim_that_is_kept() {}\ncaught! {\n    caught_by_a_macro: Mutation,\n}\n";
        let documents = ["docs/guarantees.md", "docs/resilience.md"];
        let tree = Tree::of(&[(documents[0], text), (documents[1], text), ("README.md", text), ("tests/x.rs", code)]);
        let found: Vec<String> = tests_that_are_named_exist(&tree).iter().map(ToString::to_string).collect();
        let expected = documents.map(|path| format!("error: {path}:1: there is no test a_claim_that_is_lost"));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_link_to_nothing_is_found() {
        let readme = "[a](docs/a.md) [b](docs/b.md \"title\")\n[c](docs/a.md#two-words) [d](docs/a.md#three)\n\
            [e](https://example.org/x.md) [f](crates) [g](../x.md)\n```\n[h](nowhere.md)\n```\n`[i](nowhere.md)`\n\n\
            [j]: docs/j.md\n";
        let tree = Tree::of(&[
            ("README.md", readme),
            ("docs/a.md", "# A\n## Two words!\n[up](../README.md) [self](#a) [lost](README.md)\n"),
            ("crates/x/src/lib.rs", ""),
        ]);
        let found: Vec<String> = links_lead_somewhere(&tree).iter().map(ToString::to_string).collect();
        let expected = [
            "error: README.md:1: the link docs/b.md leads nowhere",
            "error: README.md:2: docs/a.md has no heading #three",
            "error: README.md:3: the link ../x.md leads nowhere",
            "error: README.md:9: the link docs/j.md leads nowhere",
            "error: docs/a.md:3: the link README.md leads nowhere",
        ];
        assert_eq!(found, expected);
    }
}
