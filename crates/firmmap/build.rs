//! Names for conditions of `cfg` that many items have.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(linux_kernel)");
    // Android has Linux's system calls.
    if matches!(env::var("CARGO_CFG_TARGET_OS").as_deref(), Ok("linux" | "android")) {
        println!("cargo::rustc-cfg=linux_kernel");
    }
}
