//! What the quickstart shows is what its headings say.

use std::process::Command;

/// The lines under each heading.
fn sections() -> Vec<(String, Vec<String>)> {
    let output = Command::new(env!("CARGO_BIN_EXE_quickstart")).output().expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    let mut sections: Vec<(String, Vec<String>)> = Vec::new();
    for line in String::from_utf8(output.stdout).expect("text").lines() {
        if let Some(heading) = line.strip_prefix("== ") {
            sections.push((heading.to_owned(), Vec::new()));
        } else if let (Some((_, lines)), false) = (sections.last_mut(), line.is_empty()) {
            lines.push(line.trim().to_owned());
        }
    }
    sections
}

#[test]
fn what_is_called_warm_sends_no_statement_and_what_is_called_cold_one() {
    let sections = sections();
    let n_sql = |lines: &[String]| lines.iter().filter(|line| line.starts_with("sql")).count();
    let (mut n_warm, mut n_cold) = (0, 0);
    for (heading, lines) in &sections {
        if heading.contains("warm") {
            n_warm += 1;
            assert_eq!(n_sql(lines), 0, "{heading}: {lines:#?}");
        } else if heading.contains("cold") {
            n_cold += 1;
            assert_eq!(n_sql(lines), 1, "{heading}: {lines:#?}");
        }
    }
    assert!(n_warm >= 4 && n_cold >= 3, "{sections:#?}");
}

#[test]
fn a_rollback_sends_the_store_nothing_but_the_read_after_it() {
    let sections = sections();
    let (_, lines) = sections.iter().find(|(heading, _)| heading.starts_with("a rollback")).expect("it is shown");
    let store: Vec<_> = lines.iter().filter(|line| line.starts_with("store")).collect();
    assert_eq!(store, ["store  read   users:id:1"]);
    assert!(lines.contains(&"afterwards: \"Ada\"".to_owned()), "{lines:#?}");
}
