//! The panel's port: what may pass, in which order it is checked, and where it goes.
//!
//! Loopback only. Every request: the Host allow-list first, then where the request comes from; calls
//! also need the session's cookie and its word in a header. GET has no effect. No forwarded header is
//! believed and no other origin is allowed anything (`docs/security.md`).

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum::body::Body as AxumBody;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic_web::GrpcWebLayer;
use tower::{Layer as _, Service as _};
use vivarium_chassis::{Refusal, Service};
use vivarium_proto::gateway::v1::panel_service_server::{PanelServiceServer, SERVICE_NAME};
use vivarium_types::{Actor, Reason, limits};

use crate::assets;
use crate::panel::{Panel, SignedIn};
use crate::problem::Problem;
use crate::proxy::Proxy;
use crate::session::{COOKIE, Session, Sessions};

/// The header that repeats the session's word.
const CSRF_HEADER: &str = "x-vivarium-csrf";
/// Most bytes of a sign-in request.
const SIGN_IN_BYTES_MAX: usize = 1_024;

/// What the page may load and do: its own files, its own WebAssembly, its own calls.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; \
form-action 'none'; frame-ancestors 'none'";

/// Everything behind the panel's port.
#[derive(Debug)]
pub struct Door {
    host: String,
    sessions: Sessions,
    proxy: Proxy,
    panel: Panel,
}

impl Door {
    /// The door at `address`.
    pub fn new(address: SocketAddr, sessions: Sessions, proxy: Proxy, panel: Panel) -> Self {
        Self { host: address.to_string(), sessions, proxy, panel }
    }

    /// The same door under the name people type; redirected to the one canonical host.
    fn alias(&self) -> String {
        let port = self.host.rsplit(':').next().unwrap_or_default();
        format!("localhost:{port}")
    }

    fn session(&self, headers: &HeaderMap) -> Option<(String, Session)> {
        let cookie = cookie(headers)?;
        let session = self.sessions.find(&cookie)?;
        Some((cookie, session))
    }
}

/// Serves the panel's port until the drain.
pub async fn serve(door: Arc<Door>, listener: TcpListener, drain: CancellationToken) {
    let listener = listener.set_nonblocking(true).and_then(|()| {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Ok(listener)
    });
    let listener = match listener {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the panel cannot be served");
            return;
        }
    };
    let served =
        axum::serve(listener, router(door)).with_graceful_shutdown(drain.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the panel is served no more");
    }
}

/// The routes.
pub fn router(door: Arc<Door>) -> Router {
    Router::new()
        .route("/session", get(who).post(sign_in).delete(sign_out))
        .route("/rpc/{service}/{method}", post(call))
        .route("/rpc/@{ledger}/{service}/{method}", post(call_ledger))
        .fallback(file)
        .layer(DefaultBodyLimit::max(limits::MESSAGE_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&door), guard))
        .with_state(door)
}

/// Checks every request before it is routed, and hardens every answer.
async fn guard(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if host == door.alias() && request.method() == Method::GET {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        return Redirect::temporary(&format!("http://{}{path}", door.host)).into_response();
    }
    if host != door.host {
        return StatusCode::MISDIRECTED_REQUEST.into_response();
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !comes_from_here(headers, &door.host, reads) {
        return Problem(Reason::AuthOriginRefused).into_response();
    }
    hardened(next.run(request).await)
}

/// Whether a request comes from this very origin, or from a person typing an address.
fn comes_from_here(headers: &HeaderMap, host: &str, reads: bool) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text("sec-fetch-site");
    let origin = text("origin");
    let own = format!("http://{host}");
    if reads {
        // A link from elsewhere may lead to the page; nothing else of ours may be loaded from there.
        let navigates = text("sec-fetch-mode") == Some("navigate");
        return origin.is_none_or(|origin| origin == own)
            && (navigates || matches!(site, None | Some("same-origin" | "none")));
    }
    origin == Some(own.as_str()) && matches!(site, None | Some("same-origin"))
}

