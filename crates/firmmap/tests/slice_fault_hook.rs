//! The hook that is called in place of a panic. It is the process's: so it has a file of its own, with one test.

#![allow(unsafe_code)]
#![cfg(unix)]

mod common;

use std::sync::Mutex;

use common::{Scratch, page, pattern};
use firmmap::{MmapOptions, SliceFault};

static FAULTS: Mutex<Vec<SliceFault>> = Mutex::new(Vec::new());

// R9: a hook is called once for each fault and thread, and at the end of a map with one that nobody was told of.
#[test]
fn a_hook_in_place_of_the_panic() {
    firmmap::set_slice_fault_hook(|fault| FAULTS.lock().unwrap().push(fault.clone()));
    let scratch = Scratch::new(&pattern(3 * page()));
    // SAFETY: nobody changes the bytes of the file.
    let bytes = unsafe { MmapOptions::new().open(scratch.path()).unwrap().into_bytes() };
    scratch.file().set_len(0).unwrap();
    assert_eq!(bytes[page()], 0);
    assert_eq!(bytes.len() + bytes.len(), 6 * page());
    assert_eq!(bytes[2 * page()], 0); // read after it was asked
    drop(bytes);
    let faults = FAULTS.lock().unwrap();
    let offsets: Vec<_> = faults.iter().map(|fault| (fault.offset, fault.dropped)).collect();
    assert_eq!(offsets, [(Some(page()), false), (Some(2 * page()), true)]);
    assert!(faults[0].count < faults[1].count);
    let path = cfg!(target_os = "linux").then(|| scratch.path().to_owned());
    assert!(faults.iter().all(|fault| fault.path == path));
}
