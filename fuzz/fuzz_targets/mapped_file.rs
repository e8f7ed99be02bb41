//! A file that is mapped and grows, against the standard library's `Cursor` over a vector; and against the file.

#![no_main]

use std::io::{BufRead, Cursor, Read, Seek, SeekFrom, Write};

use arbitrary::Arbitrary;
use firmmap::{MmapOptions, Mode};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Action<'a> {
    Read(u16),
    ReadToEnd,
    ReadLine,
    Write(&'a [u8]),
    Append(&'a [u8]),
    SeekStart(u16),
    SeekEnd(i16),
    SeekCurrent(i16),
    Truncate(u16),
    Share,
    Unshare,
    CopyWithin(u16, u16, u16),
    Fill(u16, u16, u8),
}

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    capacity: u16,
    actions: Vec<Action<'a>>,
}

fuzz_target!(|input: Input| {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let options = MmapOptions::new().capacity(usize::from(input.capacity));
    let mut file = options.open_mode(&path, Mode::CreateNew).unwrap();
    let mut model = Cursor::new(Vec::<u8>::new());
    let mut shares = Vec::new();
    for action in input.actions {
        let len = model.get_ref().len();
        let clipped = |place: u16| usize::from(place).min(len);
        match action {
            Action::Read(count) => {
                let (mut ours, mut wanted) = (vec![1; usize::from(count)], vec![1; usize::from(count)]);
                assert_eq!(file.read(&mut ours).unwrap(), model.read(&mut wanted).unwrap());
                assert_eq!(ours, wanted);
            }
            Action::ReadToEnd => {
                let (mut ours, mut wanted) = (Vec::new(), Vec::new());
                assert_eq!(file.read_to_end(&mut ours).unwrap(), model.read_to_end(&mut wanted).unwrap());
                assert_eq!(ours, wanted);
            }
            Action::ReadLine => {
                let (mut ours, mut wanted) = (Vec::new(), Vec::new());
                file.read_until(b'\n', &mut ours).unwrap();
                model.read_until(b'\n', &mut wanted).unwrap();
                assert_eq!(ours, wanted);
            }
            Action::Write(bytes) => {
                let position = file.position();
                match file.write_all(bytes) {
                    Ok(()) if bytes.is_empty() => {}
                    Ok(()) => model.write_all(bytes).unwrap(),
                    // It would have to move.
                    Err(_) => {
                        assert!(!shares.is_empty() && position + bytes.len() > file.capacity());
                        assert_eq!(file.position(), position);
                    }
                }
            }
            Action::Append(bytes) => match file.append(bytes) {
                Ok(place) => {
                    assert_eq!(place, len);
                    model.get_mut().extend_from_slice(bytes);
                }
                Err(_) => assert!(len + bytes.len() > file.capacity()),
            },
            Action::SeekStart(place) => {
                let to = SeekFrom::Start(place.into());
                assert_eq!(file.seek(to).unwrap(), model.seek(to).unwrap());
            }
            Action::SeekEnd(distance) => {
                let to = SeekFrom::End(distance.into());
                assert_eq!(file.seek(to).ok(), model.seek(to).ok());
            }
            Action::SeekCurrent(distance) => {
                let to = SeekFrom::Current(distance.into());
                assert_eq!(file.seek(to).ok(), model.seek(to).ok());
            }
            Action::Truncate(new) => {
                let new = usize::from(new);
                match file.truncate(new) {
                    Ok(()) => model.get_mut().resize(new, 0),
                    Err(_) => assert!(!shares.is_empty() && (new < len || new > file.capacity())),
                }
            }
            Action::Share => shares.push(file.share()),
            Action::Unshare => drop(shares.pop()),
            Action::CopyWithin(start, count, target) => {
                let source = clipped(start)..clipped(start) + usize::from(count).min(len - clipped(start));
                let fits = usize::from(target) + source.len() <= len;
                assert_eq!(file.copy_within(source.clone(), target.into()).is_ok(), fits);
                if fits {
                    model.get_mut().copy_within(source, target.into());
                }
            }
            Action::Fill(start, end, byte) => {
                let range = clipped(start).min(clipped(end))..clipped(end);
                file.fill(range.clone(), byte).unwrap();
                model.get_mut()[range].fill(byte);
            }
        }
        assert_eq!((file.len(), file.position() as u64), (model.get_ref().len(), model.position()));
        assert!(shares.iter().all(|share| share.len() == file.len()));
    }
    assert!(file.to_vec(..).unwrap() == *model.get_ref());
    assert!(std::fs::read(&path).unwrap() == *model.get_ref());
});
