//! Random sequences of operations on a `MappedFile` and on a `Cursor<Vec<u8>>`, side by side.

use std::io::{Cursor, ErrorKind, Read, Seek, SeekFrom, Write};

use crate::common::{Scratch, page};
use firmmap::{Access, MappedFile, MmapOptions};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

#[derive(Clone, Debug)]
enum Operation {
    Read(usize),
    ReadToEnd,
    ReadExact(usize),
    Write(Vec<u8>),
    WriteAll(Vec<u8>),
    Seek(SeekFrom),
    Resize(usize),
    Find(Vec<u8>, usize, usize),
    Rfind(Vec<u8>, usize, usize),
    CopyWithin(usize, usize, usize),
    Fill(usize, usize, u8),
}

/// Lengths and positions: mostly small ones, some about the borders of pages.
fn sizes() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..40usize, 1 => page() - 3..page() + 3, 1 => 0..3 * page()]
}

/// Few different bytes, so that searches find something.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(0..4u8, 0..40),
        1 => sizes().prop_map(|len| (0..len).map(|index| (index % 5) as u8).collect()),
    ]
}

fn targets() -> impl Strategy<Value = SeekFrom> {
    let distance = || sizes().prop_map(|distance| distance as i64);
    prop_oneof![
        sizes().prop_map(|position| SeekFrom::Start(position as u64)),
        distance().prop_map(SeekFrom::Current),
        distance().prop_map(|distance| SeekFrom::Current(-distance)),
        distance().prop_map(SeekFrom::End),
        distance().prop_map(|distance| SeekFrom::End(-distance)),
        Just(SeekFrom::Start(u64::MAX)),
        Just(SeekFrom::Current(i64::MAX)),
        Just(SeekFrom::Current(i64::MIN)),
        Just(SeekFrom::End(i64::MIN)),
    ]
}

fn operations() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let needles = || prop::collection::vec(0..4u8, 0..4);
    prop_oneof![
        2 => sizes().prop_map(Read),
        1 => Just(ReadToEnd),
        2 => sizes().prop_map(ReadExact),
        2 => bytes().prop_map(Write),
        2 => bytes().prop_map(WriteAll),
        4 => targets().prop_map(Seek),
        3 => sizes().prop_map(Resize),
        1 => (needles(), sizes(), sizes()).prop_map(|(needle, start, len)| Find(needle, start, len)),
        1 => (needles(), sizes(), sizes()).prop_map(|(needle, start, len)| Rfind(needle, start, len)),
        1 => (sizes(), sizes(), sizes()).prop_map(|(start, len, target)| CopyWithin(start, len, target)),
        1 => (sizes(), sizes(), 0..4u8).prop_map(|(start, len, value)| Fill(start, len, value)),
    ]
}

type Outcome<T> = Result<T, ErrorKind>;

/// The outcome that the standard library's `Result` has in common with the crate's.
fn kind<T, E: Into<std::io::Error>>(result: Result<T, E>) -> Outcome<T> {
    result.map_err(|error| error.into().kind())
}

/// What an operation gave: a number and bytes, where there are any.
type Answer = Outcome<(Option<u64>, Vec<u8>)>;

fn nothing(_: ()) -> (Option<u64>, Vec<u8>) {
    (None, Vec::new())
}

fn number(number: impl TryInto<u64>) -> (Option<u64>, Vec<u8>) {
    (number.try_into().ok(), Vec::new())
}

fn found(index: Option<usize>) -> (Option<u64>, Vec<u8>) {
    (index.map(|index| index as u64), Vec::new())
}

/// What is the same code for both.
fn read_or_seek(file: &mut (impl Read + Seek), operation: &Operation) -> Answer {
    match *operation {
        Operation::Read(len) => {
            let mut buffer = vec![0xaa; len];
            kind(file.read(&mut buffer)).map(|count| (Some(count as u64), buffer))
        }
        Operation::ReadToEnd => {
            let mut buffer = b"before".to_vec();
            kind(file.read_to_end(&mut buffer)).map(|count| (Some(count as u64), buffer))
        }
        Operation::ReadExact(len) => {
            let mut buffer = vec![0xaa; len];
            kind(file.read_exact(&mut buffer)).map(|()| (None, buffer))
        }
        Operation::Seek(to) => kind(file.seek(to)).map(number),
        _ => unreachable!("{operation:?} is another thing for each"),
    }
}

fn on_the_map(file: &mut MappedFile, operation: &Operation) -> Answer {
    match operation {
        Operation::Write(bytes) => kind(file.write(bytes)).map(number),
        Operation::WriteAll(bytes) => kind(file.write_all(bytes)).map(nothing),
        &Operation::Resize(len) => kind(file.resize(len)).map(nothing),
        Operation::Find(needle, start, len) => kind(file.find(needle, *start..start + len)).map(found),
        Operation::Rfind(needle, start, len) => kind(file.rfind(needle, *start..start + len)).map(found),
        &Operation::CopyWithin(start, len, target) => kind(file.copy_within(start..start + len, target)).map(nothing),
        &Operation::Fill(start, len, value) => kind(file.fill(start..start + len, value)).map(nothing),
        _ => read_or_seek(file, operation),
    }
}

