//! The examples run to their end.

#[path = "../../examples/append.rs"]
#[allow(dead_code)]
mod append;

// G6, R4: a log that is appended to and followed.
#[test]
fn append_ends_well() {
    append::main().unwrap();
}
