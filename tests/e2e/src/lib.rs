//! End-to-end tests live in `tests/`: real processes, real mTLS, ports of their own.
