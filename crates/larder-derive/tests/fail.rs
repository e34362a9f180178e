//! Mistakes, and what is said of them: a folder for each kind.

#[test]
fn every_mistake_is_told_at_its_place() {
    trybuild::TestCases::new().compile_fail("tests/fail/*/*.rs");
}
