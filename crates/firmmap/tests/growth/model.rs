//! Random sequences of operations on a `MappedFile` that grows and on a `std::fs::File`, side by side.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};

use crate::common::{Scratch, page};
use firmmap::{MappedFile, Mmap, MmapOptions, Mode};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

#[derive(Clone, Debug)]
enum Operation {
    Read(usize),
    ReadToEnd,
    Write(Vec<u8>),
    WriteAll(Vec<u8>),
    Seek(SeekFrom),
    Truncate(usize),
    Append(Vec<u8>),
    Grow(usize),
    /// Somebody else writes at the end of the file, and the map takes that in.
    OthersAppend(Vec<u8>),
    /// The same, and the map is not told.
    OthersAppendUnseen(Vec<u8>),
    Line,
    Lines,
}

/// Lengths and positions: mostly small ones, some about the borders of pages.
fn sizes() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..40usize, 1 => page() - 3..page() + 3, 1 => 0..5 * page()]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let line_or_not = |index: usize| if index % 23 == 22 { b'\n' } else { b'a' + (index % 23) as u8 };
    sizes().prop_map(move |len| (0..len).map(line_or_not).collect())
}

fn operations() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let distance = || sizes().prop_map(|distance| distance as i64);
    let targets = prop_oneof![
        sizes().prop_map(|position| SeekFrom::Start(position as u64)),
        distance().prop_map(SeekFrom::Current),
        distance().prop_map(|distance| SeekFrom::Current(-distance)),
        distance().prop_map(SeekFrom::End),
        distance().prop_map(|distance| SeekFrom::End(-distance)),
    ];
    prop_oneof![
        2 => sizes().prop_map(Read),
        1 => Just(ReadToEnd),
        3 => bytes().prop_map(Write),
        2 => bytes().prop_map(WriteAll),
        3 => targets.prop_map(Seek),
        2 => sizes().prop_map(Truncate),
        2 => bytes().prop_map(Append),
        1 => sizes().prop_map(Grow),
        1 => bytes().prop_map(OthersAppend),
        3 => bytes().prop_map(OthersAppendUnseen),
        1 => Just(Line),
        1 => Just(Lines),
    ]
}

/// What an operation gave: a number and bytes, where there are any; or what kind of error.
type Answer = Result<(u64, Vec<u8>), std::io::ErrorKind>;

fn common_part(file: &mut (impl Read + Write + Seek), operation: &Operation) -> std::io::Result<(u64, Vec<u8>)> {
    match operation {
        Operation::Read(len) => {
            let mut buffer = vec![0; *len];
            let count = file.read(&mut buffer)?;
            Ok((count as u64, buffer))
        }
        Operation::ReadToEnd => {
            let mut buffer = Vec::new();
            let count = file.read_to_end(&mut buffer)?;
            Ok((count as u64, buffer))
        }
        Operation::Write(bytes) => file.write(bytes).map(|count| (count as u64, Vec::new())),
        Operation::WriteAll(bytes) => file.write_all(bytes).map(|()| (0, Vec::new())),
        Operation::Seek(to) => file.seek(*to).map(|position| (position, Vec::new())),
        _ => unreachable!("{operation:?} is another thing for each"),
    }
}

fn on_the_map(map: &mut MappedFile, scratch: &Scratch, operation: &Operation) -> std::io::Result<(u64, Vec<u8>)> {
    let none = (0, Vec::new());
    match operation {
        Operation::Truncate(len) => Ok(map.truncate(*len).map(|()| none)?),
        // Beyond the capacity whoever has the map alone makes it longer.
        Operation::Append(bytes) if map.end()? + bytes.len() > map.capacity() => {
            let (position, end) = (map.position(), map.end()?);
            map.set_position(end);
            map.write_all(bytes)?;
            map.set_position(position);
            Ok((end as u64, Vec::new()))
        }
        Operation::Append(bytes) => Ok((map.append(bytes)? as u64, Vec::new())),
        Operation::Grow(more) if map.end()? + more > map.capacity() => {
            let len = map.end()? + more;
            Ok(map.truncate(len).map(|()| none)?)
        }
        Operation::Grow(more) => {
            let len = map.end()? + more;
            Ok(map.grow(len).map(|()| none)?)
        }
        Operation::OthersAppend(bytes) | Operation::OthersAppendUnseen(bytes) => {
            let mut other = File::options().append(true).open(scratch.path())?;
            other.write_all(bytes)?;
            if matches!(operation, Operation::OthersAppend(_)) {
                map.refresh()?;
            }
            Ok(none)
        }
        Operation::Line => {
            let mut line = Vec::new();
            let count = map.read_until(b'\n', &mut line)?;
            Ok((count as u64, line))
        }
        Operation::Lines => {
            map.follow_end()?;
            let start = map.position().min(map.len());
            let lines = Mmap::lines(map, start..).collect::<Result<Vec<_>, _>>()?;
            Ok((lines.len() as u64, lines.concat()))
        }
        _ => common_part(map, operation),
    }
}

