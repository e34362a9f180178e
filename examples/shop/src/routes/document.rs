//! What clients may rely on.

use axum::http::{HeaderName, header};

/// Written by hand: it is what the service is held to, and not what the service happens to do. A test compares it with the routes, and
/// `cargo xtask test --only contract` with the answers.
const DOCUMENT: &str = include_str!("../../openapi.json");

/// The OpenAPI document.
pub(super) async fn show() -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}
