//! The metrics of one process: a registry, and a page that shows it on loopback when asked for.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use crate::task;

/// Where a service registers its metrics. Names are `vivarium_<area>_<noun>_<unit>`; labels come from
/// enums, never from ids.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Written while a process is built.
    registry: Arc<Mutex<Registry>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { registry: Arc::new(Mutex::new(Registry::with_prefix("vivarium"))) }
    }
}

impl Metrics {
    /// The registry, to register in. All names get the prefix `vivarium_`.
    pub fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All metrics as Prometheus reads them.
    ///
    /// # Panics
    /// Never: writing into a string does not fail.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry()).expect("writing into a string does not fail");
        text
    }
}

/// Shows the metrics at `http://ADDRESS/metrics` until the returned future is dropped.
pub async fn show(metrics: Metrics, address: SocketAddr) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (connection, _) = listener.accept().await?;
        let metrics = metrics.clone();
        task::detached(async move {
            let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
                std::future::ready(Ok::<_, Infallible>(page(&metrics, &request)))
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .keep_alive(false)
                .serve_connection(TokioIo::new(connection), answer);
            if let Err(error) = served.await {
                tracing::debug!(%error, "a reader of metrics left");
            }
        });
    }
}

fn page(metrics: &Metrics, request: &Request<Incoming>) -> Response<String> {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let mut response = Response::new(String::new());
    if request.uri().path() == "/metrics" {
        *response.body_mut() = metrics.text();
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(TYPE));
    } else {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}
