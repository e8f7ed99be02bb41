//! Counts the instructions of searches beside those of memchr and bstr, in the build that programs get; fails where they are more than
//! they may be. A count does not depend on what else the machine does.
//!
//!     make test-release-profile
//!     cargo run --release --manifest-path bench/rust/Cargo.toml --bin instructions
//!
//! Needs valgrind, under which the program runs itself: once with a few turns, once with more. Before that it looks through its own
//! symbols for intrinsics that are called instead of inlined.

#[cfg(target_arch = "x86_64")]
mod registers;

use std::hint::black_box;
use std::process::{Command, ExitCode};

use bstr::ByteSlice;
use firmmap::{Mmap, MmapOptions, Needles};
use memchr::memmem;

/// How many bytes are searched in a turn.
const LEN: usize = 1 << 20;

/// One thing to do, with firmmap and without.
struct Case {
    name: &'static str,
    ours: fn(&Mmap) -> usize,
    theirs: fn(&[u8]) -> usize,
    /// How many instructions firmmap may need, as a part of the other's.
    limit: f64,
}

fn cases() -> Vec<Case> {
    // As functions, so that each case is compiled by itself.
    macro_rules! case {
        ($name:expr, $limit:expr, |$map:ident| $ours:expr, |$slice:ident| $theirs:expr) => {
            Case { name: $name, ours: |$map| $ours, theirs: |$slice| $theirs, limit: $limit }
        };
    }
    macro_rules! absent {
        ($needle:literal, $limit:expr, $reverse:expr) => {
            [
                case!(concat!("find, absent: ", $needle), $limit, |map| find(map, $needle), |slice| {
                    memmem::find(slice, black_box($needle.as_bytes())).unwrap_or(0)
                }),
                case!(concat!("rfind, absent: ", $needle), $reverse, |map| rfind(map, $needle), |slice| {
                    memmem::rfind(slice, black_box($needle.as_bytes())).unwrap_or(0)
                }),
                case!(concat!("count, absent: ", $needle), $limit, |map| count(map, $needle), |slice| {
                    memmem::find_iter(slice, black_box($needle.as_bytes())).count()
                }),
            ]
        };
    }
    fn find(map: &Mmap, needle: &str) -> usize {
        map.find(black_box(needle.as_bytes()), ..).unwrap().unwrap_or(0)
    }
    fn rfind(map: &Mmap, needle: &str) -> usize {
        map.rfind(black_box(needle.as_bytes()), ..).unwrap().unwrap_or(0)
    }
    fn count(map: &Mmap, needle: &str) -> usize {
        map.count(black_box(needle.as_bytes()), ..).unwrap()
    }
    // From hit to hit, each time as a search of its own.
    fn hits(mut find: impl FnMut(usize) -> Option<usize>) -> usize {
        let (mut start, mut hits) = (0, 0);
        while let Some(index) = find(start) {
            (start, hits) = (index + 1, hits + 1);
        }
        hits
    }
    fn places() -> impl Iterator<Item = usize> {
        (0..LEN - 8).step_by(7).map(black_box)
    }
    let mut cases = Vec::new();
    // Each turn of the loop that looks for candidates has the fewest instructions there can be: a vector that is spilled is too many.
    cases.extend(absent!("!~", 0.48, 0.03));
    cases.extend(absent!("vz", 0.72, 0.05));
    cases.extend(absent!("the lazy cat", 0.3, 0.12));
    cases.extend(absent!("the quick brown fox jumps over the crazy dog, and then once more", 0.85, 1.3));
    cases.extend([
        case!(
            "find, from hit to hit",
            1.0,
            |map| hits(|start| map.find(black_box(b"jumps"), start..).unwrap()),
            |slice| hits(|start| Some(start + memmem::find(&slice[start..], black_box(b"jumps"))?))
        ),
        case!("count", 1.0, |map| count(map, "jumps"), |slice| memmem::find_iter(slice, black_box(b"jumps")).count()),
        case!(
            "find_iter",
            1.0,
            |map| map.find_iter(black_box(b"jumps"), ..).map(Result::unwrap).fold(0, usize::wrapping_add),
            |slice| memmem::find_iter(slice, black_box(b"jumps")).fold(0, usize::wrapping_add)
        ),
        case!(
            "find_iter of one byte",
            1.0,
            |map| map.find_iter(black_box(b"\n"), ..).map(Result::unwrap).fold(0, usize::wrapping_add),
            |slice| memmem::find_iter(slice, black_box(b"\n")).fold(0, usize::wrapping_add)
        ),
        case!("bits: count, one match in 256", 1.0, |map| count(map, "01101001"), |slice| {
            memmem::find_iter(slice, black_box(b"01101001")).count()
        }),
        case!("bits: count, one match in 4096", 1.0, |map| count(map, "011010011010"), |slice| {
            memmem::find_iter(slice, black_box(b"011010011010")).count()
        }),
        // 18 beside 11: the length and the guard's counts are loaded for each number, as other threads may change them.
        case!(
            "get_le, a u64 at any place",
            1.7,
            |map| places().map(|place| map.get_le::<u64>(place).unwrap() as usize).fold(0, usize::wrapping_add),
            |slice| places()
                .map(|place| u64::from_le_bytes(slice[place..place + 8].try_into().unwrap()) as usize)
                .fold(0, usize::wrapping_add)
        ),
        // The copy of 16 KiB is `rep movsb`, of which valgrind counts each byte: 64 instructions a line that are none.
        case!("lines", 1.15, |map| map.lines(..).map(|line| black_box(line.unwrap()).len()).sum(), |slice| slice
            .lines()
            .map(|line| black_box(line.to_vec()).len())
            .sum()),
        case!(
            "next_line",
            1.15,
            |map| {
                let (mut lines, mut sum) = (map.lines(..), 0);
                while let Some(line) = lines.next_line().unwrap() {
                    sum += black_box(line).len();
                }
                sum
            },
            |slice| slice.lines().map(|line| black_box(line).len()).sum()
        ),
        // Each line has it. A page is copied at a time, too.
        case!(
            "lines_containing, next_line",
            1.0,
            |map| {
                let needles = Needles::new([black_box("jumps")]).unwrap();
                let (mut lines, mut sum) = (map.lines_containing(&needles, ..), 0);
                while let Some(line) = lines.next_line().unwrap() {
                    sum += black_box(line).len();
                }
                sum
            },
            |slice| {
                let finder = memmem::Finder::new(black_box("jumps"));
                let lines = slice.lines().filter(|line| finder.find(line).is_some());
                lines.map(|line| black_box(line).len()).sum()
            }
        ),
    ]);
    cases
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [case, side, turns] = &arguments[..] {
        run(&cases()[case.parse::<usize>().unwrap()], side, turns.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    #[cfg(target_arch = "x86_64")]
    registers::check();
    let mut good = true;
    if arguments.iter().any(|argument| argument == "--symbols") {
        good = no_calls_of_intrinsics();
    }
    println!("{:>80}{:>12}{:>8}{:>8}", "instructions of 1 MiB: other", "firmmap", "ratio", "limit");
    for (number, case) in cases().iter().enumerate() {
        let [ours, theirs] = ["ours", "theirs"].map(|side| {
            let [few, many] = ["1", "3"].map(|turns| instructions(number, side, turns));
            (many - few) / 2
        });
        let ratio = ours as f64 / theirs as f64;
        let excess = if ratio > case.limit { "  too many" } else { "" };
        good &= excess.is_empty();
        println!("{:66}{theirs:>14}{ours:>12}{ratio:8.2}{:8.2}{excess}", case.name, case.limit);
    }
    if !good {
        return ExitCode::FAILURE;
    }
    println!(
        "searches in the build of a dependent program: {} counts of instructions within their limits",
        cases().len()
    );
    ExitCode::SUCCESS
}

/// Bytes of two kinds in no order: there are no rare bytes, nor any that are rare together.
fn bits() -> Vec<u8> {
    let mut random = 1_u64;
    let mut bit = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b'0' + (random >> 63) as u8
    };
    (0..LEN).map(|_| bit()).collect()
}

fn run(case: &Case, side: &str, turns: usize) {
    let lines = b"the quick brown fox jumps over the lazy dog, and then once more\n";
    let text = if case.name.starts_with("bits") { bits() } else { lines.repeat(LEN / 64) };
    let map = MmapOptions::new().len(LEN).map_anonymous().unwrap();
    map.write_all_at(&text, 0).unwrap();
    for _ in 0..turns {
        black_box(if side == "ours" { (case.ours)(black_box(&map)) } else { (case.theirs)(black_box(&text)) });
    }
}

/// What valgrind counts of this program.
fn instructions(case: usize, side: &str, turns: &str) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args([&case.to_string(), side, turns])
        .output()
        .expect("valgrind is installed");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    let collected = log.lines().find_map(|line| line.split_once("Collected : ")).expect("a count of instructions");
    collected.1.trim().parse().unwrap()
}

/// Whether this program has no symbol of an intrinsic of `core::arch`: what is inlined leaves none, where there is no debug information.
fn no_calls_of_intrinsics() -> bool {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    // The names in this program's own text are not to be found.
    let name = |parts: [&str; 2]| parts.concat();
    let has_symbols = memmem::find(&program, name(["firm", "map6memmem"]).as_bytes()).is_some();
    assert!(has_symbols, "a program with symbols");
    let intrinsics: Vec<_> = memmem::find_iter(&program, name(["core_", "arch"]).as_bytes())
        .map(|start| String::from_utf8_lossy(&program[start..(start + 60).min(program.len())]).into_owned())
        // The standard library asks the processor what it can by these.
        .filter(|symbol| !symbol.contains("xgetbv") && !symbol.contains("cpuid"))
        .collect();
    for symbol in &intrinsics {
        println!("called, not inlined: {symbol:?}");
    }
    intrinsics.is_empty()
}