/// Runs `write` on a cursor that cannot make its bytes more.
fn cut<T>(model: &mut Cursor<Vec<u8>>, write: impl FnOnce(&mut Cursor<&mut [u8]>) -> std::io::Result<T>) -> Outcome<T> {
    let position = model.position();
    let mut cursor = Cursor::new(model.get_mut().as_mut_slice());
    cursor.set_position(position);
    let result = write(&mut cursor);
    let position = cursor.position();
    model.set_position(position);
    kind(result)
}

/// `behind` are the file's bytes behind the map.
fn on_the_model(model: &mut Cursor<Vec<u8>>, behind: &mut Vec<u8>, operation: &Operation) -> Answer {
    let end = model.get_ref().len();
    let inside = |start: usize, len: usize| if start + len <= end { Ok(()) } else { Err(ErrorKind::InvalidInput) };
    match operation {
        Operation::ReadExact(_) => {
            let position = model.position();
            let answer = read_or_seek(model, operation);
            // Where it fails, the cursor goes to the end, also from behind it; a file stays there, and so do we.
            model.set_position(model.position().max(position));
            answer
        }
        Operation::Write(bytes) => cut(model, |cursor| cursor.write(bytes)).map(number),
        Operation::WriteAll(bytes) => cut(model, |cursor| cursor.write_all(bytes)).map(nothing),
        &Operation::Resize(len) => {
            // The map grows into what the file has there, and the file ends where the map does.
            model.get_mut().append(behind);
            model.get_mut().resize(len, 0);
            Ok(nothing(()))
        }
        Operation::Find(needle, start, len) | Operation::Rfind(needle, start, len) => {
            inside(*start, *len)?;
            let haystack = &model.get_ref()[*start..start + len];
            let mut places = (0..=haystack.len()).filter(|&index| haystack[index..].starts_with(needle));
            let first = matches!(operation, Operation::Find(..));
            let index = if first { places.next() } else { places.next_back() };
            Ok(found(index.map(|index| start + index)))
        }
        &Operation::CopyWithin(start, len, target) => {
            inside(start, len)?;
            inside(target, len)?;
            model.get_mut().copy_within(start..start + len, target);
            Ok(nothing(()))
        }
        &Operation::Fill(start, len, value) => {
            inside(start, len)?;
            model.get_mut()[start..start + len].fill(value);
            Ok(nothing(()))
        }
        Operation::Seek(_) => {
            let before = model.position();
            let answer = read_or_seek(model, operation);
            // A map has no positions that an address cannot have.
            if usize::try_from(model.position()).is_err() {
                model.set_position(before);
                return Err(std::io::ErrorKind::InvalidInput);
            }
            answer
        }
        _ => read_or_seek(model, operation),
    }
}

/// Runs all operations on both, and compares after each.
fn run(file: &mut MappedFile, behind: &mut Vec<u8>, operations: &[Operation]) -> TestCaseResult {
    let mut model = Cursor::new(file.to_vec(..).unwrap());
    for (index, operation) in operations.iter().enumerate() {
        let (found, wanted) = (on_the_map(file, operation), on_the_model(&mut model, behind, operation));
        prop_assert_eq!(found, wanted, "operation {}: {:?}", index, operation);
        prop_assert_eq!(file.position() as u64, model.position(), "the position after {}: {:?}", index, operation);
        same(&file.to_vec(..).unwrap(), model.get_ref(), || format!("after {index}: {operation:?}"))?;
    }
    Ok(())
}

fn same(found: &[u8], wanted: &[u8], context: impl Fn() -> String) -> TestCaseResult {
    prop_assert_eq!(found.len(), wanted.len(), "the length {}", context());
    let differs = (0..found.len()).find(|&index| found[index] != wanted[index]);
    prop_assert_eq!(differs, None, "index of a byte that differs {}", context());
    Ok(())
}

/// Runs on a map of a file from `offset`, behind which the file has `rest` more bytes.
fn run_on_a_file(offset: usize, bytes: &[u8], rest: usize, operations: &[Operation]) -> TestCaseResult {
    let (before, mut behind) = (vec![b'<'; offset], vec![b'>'; rest]);
    let scratch = Scratch::new(&[before.as_slice(), bytes, &behind].concat());
    let options = MmapOptions::new().access(Access::Write).offset(offset as u64).len(bytes.len());
    let mut file = MappedFile::new(options.open(scratch.path()).unwrap());
    run(&mut file, &mut behind, operations)?;
    let memory = file.to_vec(..).unwrap();
    drop(file);
    same(&scratch.contents(), &[before, memory, behind].concat(), || "of the file".to_owned())
}

fn sequences() -> impl Strategy<Value = Vec<Operation>> {
    prop::collection::vec(operations(), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    // A3, C5, C6, C9, C10, C12, R1: as a cursor over the whole file.
    #[test]
    fn a_map_of_a_file(bytes in bytes(), operations in sequences()) {
        run_on_a_file(0, &bytes, 0, &operations)?;
    }

    // G2, R3: and over a part of it, from any offset.
    #[test]
    fn a_map_of_a_part(offset in sizes(), bytes in bytes(), rest in sizes(), operations in sequences()) {
        run_on_a_file(offset, &bytes, rest, &operations)?;
    }

    // B6, C9: and over memory.
    #[test]
    fn a_map_of_memory(bytes in bytes(), operations in sequences()) {
        let map = MmapOptions::new().len(bytes.len()).private().map_anonymous().unwrap();
        map.write_all_at(&bytes, 0).unwrap();
        run(&mut MappedFile::new(map), &mut Vec::new(), &operations)?;
    }
}
