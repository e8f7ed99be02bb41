//! Which file is mapped at an address, for messages.

use std::path::PathBuf;

/// The path of the file that is mapped somewhere in `len` bytes from `address` on, as the system has it: with ` (deleted)` after it
/// if the file has been removed.
///
/// It takes a walk through all areas of the process. Known on Linux only.
#[cfg(linux_kernel)]
pub(crate) fn mapped_path(address: usize, len: usize) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;

    let end = address.saturating_add(len.max(1));
    let maps = std::fs::read("/proc/self/maps").ok()?;
    maps.split(|&byte| byte == b'\n').find_map(|line| {
        let mut words = line.splitn(6, |&byte| byte == b' ');
        let (first, last) = std::str::from_utf8(words.next()?).ok()?.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        let (first, last) = (number(first)?, number(last)?);
        let path = words.nth(4)?.trim_ascii_start();
        if first >= end || last <= address || !path.starts_with(b"/") {
            return None;
        }
        Some(std::ffi::OsString::from_vec(unescaped(path)).into())
    })
}

/// A newline in a name is `\012` there.
#[cfg(linux_kernel)]
fn unescaped(path: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match after.strip_prefix(b"012") {
            Some(after) if byte == b'\\' => {
                bytes.push(b'\n');
                rest = after;
            }
            _ => bytes.push(byte),
        }
    }
    bytes
}

/// Not known here.
#[cfg(not(linux_kernel))]
pub(crate) fn mapped_path(_address: usize, _len: usize) -> Option<PathBuf> {
    None
}
