//! Searching as in a byte array: `find`, `index`, `count`, `in`, `startswith` and the like, and `find_all()`.
//!
//! As with `bytearray` and other than with the class `mmap`, a search without a start begins at the first byte, and not at the
//! position.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use firmmap::{ErrorKind, FindAnyCursor, Needles};
use memchr::memmem::Finder;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use super::{MappedFile, Open, This, boolean, closed_error, error, type_object};
use crate::args::{self, Args, Argument};
use crate::common::{DETACHED_SEARCH, Direction, Job, Mapped, Object, Returned, clamp, far_search, try_push};
use crate::sys::buffer::copy;
use crate::sys::detach::detached;
use crate::sys::exception::{Exception, PyResult, PyTypeError, PyValueError};
use crate::sys::objects::class_name;
use crate::sys::owned::Owned;
use crate::sys::state_lock::StateLock;
use crate::sys::typeobject::{Body, InstanceRef, RawRef, Receiver, Traverse};

/// What is searched for: bytes, or an integer that stands for one.
enum Needle<'a, 'py> {
    Bytes(Argument<'a, 'py>),
    Byte([u8; 1]),
}

impl<'a, 'py> Needle<'a, 'py> {
    #[inline]
    fn new(object: Object<'a, 'py>) -> PyResult<Self> {
        if !args::is_index(object) {
            return Argument::new(object).map(Self::Bytes);
        }
        let value = args::clipped(object)?;
        let byte = u8::try_from(value).map_err(|_| PyValueError::new_err("byte must be in range(0, 256)"))?;
        Ok(Self::Byte([byte]))
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes.bytes(),
            Self::Byte(byte) => byte,
        }
    }

    /// The bytes for work without the GIL: other threads could change what is not a bytes object.
    fn constant(&self) -> PyResult<Cow<'_, [u8]>> {
        match self {
            Self::Bytes(bytes) => bytes.constant(),
            Self::Byte(byte) => Ok(Cow::Borrowed(byte)),
        }
    }
}

/// What is searched for together: one needle, or an iterable of them.
pub(super) fn needles(py: Python<'_>, object: Object<'_, '_>) -> PyResult<Needles> {
    match several(py, object)? {
        Some(needles) => Ok(needles),
        None => Needles::new([copy(Needle::new(object)?.bytes())?]).map_err(error),
    }
}

/// An iterable of needles; `None` for what is one needle, or none at all.
fn several(py: Python<'_>, object: Object<'_, '_>) -> PyResult<Option<Needles>> {
    if args::is_index(object) || has_bytes(object) || object.is_instance_of::<PyString>() {
        return Ok(None);
    }
    // What is not iterable is no needle either, which is what the message should say.
    let iterator = match object.try_iter().map_err(Exception::from) {
        Ok(iterator) => iterator,
        Err(error) if error.is_type_error() => return Argument::new(object).map(|_| None),
        Err(error) => return Err(error),
    };
    let mut needles = Vec::new();
    for needle in iterator {
        needles.try_reserve(1)?;
        needles.push(copy(Needle::new(needle?.as_borrowed())?.bytes())?);
    }
    detached(py, || Needles::new(needles)).map(Some).map_err(error)
}

/// `start` and `end` of a search, as the items of a slice.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) start: Option<isize>,
    pub(super) end: Option<isize>,
}

impl Bounds {
    pub(super) fn new(start: Option<Object<'_, '_>>, end: Option<Object<'_, '_>>) -> PyResult<Self> {
        let bound = |object: Option<Object<'_, '_>>| match object {
            Some(object) if !object.is_none() => {
                if !args::is_index(object) {
                    let message = "slice indices must be integers or None or have an __index__ method";
                    return Err(PyTypeError::new_err(message));
                }
                args::clipped(object).map(Some)
            }
            _ => Ok(None),
        };
        Ok(Self { start: bound(start)?, end: bound(end)? })
    }

    /// The range in `len` bytes; `None` if it starts past their end or its own.
    pub(super) fn fit(self, len: usize) -> Option<Range<usize>> {
        let start = self.start.map_or(0, |start| clamp(start, len));
        let end = self.end.map_or(len, |end| clamp(end, len)).min(len);
        (start <= end).then_some(start..end)
    }
}

