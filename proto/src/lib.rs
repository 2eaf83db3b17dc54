//! The contract: wire messages and the events of every ledger, generated from `vivarium/**`.
//!
//! The module tree mirrors the packages. There is no logic here: a service turns these types into
//! its own at its door (`rpc/convert.rs`) and at its log (`domain/event.rs`).

#![allow(
    missing_docs,
    rustdoc::all,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    clippy::nursery,
    unused_qualifications,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "everything below is generated"
)]

/// Every file of the contract as an encoded `FileDescriptorSet`, for reflection and for the call
/// matrix.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The well-known types in use, so that nobody else names the crate they come from.
pub mod wkt {
    #[cfg(feature = "json")]
    pub use pbjson_types::{Duration, FieldMask, Timestamp};
    #[cfg(not(feature = "json"))]
    pub use prost_types::{Duration, FieldMask, Timestamp};
}

macro_rules! packages {
    ($($area:ident = $package:literal;)*) => {$(
        pub mod $area {
            pub mod v1 {
                include!(concat!(env!("OUT_DIR"), "/", $package, ".rs"));
                #[cfg(feature = "json")]
                include!(concat!(env!("OUT_DIR"), "/", $package, ".serde.rs"));
            }
        }
    )*};
}

packages! {
    ledger = "vivarium.ledger.v1";
    queue = "vivarium.queue.v1";
    executor = "vivarium.executor.v1";
    identity = "vivarium.identity.v1";
    social = "vivarium.social.v1";
    review = "vivarium.review.v1";
    gateway = "vivarium.gateway.v1";
}
