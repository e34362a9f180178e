//! The page at `/`: one document without outside parts, which reads `/live` once a second.

use std::sync::LazyLock;

use axum::{
    Router,
    http::{HeaderName, header},
    response::{Html, IntoResponse},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use crate::app::App;

const HTML: &str = include_str!("../assets/page.html");
const CSS: &str = include_str!("../assets/page.css");
const JS: &str = include_str!("../assets/page.js");

/// The document, and what it may do.
static PAGE: LazyLock<(String, String)> = LazyLock::new(|| {
    let html = HTML.replacen("<style></style>", &format!("<style>{CSS}</style>"), 1);
    let script = "<script type=\"module\"></script>";
    let html = html.replacen(script, &script.replacen("><", &format!(">{JS}<"), 1), 1);
    // Nothing runs but what was compiled in, and nobody else is asked for anything.
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'",
        hash(JS),
        hash(CSS)
    );
    (html, policy)
});

pub(crate) fn router() -> Router<App> {
    Router::new().route("/", get(show))
}

async fn show() -> impl IntoResponse {
    let (html, policy) = &*PAGE;
    let headers: [(HeaderName, &str); 4] = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, Html(html.as_str()))
}

/// A part as a policy names it.
fn hash(part: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(part)))
}
