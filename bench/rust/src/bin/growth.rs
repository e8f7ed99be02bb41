//! What it costs to append to a map, and to read its lines, beside a plain file.
//!
//! `cargo bench -p firmmap --bench growth`. Every way has its turn in every round, so that whatever else the machine does
//! meets all of them; what is printed is the median of the rounds, and its ratio to the first way.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use firmmap::{MappedFile, Mmap, MmapOptions, Mode};

const LINES: usize = 20_000;
const LINE: &[u8] = b"2026-11-24T03:22:10.123456Z INFO worker-7 request served in 12 ms\n";
const ROUNDS: usize = 31;

type Way<'a> = (&'static str, Box<dyn Fn() + 'a>);

fn main() -> std::io::Result<()> {
    assert_eq!(LINE.len(), 66);
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("log");
    println!("{LINES} lines of {} bytes appended", LINE.len());
    appending(&path);
    std::fs::write(&path, LINE.repeat(LINES))?;
    println!("{LINES} lines of {} bytes read", LINE.len());
    reading(&path)
}

fn write_lines(mut writer: impl Write) {
    for _ in 0..LINES {
        writer.write_all(LINE).unwrap();
    }
    writer.flush().unwrap();
}

/// A writer whose `flush` does not wait for the disk, as that of a plain file does not.
struct Unflushed<W>(W);

impl<W: Write> Write for Unflushed<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn appending(path: &Path) {
    let mapped = |capacity| MmapOptions::new().capacity(capacity).open_mode(path, Mode::Create).unwrap();
    let ways: Vec<Way> = vec![
        ("File in a BufWriter", Box::new(|| write_lines(BufWriter::new(File::create(path).unwrap())))),
        ("MappedFile in a BufWriter", Box::new(|| write_lines(BufWriter::new(Unflushed(mapped(0)))))),
        (
            "MappedFile in a BufWriter, with a capacity",
            Box::new(|| write_lines(BufWriter::new(Unflushed(mapped(1 << 30))))),
        ),
        ("File", Box::new(|| write_lines(File::create(path).unwrap()))),
        ("MappedFile", Box::new(|| write_lines(Unflushed(mapped(0))))),
        ("MappedFile, with a capacity", Box::new(|| write_lines(Unflushed(mapped(1 << 30))))),
        (
            "Mmap::append",
            Box::new(|| {
                let map = mapped(1 << 30);
                for _ in 0..LINES {
                    map.append(LINE).unwrap();
                }
            }),
        ),
    ];
    compare(&ways, &|| {
        assert_eq!(std::fs::metadata(path).unwrap().len() as usize, LINES * LINE.len());
        std::fs::remove_file(path).unwrap();
    });
}

fn reading(path: &Path) -> std::io::Result<()> {
    let map = MmapOptions::new().open(path)?;
    let count = |count: usize| assert_eq!(count, LINES);
    let ways: Vec<Way> = vec![
        (
            "File in a BufReader, read_until",
            Box::new(|| {
                let mut file = BufReader::new(File::open(path).unwrap());
                let (mut line, mut lines) = (Vec::new(), 0);
                while file.read_until(b'\n', &mut line).unwrap() > 0 {
                    black_box(&line);
                    line.clear();
                    lines += 1;
                }
                count(lines);
            }),
        ),
        (
            "Lines::next_line",
            Box::new(|| {
                let (mut iterator, mut lines) = (map.lines(..), 0);
                while let Some(line) = iterator.next_line().unwrap() {
                    black_box(line);
                    lines += 1;
                }
                count(lines);
            }),
        ),
        ("Mmap::lines", Box::new(|| count(map.lines(..).inspect(|line| assert!(line.is_ok())).count()))),
        (
            "MappedFile, read_until",
            Box::new(|| {
                let mut file = MappedFile::open(path, Mode::Read).unwrap();
                let (mut line, mut lines) = (Vec::new(), 0);
                while file.read_until(b'\n', &mut line).unwrap() > 0 {
                    black_box(&line);
                    line.clear();
                    lines += 1;
                }
                count(lines);
            }),
        ),
        ("Mmap::find, again and again", Box::new(|| count(finds(&map)))),
        (
            "Mmap::find_iter",
            Box::new(|| count(map.find_iter(b"\n", ..).inspect(|place| assert!(place.is_ok())).count())),
        ),
        ("Mmap::find, again and again, two bytes", Box::new(|| count(finds_of(&map, b"s\n")))),
        (
            "Mmap::find_iter, two bytes",
            Box::new(|| count(map.find_iter(b"s\n", ..).inspect(|place| assert!(place.is_ok())).count())),
        ),
        ("Mmap::count", Box::new(|| count(map.count(b"\n", ..).unwrap()))),
    ];
    compare(&ways, &|| {});
    Ok(())
}

fn finds(map: &Mmap) -> usize {
    finds_of(map, b"\n")
}

fn finds_of(map: &Mmap, needle: &[u8]) -> usize {
    let (mut start, mut count) = (0, 0);
    while let Some(place) = map.find(needle, start..).unwrap() {
        start = place + needle.len();
        count += 1;
    }
    count
}

fn compare(ways: &[Way<'_>], after: &dyn Fn()) {
    let mut times = vec![Vec::new(); ways.len()];
    for round in 0..ROUNDS {
        for ((_, way), times) in ways.iter().zip(&mut times) {
            let start = Instant::now();
            way();
            let elapsed = start.elapsed().as_nanos() as f64 / LINES as f64;
            after();
            // The first round has everything to read in.
            if round > 0 {
                times.push(elapsed);
            }
        }
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let medians: Vec<f64> = times.iter_mut().map(median).collect();
    for ((name, _), time) in ways.iter().zip(&medians) {
        println!("  {name:44} {time:8.1} ns a line {:8.2}", time / medians[0]);
    }
}
