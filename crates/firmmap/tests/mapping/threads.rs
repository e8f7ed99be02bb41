//! One map, many threads, no `unsafe`.

use std::sync::atomic::Ordering;
use std::thread;

use crate::common::{Scratch, page};
use firmmap::{Access, MappedFile, Mmap, MmapOptions};

const ROUNDS: usize = 100;

// R2: maps go to other threads.
#[test]
fn send_and_sync() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Mmap>();
    check::<MappedFile>();
    check::<MmapOptions>();
    check::<firmmap::Error>();
}

/// Maps of one file that overlap, so that both writers and readers come in by different addresses.
fn overlapping_maps(scratch: &Scratch) -> [Mmap; 2] {
    let len = 8 * page();
    let options = MmapOptions::new().access(Access::Write).len(len);
    [options.open(scratch.path()).unwrap(), options.offset(5).open(scratch.path()).unwrap()]
}

// R2, A1: each byte that a reader gets was written by somebody; searches give only what can be.
#[test]
fn readers_writers_and_searches() {
    let len = 8 * page();
    let scratch = Scratch::new(&vec![1; len + 5]);
    let maps = overlapping_maps(&scratch);
    let anonymous = MmapOptions::new().len(len).map_anonymous().unwrap();
    anonymous.fill(.., 1).unwrap();
    for [first, second] in [[&maps[0], &maps[1]], [&anonymous, &anonymous]] {
        thread::scope(|scope| {
            for map in [first, second] {
                scope.spawn(|| write(map));
                scope.spawn(|| read(map));
                scope.spawn(|| search(map));
            }
        });
        assert!(first.to_vec(..).unwrap().iter().all(|byte| (1..=3).contains(byte)));
    }
}

fn write(map: &Mmap) {
    let (twos, half) = (vec![2; map.len()], map.len() / 2);
    for round in 0..ROUNDS {
        map.fill(.., 3).unwrap();
        map.write_all_at(&twos, 0).unwrap();
        map.copy_within(..half, half - 3).unwrap();
        map.write_strided_at(&[1; 50], round, 3).unwrap();
        map.set(round, 1).unwrap();
    }
}

fn read(map: &Mmap) {
    let mut some = [1; 1000];
    for round in 0..ROUNDS {
        let all = map.to_vec(..).unwrap();
        map.read_exact_at(&mut some, round).unwrap();
        assert!(all.iter().chain(&some).chain(&[map.get(round).unwrap()]).all(|byte| (1..=3).contains(byte)));
    }
}

fn search(map: &Mmap) {
    let len = map.len();
    for _ in 0..ROUNDS {
        assert_eq!(map.find(&[0], ..).unwrap(), None);
        assert_eq!(map.rfind(&[1, 4], ..).unwrap(), None);
        assert_eq!(map.count(&[0], ..).unwrap(), 0);
        for found in [map.find(&[2, 3, 3], 7..).unwrap(), map.rfind(&[3, 2, 2], 7..).unwrap()].into_iter().flatten() {
            assert!((7..=len - 3).contains(&found));
        }
        assert!(map.count(&[2, 2], ..).unwrap() <= len / 2);
    }
}

// R2: atomics lose no update.
#[test]
fn atomics_count() {
    let scratch = Scratch::new(&[0; 64]);
    let maps = [scratch.map(Access::Write), scratch.map(Access::Write)];
    thread::scope(|scope| {
        for map in maps.iter().cycle().take(4) {
            scope.spawn(|| {
                for index in (0..64).cycle().take(64 * 50) {
                    map.as_atomic().unwrap()[index].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(scratch.contents(), [200; 64]);
}

// R1, R2: maps are made and dropped while others are used.
#[test]
fn maps_come_and_go() {
    let scratch = Scratch::new(&vec![7; 3 * page()]);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..ROUNDS {
                    let map = MmapOptions::new().offset(round as u64).open(scratch.path()).unwrap();
                    assert_eq!(map.count(&[7], ..).unwrap(), 3 * page() - round);
                }
            });
        }
    });
}

// R1: a holder in another thread outlives the file object.
#[test]
fn shared_holders() {
    let file = MappedFile::new(MmapOptions::new().len(100).map_anonymous().unwrap());
    let map = file.share();
    let writer = thread::spawn(move || map.write_all_at(b"from afar", 0).map(|()| map));
    drop(file);
    let map = writer.join().unwrap().unwrap();
    assert_eq!(map.find(b"afar", ..).unwrap(), Some(5));
}

// R2: a thread that panics while it uses a map, or a file object, leaves it as usable as before.
#[test]
fn panics_of_others() {
    let scratch = Scratch::new(b"one\ntwo\nthree\n");
    let mut file = MappedFile::new(scratch.map(Access::Write));
    let panicked = thread::scope(|scope| {
        let user = scope.spawn(|| {
            for line in file.lines(..) {
                assert_ne!(line.unwrap(), b"two\n"[..], "the panic that is wanted");
            }
        });
        user.join()
    });
    assert!(panicked.is_err());
    assert_eq!(file.count(b"t", ..).unwrap(), 2);
    file.resize(3).unwrap();
    drop(file);
    assert_eq!(scratch.contents(), b"one");
}
