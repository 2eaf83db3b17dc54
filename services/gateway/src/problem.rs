//! What the gateway's own JSON routes answer when they refuse: RFC 9457 problem documents with the
//! reason that every other door uses.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use vivarium_types::Reason;
use vivarium_types::reason::Class;

/// A refusal of a JSON route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Problem(pub Reason);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self(reason) = self;
        let status = status(reason.class());
        let body = json!({
            "type": "about:blank", "title": reason.sentence(), "status": status.as_u16(),
            "reason": reason.name(), "hint": reason.hint(),
        });
        let mut response = (status, body.to_string()).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

const fn status(class: Class) -> StatusCode {
    match class {
        Class::Invalid | Class::Precondition => StatusCode::BAD_REQUEST,
        Class::Unauthenticated => StatusCode::UNAUTHORIZED,
        Class::Denied => StatusCode::FORBIDDEN,
        Class::NotFound => StatusCode::NOT_FOUND,
        Class::Exists | Class::Aborted => StatusCode::CONFLICT,
        Class::Exhausted => StatusCode::TOO_MANY_REQUESTS,
        Class::Unavailable | Class::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
        Class::Deadline => StatusCode::GATEWAY_TIMEOUT,
        Class::Internal | Class::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
