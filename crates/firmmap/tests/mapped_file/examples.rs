//! The examples run to their end.

#[path = "../../examples/append.rs"]
#[allow(dead_code)]
mod append;
#[path = "../../examples/from_memmap2.rs"]
#[allow(dead_code)]
mod from_memmap2;
#[path = "../../examples/start.rs"]
#[allow(dead_code)]
mod start;

// G6, R4: a log that is appended to and followed.
#[test]
fn append_ends_well() {
    append::main().unwrap();
}

// R3, R4: what the guide shows.
#[test]
fn from_memmap2_ends_well() {
    from_memmap2::main().unwrap();
}

// R4: the page that a reader begins with.
#[test]
fn start_ends_well() {
    start::main().unwrap();
}
