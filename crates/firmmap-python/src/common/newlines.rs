//! The ends of all lines of a block, found in one pass: a search for each has a fixed cost per line.

/// Appends the index after each newline of `bytes` to `ends`.
pub(crate) fn ends_of_lines(bytes: &[u8], ends: &mut Vec<u32>) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("bmi1") {
        // SAFETY: the processor has these instructions.
        return unsafe { ends_avx2(bytes, ends) };
    }
    ends.extend(after_newlines(bytes, 0));
}

/// The index after each newline of `bytes`, of which the first has the index `start`.
fn after_newlines(bytes: &[u8], start: u32) -> impl Iterator<Item = u32> {
    memchr::memchr_iter(b'\n', bytes).map(move |index| start + index as u32 + 1)
}

/// As [`ends_of_lines`]: a bit for each newline of 64 bytes, and from bit to bit.
///
/// # Safety
///
/// - The processor has AVX2 and BMI1.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1")]
unsafe fn ends_avx2(bytes: &[u8], ends: &mut Vec<u32>) {
    let mut blocks = bytes.chunks_exact(64);
    let mut start = 0;
    for block in &mut blocks {
        let (low, high) = block.split_at(32);
        // SAFETY: the caller's promise.
        let low = unsafe { newlines_avx2(low) };
        // SAFETY: the caller's promise.
        let high = unsafe { newlines_avx2(high) };
        let mut mask = u64::from(high) << 32 | u64::from(low);
        while mask != 0 {
            ends.push(start + mask.trailing_zeros() + 1);
            mask &= mask - 1;
        }
        start += 64;
    }
    ends.extend(after_newlines(blocks.remainder(), start));
}

/// A bit for each of the first 32 bytes that is a newline.
///
/// # Safety
///
/// - The processor has AVX2.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn newlines_avx2(bytes: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8};
    let bytes = bytes[..32].as_ptr();
    // SAFETY: the caller's promise; these 32 bytes are there.
    let bytes = unsafe { _mm256_loadu_si256(bytes.cast()) };
    // SAFETY: the caller's promise.
    let newline = unsafe { _mm256_set1_epi8(b'\n' as i8) };
    // SAFETY: the caller's promise.
    let equal = unsafe { _mm256_cmpeq_epi8(bytes, newline) };
    // SAFETY: the caller's promise.
    unsafe { _mm256_movemask_epi8(equal) as u32 }
}
