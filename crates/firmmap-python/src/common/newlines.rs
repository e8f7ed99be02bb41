//! The ends of all lines of a block, found in one pass: a search for each has a fixed cost per line.

/// Appends the index behind each newline of `bytes` to `ends`.
pub(crate) fn ends_of_lines(bytes: &[u8], ends: &mut Vec<u32>) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("bmi1") {
        // SAFETY: the processor has these instructions.
        return unsafe { ends_avx2(bytes, ends) };
    }
    ends_from(bytes, ends, |block| memchr::memchr_iter(b'\n', block).fold(0, |mask, index| mask | 1 << index));
}

/// `newlines` gives a bit for each byte that is a newline.
#[inline(always)]
fn ends_from(bytes: &[u8], ends: &mut Vec<u32>, newlines: impl Fn(&[u8; 64]) -> u64) {
    let (blocks, rest) = bytes.as_chunks::<64>();
    let mut start = 0;
    for block in blocks {
        let mut mask = newlines(block);
        while mask != 0 {
            ends.push(start + mask.trailing_zeros() + 1);
            mask &= mask - 1;
        }
        start += 64;
    }
    ends.extend(memchr::memchr_iter(b'\n', rest).map(|index| start + index as u32 + 1));
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1")]
fn ends_avx2(bytes: &[u8], ends: &mut Vec<u32>) {
    use std::arch::x86_64::{_mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8};
    let newline = _mm256_set1_epi8(b'\n' as i8);
    let half = |half: &[u8; 32]| {
        // SAFETY: reads the 32 bytes.
        let bytes = unsafe { _mm256_loadu_si256(half.as_ptr().cast()) };
        _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, newline)) as u32
    };
    ends_from(bytes, ends, |block| {
        let (halves, _) = block.as_chunks::<32>();
        u64::from(half(&halves[1])) << 32 | u64::from(half(&halves[0]))
    });
}
