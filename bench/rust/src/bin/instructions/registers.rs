//! Whether code with AVX2 keeps what it has in registers, where firmmap's functions are inlined into it: copies and searches of firmmap's
//! clear the upper halves of all registers.

use std::mem::MaybeUninit;

use firmmap::{Mmap, MmapOptions};

/// Ends the program if it does not.
pub fn check() {
    if !std::arch::is_x86_feature_detected!("avx2") {
        return;
    }
    let bytes: Vec<u8> = (0..96_128_u32).map(|index| (index % 251) as u8).collect();
    let map = MmapOptions::new().len(bytes.len()).map_anonymous().unwrap();
    map.write_all_at(&bytes, 0).unwrap();
    let word = |start: usize| u64::from_le_bytes(*bytes[start..].first_chunk().unwrap());
    let wanted: [[u64; 4]; 10] = std::array::from_fn(|index| {
        std::array::from_fn(|lane| {
            let words = (0..bytes.len() - 128).step_by(96).map(|start| word(start + 5 * index + 8 * lane));
            words.fold(index as u64, u64::wrapping_add)
        })
    });
    // SAFETY: the processor has AVX2.
    assert!(unsafe { sums_beside_reads(&bytes, &map) } == [wanted; 4], "the registers of the caller are its own");
    println!("the registers of a caller with AVX2 are as they were");
}

/// Sums of what is in records of 96 bytes, in as many registers of AVX2 as there are but a few; `next` is called for each record.
#[inline(always)]
unsafe fn sums(bytes: &[u8], mut next: impl FnMut(usize)) -> [[u64; 4]; 10] {
    use std::arch::x86_64::*;
    // SAFETY: the caller has AVX2.
    let mut sums: [__m256i; 10] = std::array::from_fn(|index| unsafe { _mm256_set1_epi64x(index as i64) });
    for start in (0..bytes.len() - 128).step_by(96) {
        next(start);
        for (index, sum) in sums.iter_mut().enumerate() {
            // SAFETY: the slice has 128 bytes from there.
            let number = unsafe { _mm256_loadu_si256(bytes[start + 5 * index..].as_ptr().cast()) };
            // SAFETY: the caller has AVX2.
            *sum = unsafe { _mm256_add_epi64(*sum, number) };
        }
    }
    sums.map(|sum| {
        let mut lanes = [0; 4];
        // SAFETY: the array is as long as the vector.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), sum) };
        lanes
    })
}

#[target_feature(enable = "avx2")]
fn sums_beside_reads(bytes: &[u8], map: &Mmap) -> [[[u64; 4]; 10]; 4] {
    let mut record = [MaybeUninit::uninit(); 96];
    let through =
        |start| map.try_read_through(bytes[start + 95], start, 200, |count| Some(vec![MaybeUninit::uninit(); count]));
    [
        // SAFETY: with AVX2.
        unsafe { sums(bytes, |start| _ = map.read_uninit_at(&mut record, start)) },
        // SAFETY: with AVX2.
        unsafe { sums(bytes, |start| _ = map.write_all_at(&bytes[start..start + 96], start)) },
        // SAFETY: with AVX2.
        unsafe { sums(bytes, |start| _ = map.find_byte(bytes[start + 95], start..)) },
        // SAFETY: with AVX2.
        unsafe { sums(bytes, |start| _ = through(start)) },
    ]
}
