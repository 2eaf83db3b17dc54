//! The settings that all processes of a world share: `world/config/shared.toml`.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Settings, span};
use crate::identity::Service;
use crate::status::Violations;

/// What all processes of a world share.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Shared {
    /// Where each service listens.
    pub addresses: Addresses,
    /// What is logged, how and where to.
    pub log: Log,
    /// Limits of every server and client.
    pub limits: Limits,
    /// Where each service shows its metrics; unset means nowhere.
    pub metrics: Metrics,
}

/// Where each service listens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Addresses {
    /// The queue.
    pub queue: SocketAddr,
    /// The executor.
    pub executor: SocketAddr,
    /// The society.
    pub society: SocketAddr,
    /// The review.
    pub review: SocketAddr,
    /// The gateway's gRPC address for scripts.
    pub gateway: SocketAddr,
    /// The gateway's address for browsers.
    pub panel: SocketAddr,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// Where log lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogTarget {
    /// To the standard error stream, which the supervisor keeps.
    #[default]
    Stderr,
    /// To `mutable/logs/<service>.log`.
    File,
}

/// What is logged, how and where to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// Levels by target, such as `info` or `info,vivarium_queue=debug`.
    pub level: String,
    /// Text or JSON.
    pub format: LogFormat,
    /// Stderr or a file.
    pub target: LogTarget,
}

/// Limits of every server and client.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Time a unary call has when its caller does not say.
    #[serde(with = "span")]
    pub unary_deadline: Duration,
    /// Most unary calls a process works on at once; more are refused.
    pub unary_calls_max: usize,
    /// Most open streams a process serves at once; more are refused.
    pub streams_max: usize,
    /// Most connections a process accepts at once; more wait.
    pub connections_max: usize,
    /// Age at which a connection is told to go away; a tenth is added at random.
    #[serde(with = "span")]
    pub connection_age_max: Duration,
    /// Time for a TLS handshake, and for opening a connection.
    #[serde(with = "span")]
    pub handshake_timeout: Duration,
    /// Time between HTTP/2 pings on a connection.
    #[serde(with = "span")]
    pub keep_alive_interval: Duration,
    /// Time a ping's answer may take before the connection is given up.
    #[serde(with = "span")]
    pub keep_alive_timeout: Duration,
    /// Time a drain may take before what is left is cut.
    #[serde(with = "span")]
    pub drain_timeout: Duration,
}

/// Where each service shows its metrics.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    /// The queue's metrics.
    pub queue: Option<SocketAddr>,
    /// The executor's metrics.
    pub executor: Option<SocketAddr>,
    /// The society's metrics.
    pub society: Option<SocketAddr>,
    /// The review's metrics.
    pub review: Option<SocketAddr>,
    /// The gateway's metrics.
    pub gateway: Option<SocketAddr>,
}

impl Addresses {
    /// Where `service` listens for gRPC.
    pub const fn of(&self, service: Service) -> SocketAddr {
        match service {
            Service::Queue => self.queue,
            Service::Executor => self.executor,
            Service::Society => self.society,
            Service::Review => self.review,
            Service::Gateway => self.gateway,
        }
    }
}

impl Metrics {
    /// Where `service` shows its metrics.
    pub const fn of(&self, service: Service) -> Option<SocketAddr> {
        match service {
            Service::Queue => self.queue,
            Service::Executor => self.executor,
            Service::Society => self.society,
            Service::Review => self.review,
            Service::Gateway => self.gateway,
        }
    }
}

impl Default for Addresses {
    fn default() -> Self {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            queue: local(8431),
            executor: local(8432),
            society: local(8433),
            review: local(8434),
            gateway: local(8420),
            panel: local(8421),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::default(),
            target: LogTarget::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unary_deadline: Duration::from_secs(10),
            unary_calls_max: 1_024,
            streams_max: 1_024,
            connections_max: 1_024,
            connection_age_max: Duration::from_mins(15),
            handshake_timeout: Duration::from_secs(5),
            keep_alive_interval: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(5),
        }
    }
}

impl Settings for Shared {
    fn check(&self, wrong: &mut Violations) {
        wrong.within("addresses", |wrong| {
            for service in Service::ALL {
                loopback(wrong, service.name(), self.addresses.of(service));
            }
            loopback(wrong, "panel", self.addresses.panel);
        });
        wrong.within("metrics", |wrong| {
            for service in Service::ALL {
                if let Some(address) = self.metrics.of(service) {
                    loopback(wrong, service.name(), address);
                }
            }
        });
        wrong.within("limits", |wrong| self.limits.check(wrong));
    }
}

impl Limits {
    fn check(&self, wrong: &mut Violations) {
        wrong.bounded("unary_calls_max", self.unary_calls_max, 1..=1_000_000);
        wrong.bounded("streams_max", self.streams_max, 1..=1_000_000);
        wrong.bounded("connections_max", self.connections_max, 1..=1_000_000);
        for (key, span) in [
            ("unary_deadline", self.unary_deadline),
            ("connection_age_max", self.connection_age_max),
            ("handshake_timeout", self.handshake_timeout),
            ("keep_alive_interval", self.keep_alive_interval),
            ("keep_alive_timeout", self.keep_alive_timeout),
            ("drain_timeout", self.drain_timeout),
        ] {
            if span.is_zero() || span > Duration::from_hours(24) {
                wrong.add(key, "must be 1ms to 1d");
            }
        }
    }
}

/// Listeners bind loopback only: the world is reached from outside through nothing.
fn loopback(wrong: &mut Violations, key: &str, address: SocketAddr) {
    if !address.ip().is_loopback() {
        wrong.add(key, "must be a loopback address");
    }
}
