//! Arguments of every program of the table: whatever is accepted has only flags of its rule and only
//! paths beneath the root.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vivarium_bypass::calls::{Bytes, Judge, Judged};
use vivarium_bypass::table;

static JUDGE: LazyLock<Judge> =
    LazyLock::new(|| Judge::over(table::rules().expect("the table of programs is right")));

fuzz_target!(|bytes: &[u8]| {
    if let Judged::Wrong(fault) = JUDGE.judge(&mut Bytes::new(bytes)) {
        panic!("{fault}");
    }
});
