//! Has the crate rebuilt when a migration changes, since `embed_migrations!` reads files that Cargo does not watch.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