fn on_the_file(file: &mut File, operation: &Operation) -> std::io::Result<(u64, Vec<u8>)> {
    let (position, end) = (file.stream_position()?, file.metadata()?.len());
    match operation {
        Operation::Truncate(len) => file.set_len(*len as u64).map(|()| (0, Vec::new())),
        Operation::Append(bytes) => {
            file.seek(SeekFrom::End(0))?;
            file.write_all(bytes)?;
            file.seek(SeekFrom::Start(position))?;
            Ok((end, Vec::new()))
        }
        Operation::Grow(more) => file.set_len(end + *more as u64).map(|()| (0, Vec::new())),
        Operation::OthersAppend(bytes) | Operation::OthersAppendUnseen(bytes) => {
            file.seek(SeekFrom::End(0))?;
            file.write_all(bytes)?;
            file.seek(SeekFrom::Start(position))?;
            Ok((0, Vec::new()))
        }
        Operation::Line => {
            let mut line = Vec::new();
            let count = BufReader::new(&*file).read_until(b'\n', &mut line)?;
            file.seek(SeekFrom::Start(position + count as u64))?;
            Ok((count as u64, line))
        }
        Operation::Lines => {
            let mut rest = Vec::new();
            file.read_to_end(&mut rest)?;
            file.seek(SeekFrom::Start(position))?;
            Ok((rest.split_inclusive(|&byte| byte == b'\n').count() as u64, rest))
        }
        _ => common_part(file, operation),
    }
}

/// Windows has an error of its own for a position before the start, which the standard library gives no kind.
fn kind(error: &std::io::Error) -> std::io::ErrorKind {
    const NEGATIVE_SEEK: i32 = 131;
    let before_the_start = cfg!(windows) && error.raw_os_error() == Some(NEGATIVE_SEEK);
    if before_the_start { std::io::ErrorKind::InvalidInput } else { error.kind() }
}

fn run(offset: usize, first: &[u8], capacity: usize, operations: &[Operation]) -> TestCaseResult {
    let before = vec![b'<'; offset];
    let scratch = Scratch::new(&[&before[..], first].concat());
    let options = MmapOptions::new().offset(offset as u64).capacity(capacity);
    let map = options.open_mode(scratch.path(), Mode::ReadWrite).unwrap();
    let mut model = tempfile::tempfile().unwrap();
    model.write_all(first).unwrap();
    run_beside(map, model, &before, &scratch, capacity, operations)
}

fn run_beside(
    mut map: MappedFile,
    mut model: File,
    before: &[u8],
    scratch: &Scratch,
    capacity: usize,
    operations: &[Operation],
) -> TestCaseResult {
    // On Windows nothing is reserved.
    let address = (cfg!(unix) && capacity > 0).then(|| map.as_ptr());
    model.rewind().unwrap();
    for (index, operation) in operations.iter().enumerate() {
        let found: Answer = on_the_map(&mut map, scratch, operation).map_err(|error| error.kind());
        let wanted: Answer = on_the_file(&mut model, operation).map_err(|error| kind(&error));
        prop_assert!(found == wanted, "operation {}: {:?}: {:?}, not {:?}", index, operation, found, wanted);
        prop_assert_eq!(map.position() as u64, model.stream_position().unwrap(), "{}: {:?}", index, operation);
        let contents = {
            let mut contents = Vec::new();
            let position = model.stream_position().unwrap();
            model.rewind().unwrap();
            model.read_to_end(&mut contents).unwrap();
            model.seek(SeekFrom::Start(position)).unwrap();
            contents
        };
        // What it does not have yet is seen where the end decides.
        let known = map.len().min(contents.len());
        let unseen = operations[..=index].iter().any(|one| matches!(one, Operation::OthersAppendUnseen(_)));
        prop_assert!(map.to_vec(..).unwrap() == contents[..known], "the map after {}: {:?}", index, operation);
        prop_assert!(known == contents.len() || unseen, "the length after {}: {:?}", index, operation);
        prop_assert!(scratch.contents() == [before, &contents].concat(), "the file after {}: {:?}", index, operation);
        if let Some(address) = address
            && map.len() <= capacity
            && map.capacity() == capacity
        {
            prop_assert_eq!(map.as_ptr(), address);
        }
    }
    Ok(())
}

fn sequences() -> impl Strategy<Value = Vec<Operation>> {
    prop::collection::vec(operations(), 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 150, ..ProptestConfig::default() })]

    // A3, G3, G6, G10, R1: as a plain file, without any capacity: the map moves.
    #[test]
    fn a_map_that_moves(first in bytes(), operations in sequences()) {
        run(0, &first, 0, &operations)?;
    }

    // G2, G6, G10: in its place, and beyond, from any offset.
    #[test]
    fn a_map_with_a_capacity(
        offset in sizes(),
        first in bytes(),
        capacity in prop_oneof![Just(crate::common::large()), sizes()],
        operations in sequences(),
    ) {
        run(offset, &first, capacity, &operations)?;
    }

    // G10: and one of a file that is only appended to, wherever the position is.
    #[cfg(unix)]
    #[test]
    fn a_map_that_appends(
        first in bytes(),
        capacity in prop_oneof![Just(crate::common::large()), sizes()],
        operations in sequences(),
    ) {
        let (scratch, other) = (Scratch::new(&first), Scratch::new(&first));
        let open = |scratch: &Scratch| File::options().read(true).append(true).open(scratch.path()).unwrap();
        let map = MmapOptions::new().capacity(capacity).map_mode(&open(&scratch), Mode::ReadWrite).unwrap();
        run_beside(map, open(&other), &[], &scratch, capacity, &operations)?;
    }
}
