//! The *fixed* limits that more than one crate must agree on. Settable limits ("physics") belong to
//! the queue's world controls.

/// Most bytes one gRPC message may have, both ways: 4 MiB.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most rows one page of a list or of a log may have.
pub const PAGE_SIZE_MAX: u32 = 1_000;
/// Rows of a page when the caller does not say.
pub const PAGE_SIZE_DEFAULT: u32 = 50;
/// Characters of a `request_id`: 1 to this many of `[A-Za-z0-9._:-]`.
pub const REQUEST_ID_LENGTH_MAX: usize = 64;
/// Characters of a reason that a person or a resident gives: 3 to this many.
pub const REASON_LENGTH_MAX: usize = 500;
