//! HTTP clients: no redirects (a key must not travel on), no proxy to this machine, own roots of
//! trust nowhere.

use std::error::Error as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use vivarium_types::Reason;

use super::error::ModelError;
use super::profile::is_loopback;

const USER_AGENT: &str = concat!("vivarium/", env!("CARGO_PKG_VERSION"));

/// A client for one provider.
pub(super) fn client(base_url: &Url, connect: Duration) -> Result<Client, ModelError> {
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(connect)
        .redirect(Policy::none())
        // The port is taken from the address; a resolver does not decide where localhost is.
        .resolve("localhost", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    if is_loopback(base_url) {
        // Small servers close a connection right behind an answer: the next call, which waits for
        // exactly that moment, would be sent into a connection that is going away.
        builder = builder.no_proxy().pool_max_idle_per_host(0);
    }
    builder.build().map_err(|error| ModelError::Unusable {
        reason: Reason::ModelUnreachable,
        message: format!("no HTTP client can be made: {}", words(&error)),
    })
}

/// An address below a base address.
pub(super) fn below(base_url: &Url, path: &str) -> String {
    format!("{}/{path}", base_url.as_str().trim_end_matches('/'))
}

/// An error in words, without the address.
pub(super) fn words(error: &reqwest::Error) -> String {
    // The outermost text repeats the address and says the least.
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    if text.is_empty() { "the request failed".to_owned() } else { text }
}

/// At most `max` bytes of a body; what cannot be read is left out.
pub(super) async fn body(mut response: Response, max: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = max - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if bytes.len() == max {
            break;
        }
    }
    bytes
}