fn locate<'py>(this: This<'py>, args: Args<'py>, name: &str, direction: Direction) -> PyResult<Option<usize>> {
    let py = this.py;
    this.check_open(py)?;
    args.check(name, 1, 3)?;
    let needle = match args.get(0) {
        Some(object) => Needle::new(object)?,
        None => unreachable!("the number of arguments was checked"),
    };
    let bounds = Bounds::new(args.get(1), args.get(2))?;
    search(this, &needle, bounds, direction)
}

fn search(this: This<'_>, needle: &Needle<'_, '_>, bounds: Bounds, direction: Direction) -> PyResult<Option<usize>> {
    let py = this.py;
    let job = this.open(py, |open| {
        let Some(range) = bounds.fit(open.file.len()) else { return Ok(Job::Done(None)) };
        direction.begin(&mut open.file, needle.bytes(), range).map_err(error)
    })?;
    match job {
        Job::Done(found) => Ok(found),
        Job::Large(map, range) => {
            let needle = needle.constant()?;
            far_search(py, &map, |map| direction.search(map, &needle, range)).map_err(error)
        }
    }
}

fn or_minus_one(py: Python<'_>, found: Option<usize>) -> Returned<'_> {
    args::python_int(py, found.map_or(-1, |index| index as isize))
}

fn or_error(py: Python<'_>, found: Option<usize>) -> Returned<'_> {
    let index = found.ok_or_else(|| PyValueError::new_err("subsection not found"))?;
    args::python_int(py, index as isize)
}

pub(crate) fn find<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    or_minus_one(this.py, locate(this, args, "find", Direction::Forward)?)
}

pub(crate) fn rfind<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    or_minus_one(this.py, locate(this, args, "rfind", Direction::Backward)?)
}

pub(crate) fn index<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    or_error(this.py, locate(this, args, "index", Direction::Forward)?)
}

pub(crate) fn rindex<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    or_error(this.py, locate(this, args, "rindex", Direction::Backward)?)
}

pub(crate) fn contains<'py>(this: This<'py>, object: Object<'_, 'py>) -> PyResult<i32> {
    this.check_open(this.py)?;
    let needle = Needle::new(object)?;
    let found = search(this, &needle, Bounds { start: None, end: None }, Direction::Forward)?;
    Ok(i32::from(found.is_some()))
}

pub(crate) fn count<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("count", 1, 3)?;
    let needle = match args.get(0) {
        Some(object) => Needle::new(object)?,
        None => unreachable!("the number of arguments was checked"),
    };
    let bounds = Bounds::new(args.get(1), args.get(2))?;
    let job = this.open(py, |open| {
        let Some(range) = bounds.fit(open.file.len()) else { return Ok(Job::Done(0)) };
        if range.len() > DETACHED_SEARCH {
            return Ok(Job::Large(open.file.to_arc(), range));
        }
        open.file.count(needle.bytes(), range).map(Job::Done).map_err(error)
    })?;
    let count = match job {
        Job::Done(count) => count,
        Job::Large(map, range) => {
            let needle = needle.constant()?;
            far_search(py, &map, |map| map.count(&needle, range)).map_err(error)?
        }
    };
    args::python_int(py, count as isize)
}

pub(crate) fn startswith<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    affix(this, args, "startswith", |range, len| range.start..range.start + len)
}

pub(crate) fn endswith<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    affix(this, args, "endswith", |range, len| range.end - len..range.end)
}

/// Whether the bytes begin or end with one of the affixes; `place` returns where in a range it would have to be.
fn affix<'py>(
    this: This<'py>,
    args: Args<'py>,
    name: &str,
    place: impl Fn(&Range<usize>, usize) -> Range<usize>,
) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check(name, 1, 3)?;
    let Some(object) = args.get(0) else { unreachable!("the number of arguments was checked") };
    let bounds = Bounds::new(args.get(1), args.get(2))?;
    let is_there = |object: Object<'_, 'py>| {
        let affix = Argument::new(object)?;
        let bytes = affix.bytes();
        this.open(py, |open| {
            let Some(range) = bounds.fit(open.file.len()).filter(|range| bytes.len() <= range.len()) else {
                return Ok(false);
            };
            // Searching a range of the affix's length compares the two.
            let found = open.file.find(bytes, place(&range, bytes.len())).map_err(error)?;
            Ok(found.is_some())
        })
    };
    if let Ok(several) = object.cast::<PyTuple>() {
        for one in several.iter() {
            if is_there(one.as_borrowed())? {
                return Ok(boolean(py, true));
            }
        }
        return Ok(boolean(py, false));
    }
    if !has_bytes(object) {
        let message = format!("{name} first arg must be bytes or a tuple of bytes, not {}", class_name(object));
        return Err(PyTypeError::new_err(message));
    }
    Ok(boolean(py, is_there(object)?))
}

