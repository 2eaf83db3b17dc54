//! The `LedgerService` of `proto/` over a ledger: watching, reading, verifying. (Written with the
//! contract.)
