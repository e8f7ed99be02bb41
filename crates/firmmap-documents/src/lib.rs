//! The Rust examples of README.md and of docs/guide.md, as tests. They are not the library's own, as its published package has no
//! documents.

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide.md")]
struct Guide;
