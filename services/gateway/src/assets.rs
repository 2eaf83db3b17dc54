//! The panel's files, built in. Names hold a hash of the content, so everything but the page itself
//! may be kept for ever; `.br` and `.gz` lie beside each file.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../../panel/dist"]
#[allow_missing = true]
struct Dist;

/// What is shown when the panel was not built into this gateway.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
<title>Vivarium</title></head><body><h1>The panel is not built in</h1>\
<p>Build it with <code>cargo xtask panel</code>, then build the gateway again.</p></body></html>";

/// The file at `path`; the page itself for every path without a file, so that links into the panel
/// can be opened.
pub fn serve(path: &str, headers: &HeaderMap) -> Response {
    let name = path.trim_start_matches('/');
    if !name.is_empty() && Dist::get(name).is_some() {
        return file(name, headers, "public, max-age=31536000, immutable");
    }
    if name.contains('.') {
        return StatusCode::NOT_FOUND.into_response();
    }
    if Dist::get("index.html").is_some() {
        return file("index.html", headers, "no-cache");
    }
    let mut response = NOT_BUILT.into_response();
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}

fn file(name: &str, headers: &HeaderMap, keep: &'static str) -> Response {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let accepted = accepted.unwrap_or_default();
    let packed = [("br", ".br"), ("gzip", ".gz")].into_iter().find_map(|(encoding, ending)| {
        let wanted = accepted.split(',').any(|part| part.trim().starts_with(encoding));
        wanted.then(|| Dist::get(&format!("{name}{ending}"))).flatten().map(|f| (encoding, f))
    });
    let (encoding, found) = match packed {
        Some((encoding, found)) => (Some(encoding), Some(found)),
        None => (None, Dist::get(name)),
    };
    let Some(found) = found else { return StatusCode::NOT_FOUND.into_response() };
    let mut response = found.data.into_owned().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(name)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}