fn hardened(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let fixed = [
        ("content-security-policy", CONTENT_SECURITY_POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[derive(Debug, Deserialize)]
struct SignIn {
    token: String,
}

async fn sign_in(State(door): State<Arc<Door>>, request: Request) -> Response {
    let body = axum::body::to_bytes(request.into_body(), SIGN_IN_BYTES_MAX).await;
    let parsed = body.ok().and_then(|body| serde_json::from_slice::<SignIn>(&body).ok());
    let Some(SignIn { token }) = parsed else {
        return Problem(Reason::RequestInvalid).into_response();
    };
    match door.sessions.begin(&token) {
        Ok(Some((cookie, session))) => {
            let cookie = format!("{COOKIE}={cookie}; Path=/; Secure; HttpOnly; SameSite=Strict");
            let mut response = about(&session);
            match HeaderValue::from_str(&cookie) {
                Ok(value) => {
                    response.headers_mut().insert(header::SET_COOKIE, value);
                    response
                }
                Err(_) => Problem(Reason::RpcInternalFault).into_response(),
            }
        }
        Ok(None) => Problem(Reason::AuthLinkSpent).into_response(),
        Err(error) => {
            tracing::error!(%error, "nobody can sign in");
            Problem(Reason::RpcInternalFault).into_response()
        }
    }
}

async fn who(State(door): State<Arc<Door>>, headers: HeaderMap) -> Response {
    match door.session(&headers) {
        Some((_, session)) => about(&session),
        None => Problem(Reason::AuthSessionMissing).into_response(),
    }
}

async fn sign_out(State(door): State<Arc<Door>>, headers: HeaderMap) -> Response {
    match door.session(&headers) {
        Some((cookie, session)) if knows(&headers, &session) => {
            door.sessions.end(&cookie);
            StatusCode::NO_CONTENT.into_response()
        }
        Some(_) | None => Problem(Reason::AuthSessionMissing).into_response(),
    }
}

async fn file(request: Request) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        assets::serve(request.uri().path(), request.headers())
    } else {
        StatusCode::METHOD_NOT_ALLOWED.into_response()
    }
}

async fn call(
    State(door): State<Arc<Door>>,
    Path((service, method)): Path<(String, String)>,
    request: Request,
) -> Response {
    pass(door, None, &service, &method, request).await
}

async fn call_ledger(
    State(door): State<Arc<Door>>,
    Path((ledger, service, method)): Path<(String, String, String)>,
    request: Request,
) -> Response {
    let ledger =
        Service::ALL.into_iter().find(|known| known.name() == ledger && *known != Service::Gateway);
    pass(door, ledger, &service, &method, request).await
}

/// A gRPC-Web call: refused in its own protocol, so that the panel reads the real reason.
async fn pass(
    door: Arc<Door>,
    ledger: Option<Service>,
    service: &str,
    method: &str,
    mut request: Request,
) -> Response {
    let Ok(uri) = format!("/{service}/{method}").parse() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    *request.uri_mut() = uri;
    let signed_in =
        door.session(request.headers()).filter(|(_, session)| knows(request.headers(), session));
    let own = service == SERVICE_NAME;
    let inner = tower::service_fn(move |mut request: http::Request<Body>| {
        let (door, signed_in) = (Arc::clone(&door), signed_in.clone());
        async move {
            let Some((cookie, session)) = signed_in else {
                let missing = Refusal::new(Reason::AuthSessionMissing);
                return Ok::<_, std::convert::Infallible>(tonic::Status::from(missing).into_http());
            };
            if own {
                let ends = door.sessions.end_time(&session);
                request.extensions_mut().insert(SignedIn {
                    operator: session.operator,
                    ends,
                    cookie,
                });
                let mut panel = PanelServiceServer::new(door.panel.clone());
                return panel.call(request).await;
            }
            let actor = Actor::Operator(session.operator);
            Ok(door.proxy.forward(request, &actor, ledger).await)
        }
    });
    let request = request.map(Body::new);
    match GrpcWebLayer::new().layer(inner).call(request).await {
        Ok(response) => response.map(AxumBody::new),
        Err(never) => match never {},
    }
}

fn about(session: &Session) -> Response {
    let body = json!({"csrf": session.csrf, "operator": session.operator}).to_string();
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn knows(headers: &HeaderMap, session: &Session) -> bool {
    let word = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
    word.is_some_and(|word| session.knows(word))
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let cookies =
        headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('=').map(str::to_owned))
}