fn has_bytes(object: Object<'_, '_>) -> bool {
    crate::sys::buffer::is_exporter(object)
}

/// The iterator that `find_all()` returns.
pub(crate) struct Matches {
    state: StateLock<Cursor>,
    needle: Vec<u8>,
    /// The searcher, for a short needle. Boxed, as it needs more alignment than an instance has.
    finder: Option<Box<Finder<'static>>>,
}

struct Cursor {
    /// The file; `None` once exhausted.
    file: Option<InstanceRef<MappedFile>>,
    lookahead: Lookahead,
    /// In place of the needle and what was found of it ahead.
    several: Option<Several>,
}

/// The search for several needles.
struct Several {
    cursor: FindAnyCursor,
    /// Shared with the threads that search without the GIL.
    needles: Arc<Needles>,
    end: usize,
    /// The number of changes when matches were found ahead.
    changes: u64,
    /// Whether writable views existed then.
    has_views: bool,
}

struct Lookahead {
    /// Where the next match may start.
    position: usize,
    end: usize,
    /// Matches that were found ahead, in reverse order.
    ahead: Vec<usize>,
    /// The number of changes when they were found.
    changes: u64,
}

impl Body for Matches {
    fn filename(&self, py: Python<'_>) -> Option<Owned> {
        let held = self.state.with(py, |cursor| cursor.file.as_ref().map(|file| InstanceRef::new(file.receiver(py))));
        super::filename_of(py, held)
    }
}

impl Traverse for Matches {
    fn referent(&self, py: Python<'_>) -> Option<RawRef> {
        self.state.try_read(py, |cursor| cursor.file.as_ref().map(InstanceRef::raw))?
    }

    fn clear(&self, py: Python<'_>) {
        let file = self.state.with(py, |cursor| cursor.file.take());
        drop(file);
    }
}

/// How many bytes are searched ahead at a time.
const WINDOW: usize = 4096;
/// The longest needle that is searched for ahead.
const LOOKAHEAD_NEEDLE: usize = WINDOW / 4;

pub(crate) fn find_all<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("find_all", 1, 3)?;
    let Some(object) = args.get(0) else { unreachable!("the number of arguments was checked") };
    let several = several(py, object)?;
    let needle = if several.is_some() { Vec::new() } else { copy(Needle::new(object)?.bytes())? };
    let bounds = Bounds::new(args.get(1), args.get(2))?;
    let range = this.open(py, |open| Ok(bounds.fit(open.file.len())))?;
    let file = range.is_some().then(|| InstanceRef::new(this));
    let Range { start, end } = range.unwrap_or(0..0);
    let lookahead = Lookahead { position: start, end, ahead: Vec::new(), changes: 0 };
    let several = several.map(|needles| {
        let (cursor, needles) = (FindAnyCursor::new(start, end), Arc::new(needles));
        Several { cursor, needles, end, changes: 0, has_views: false }
    });
    let cursor = Cursor { file, lookahead, several };
    let finder = (needle.len() <= LOOKAHEAD_NEEDLE).then(|| Box::new(Finder::new(&needle).into_owned()));
    type_object::new_matches(this, Matches { state: StateLock::new(cursor), needle, finder })
}

