//! Holds the table against the descriptors while this crate compiles.
//!
//! The descriptors are read by a few constant functions that know just enough of protobuf: a file
//! set's field 1 is a file; a file's field 2 is its package and field 6 a service; a service's field
//! 1 is its name and field 2 a method; a method's field 1 is its name.

use super::table::TABLE;
use super::{Group, Row};

/// Evaluating this is the check.
const _: () = {
    let every_method_has_a_row = every_method_has_a_row(vivarium_proto::DESCRIPTOR_SET);
    assert!(
        every_method_has_a_row == row_count(),
        "a row of the call matrix names a method that proto does not have"
    );
};

/// Counts the methods; stops the build at one without a row.
const fn every_method_has_a_row(set: &[u8]) -> usize {
    let (mut rest, mut count) = (set, 0);
    while let Some(field) = next_field(rest) {
        rest = field.rest;
        if field.number == 1 {
            count += methods_of_file(field.bytes);
        }
    }
    count
}

const fn methods_of_file(file: &[u8]) -> usize {
    let package = name_at(file, 2);
    let (mut rest, mut count) = (file, 0);
    while let Some(field) = next_field(rest) {
        rest = field.rest;
        if field.number == 6 {
            count += methods_of_service(package, field.bytes);
        }
    }
    count
}

const fn methods_of_service(package: &[u8], service: &[u8]) -> usize {
    let name = name_at(service, 1);
    let Some(rows) = rows_of(package, name) else {
        panic_with("a service of proto has no group in the call matrix: ", name);
    };
    let (mut rest, mut count) = (service, 0);
    while let Some(field) = next_field(rest) {
        rest = field.rest;
        if field.number == 2 {
            let method = name_at(field.bytes, 1);
            if !has_row(rows, method) {
                panic_with("an RPC of proto has no row in the call matrix: ", method);
            }
            count += 1;
        }
    }
    count
}

/// Stops the build with the name in its message.
#[expect(clippy::panic, reason = "a panic of a constant is a message of the compiler")]
const fn panic_with(_why: &str, name: &[u8]) -> ! {
    match std::str::from_utf8(name) {
        Ok(name) => panic!("{}", name),
        Err(_) => panic!("a name of proto that is not text"),
    }
}

const fn row_count() -> usize {
    let (mut index, mut count) = (0, 0);
    while index < TABLE.len() {
        count += TABLE[index].methods.len();
        index += 1;
    }
    count
}

const fn rows_of(package: &[u8], name: &[u8]) -> Option<&'static [Row]> {
    let mut index = 0;
    while index < TABLE.len() {
        let Group { service, methods, .. } = &TABLE[index];
        if is_joined(service.as_bytes(), package, name) {
            return Some(methods);
        }
        index += 1;
    }
    None
}

const fn has_row(rows: &[Row], method: &[u8]) -> bool {
    let mut index = 0;
    while index < rows.len() {
        if equal(rows[index].name.as_bytes(), method) {
            return true;
        }
        index += 1;
    }
    false
}

/// Whether `full` is `package`, a dot and `name`.
const fn is_joined(full: &[u8], package: &[u8], name: &[u8]) -> bool {
    if full.len() != package.len() + 1 + name.len() {
        return false;
    }
    let (head, tail) = full.split_at(package.len());
    let (dot, tail) = tail.split_at(1);
    equal(head, package) && dot[0] == b'.' && equal(tail, name)
}

const fn equal(one: &[u8], two: &[u8]) -> bool {
    if one.len() != two.len() {
        return false;
    }
    let mut index = 0;
    while index < one.len() {
        if one[index] != two[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// The bytes of the first field with this number; empty if there is none.
const fn name_at(message: &[u8], number: u64) -> &[u8] {
    let mut rest = message;
    while let Some(field) = next_field(rest) {
        if field.number == number {
            return field.bytes;
        }
        rest = field.rest;
    }
    &[]
}

/// One field of a message. `bytes` is empty unless it is length-delimited.
struct Field<'a> {
    number: u64,
    bytes: &'a [u8],
    rest: &'a [u8],
}

const fn next_field(message: &[u8]) -> Option<Field<'_>> {
    if message.is_empty() {
        return None;
    }
    let (key, rest) = varint(message);
    let (skip, rest) = match key & 7 {
        0 => (0, varint(rest).1),
        1 => (8, rest),
        2 => {
            let (length, rest) = varint(rest);
            (length, rest)
        }
        5 => (4, rest),
        _ => (0, rest),
    };
    #[expect(clippy::cast_possible_truncation, reason = "a length within a slice fits its index")]
    let (bytes, rest) = rest.split_at(skip as usize);
    Some(Field { number: key >> 3, bytes, rest })
}

const fn varint(bytes: &[u8]) -> (u64, &[u8]) {
    let (mut value, mut shift, mut rest) = (0_u64, 0, bytes);
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        value |= ((byte & 0x7f) as u64) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    (value, rest)
}