/// The next match, if it was found ahead.
#[inline(always)]
pub(crate) fn try_next_match(matches: Receiver<'_, Matches>) -> Option<Bound<'_, PyAny>> {
    let py = matches.py;
    // The state of the iterator is locked before that of its map, everywhere.
    matches.state.with(py, |cursor| {
        let Cursor { file: Some(file), lookahead, several } = cursor else { return None };
        let changes = type_object::changes(file.receiver(py))?;
        if let Some(several) = several {
            let is_known = changes == several.changes && !several.has_views;
            return if is_known { several.take(py).ok()? } else { None };
        }
        let index = if changes == lookahead.changes { *lookahead.ahead.last()? } else { return None };
        // Without memory for it, the match stays the next one.
        let object = args::python_int(py, index as isize).ok()?;
        lookahead.ahead.pop();
        lookahead.position = index + matches.needle.len().max(1);
        Some(object)
    })
}

pub(crate) fn next_match(matches: Receiver<'_, Matches>) -> PyResult<Option<Bound<'_, PyAny>>> {
    let py = matches.py;
    if matches.state.with(py, |cursor| cursor.several.is_some()) {
        return next_of_several(matches);
    }
    // Returns the match as an object, or the file at the end.
    let pass = |cursor: &mut Cursor, found: Option<usize>| -> PyResult<_> {
        let Some(index) = found else {
            // Exhausted for good, even if the file grows, as the iterator protocol demands.
            return Ok((None, cursor.file.take()));
        };
        // Without memory for it, the search begins here again.
        let object = args::python_int(py, index as isize).inspect_err(|_| cursor.lookahead.ahead.clear())?;
        cursor.lookahead.position = index + matches.needle.len().max(1);
        Ok((Some(object), None))
    };
    loop {
        let (job, position) = matches.state.with(py, |cursor| -> PyResult<_> {
            let Cursor { file: Some(file), lookahead, .. } = cursor else { return Ok((Job::Done((None, None)), 0)) };
            let (this, position) = (file.receiver(py), lookahead.position);
            let job = this.state.with(py, |state| -> PyResult<_> {
                let open = state.as_mut().ok_or_else(closed_error)?;
                matches.near(open, lookahead)
            })?;
            Ok(match job {
                Job::Done(found) => (Job::Done(pass(cursor, found)?), position),
                Job::Large(map, range) => (Job::Large(map, range), position),
            })
        })?;
        let (map, range) = match job {
            Job::Done((found, _ended)) => return Ok(found),
            Job::Large(map, range) => (map, range),
        };
        let needle = &matches.needle;
        let found = far_search(py, &map, |map| {
            let found = map.find(needle, range.clone())?;
            check_passed_over(map, range, needle, found)?;
            Ok(found)
        });
        drop(map);
        let found = found.map_err(error)?;
        let passed = matches.state.with(py, |cursor| {
            // Otherwise another thread has returned this match.
            (cursor.lookahead.position == position).then(|| pass(cursor, found))
        });
        if let Some((found, _ended)) = passed.transpose()? {
            return Ok(found);
        }
    }
}

/// After a search in place of `range`, which has found a match there: refuses zeros in place of what others have cut off within a page. Where
/// that is the page in which the search began, they may have been passed over; in a later one, which is a fault past its first bytes, only a
/// needle that ends in zeros can match them.
fn check_passed_over(
    map: &firmmap::Mmap,
    range: Range<usize>,
    needle: &[u8],
    found: Option<usize>,
) -> firmmap::Result<()> {
    let page = |index: usize| (map.offset() as usize).wrapping_add(index) / firmmap::page_size();
    let (start, end) = match found.map(|index| (index, index + needle.len())) {
        None => (range.start, range.end),
        Some((_, end)) if page(range.start) == page(end.saturating_sub(1)) => (range.start, end),
        Some((start, end)) if needle.last() == Some(&0) => (start, end),
        Some(_) => return Ok(()),
    };
    if map.follows_end() { map.check_in_file(start, end) } else { Ok(()) }
}

impl Several {
    /// The next match that was found ahead, as an object.
    fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(place) = self.cursor.place() else { return Ok(None) };
        // Without memory for it, the match stays the next one.
        let object = args::python_int(py, place.start as isize)?;
        self.cursor.pass();
        Ok(Some(object))
    }
}

/// The next match of several needles: a block is searched at once, and what follows without the GIL.
fn next_of_several(matches: Receiver<'_, Matches>) -> PyResult<Option<Bound<'_, PyAny>>> {
    let py = matches.py;
    let mut is_first = true;
    loop {
        let (job, ended) = matches.state.with(py, |cursor| -> PyResult<_> {
            let (Some(file), Some(several)) = (&cursor.file, &mut cursor.several) else {
                return Ok((Job::Done(None), None));
            };
            let job = file.receiver(py).state.with(py, |state| -> PyResult<_> {
                let open = state.as_mut().ok_or_else(closed_error)?;
                several.has_views = open.has_writable_views();
                let has_changed = several.changes != open.changes;
                if is_first {
                    // What would be found ahead is likely to change as well.
                    several.cursor.set_one_by_one(has_changed || several.has_views);
                }
                // What was searched ahead before may have changed; a search goes on, whatever others write meanwhile.
                if is_first && (has_changed || several.has_views) {
                    several.cursor.go_back(several.end);
                } else if has_changed {
                    several.cursor.forget(several.end);
                }
                several.changes = open.changes;
                if several.cursor.place().is_none() {
                    several.cursor.step(&open.file, &several.needles, 1).map_err(error)?;
                }
                let found = several.take(py)?;
                if found.is_some() || several.cursor.is_done() {
                    return Ok(Job::Done(found));
                }
                Ok(Job::Large(open.file.to_arc(), (several.cursor.to_search(), Arc::clone(&several.needles))))
            })?;
            // Exhausted for good, even if the file grows, as the iterator protocol demands.
            let ended = if matches!(job, Job::Done(None)) { cursor.file.take() } else { None };
            Ok((job, ended))
        })?;
        drop(ended);
        let (map, (mut moved, needles)) = match job {
            Job::Done(found) => return Ok(found),
            Job::Large(map, far) => (map, far),
        };
        let before = moved.position();
        let result = far_search(py, &map, |map| moved.step(map, &needles, usize::MAX));
        drop(map);
        matches.state.with(py, |cursor| {
            // Otherwise another thread has gone on from there.
            if let Some(several) = cursor.several.as_mut().filter(|several| several.cursor.position() == before) {
                several.cursor = moved;
            }
        });
        result.map_err(error)?;
        is_first = false;
    }
}

/// `m._boundary_end(boundary, goal)`: the end of the first boundary that ends at the goal or after it, for `firmmap.split()`.
pub(crate) fn boundary_end<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("_boundary_end", 2, 2)?;
    let (Some(boundary), Some(goal)) = (args.get(0), args.get(1)) else {
        unreachable!("the number of arguments was checked")
    };
    let boundary = copy(Argument::new(boundary)?.bytes())?;
    let goal = usize::try_from(args::named_ssize("goal", goal)?).unwrap_or(0);
    let map = this.open(py, |open| Ok(open.file.to_arc()))?;
    let end = far_search(py, &map, |map| map.boundary_end(&boundary, .., goal));
    drop(map);
    args::python_int(py, end.map_err(error)? as isize)
}

impl Matches {
    /// Finds all matches near the position at once, or else the next one in the rest of the map.
    fn near(&self, open: &mut Open, lookahead: &mut Lookahead) -> PyResult<Job<Option<usize>, Range<usize>>> {
        let end = lookahead.end.min(open.file.len());
        let start = lookahead.position;
        lookahead.ahead.clear();
        lookahead.changes = open.changes;
        if start > end || self.needle.len() > end - start {
            check_passed_over(&open.file, start..end, &self.needle, None).map_err(error)?;
            return Ok(Job::Done(None));
        }
        // Nothing is searched ahead while writable views exist: their changes would be missed.
        if let Some(finder) = self.finder.as_ref().filter(|_| !open.has_writable_views()) {
            let window_end = end.min(start + WINDOW);
            let window = open.file.to_vec(start..window_end);
            let window = window.and_then(|bytes| {
                if window_end == end {
                    check_passed_over(&open.file, start..end, &self.needle, None)?;
                } else {
                    open.file.check_end_of_read(start, window_end, bytes.last() == Some(&0))?;
                }
                Ok(bytes)
            });
            let (window, is_whole) = match window {
                Ok(window) => (window, window_end == end),
                // A match before the missing byte is found in place.
                Err(failed) if failed.kind() == ErrorKind::Fault => (Vec::new(), false),
                Err(failed) => return Err(error(failed)),
            };
            let ahead = &mut lookahead.ahead;
            let mut add = |index| try_push(ahead, start + index);
            let added = match &self.needle[..] {
                [] => (0..=window.len()).try_for_each(&mut add),
                &[byte] => memchr::memchr_iter(byte, &window).try_for_each(&mut add),
                _ => finder.find_iter(&window).try_for_each(&mut add),
            };
            added.inspect_err(|_| lookahead.ahead.clear())?;
            lookahead.ahead.reverse();
            let found = lookahead.ahead.pop();
            if found.is_some() || is_whole {
                return Ok(Job::Done(found));
            }
        }
        let job = Direction::Forward.begin(&mut open.file, &self.needle, start..end).map_err(error)?;
        if let Job::Done(found) = job {
            check_passed_over(&open.file, start..end, &self.needle, found).map_err(error)?;
        }
        Ok(job)
    }
}
