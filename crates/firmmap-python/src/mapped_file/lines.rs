//! Lines: iteration, which moves the position, and `lines()`, which does not.
//!
//! Both copy the rest of a page into private memory and cut the lines from there: one guarded access for all lines of
//! the page. Nothing is read ahead beyond the page, so that a page which is gone is found out where it would have been
//! without. What was read ahead is dropped when something is written through the object, and nothing is read ahead
//! while others hold views that can be written to.

use std::sync::Arc;

use pyo3::prelude::*;

use super::{MappedFile, Open, This, closed_error, error, write};
use crate::common::newlines::ends_of_lines;
use crate::common::shared_file::File;
use crate::common::state_lock::Exclusive;
use crate::common::{Returned, far_line, near_line, pass};
use crate::sys::buffer::{new_bytes, try_new_bytes};
use crate::sys::exception::PyResult;
use crate::sys::owned::Owned;
use crate::sys::typeobject::{Body, Held, Holder, Link, Receiver};

/// Lines that are longer than this many pages are looked for in the map itself.
const PAGES: usize = 4;

/// Bytes that were read ahead, and the lines in them.
#[derive(Default)]
pub(super) struct Block {
    bytes: Vec<u8>,
    /// Where in the map they are from.
    start: usize,
    /// Where each of the lines ends, counted from the start of the block.
    ends: Vec<u32>,
    /// The line that is due, and where in the map it begins.
    next: usize,
    position: usize,
    /// The count of changes that they were read at.
    changes: u64,
}

impl Block {
    /// The line at `position`, if it is here, as an object; the next line is due then.
    #[inline(always)]
    fn take<'py>(&mut self, py: Python<'py>, position: usize, changes: u64) -> Option<(Bound<'py, PyAny>, usize)> {
        if self.position != position || self.changes != changes {
            return None;
        }
        let end = *self.ends.get(self.next)? as usize;
        let line = self.bytes.get(position - self.start..end)?;
        // Where there is no memory for it the slow way says so.
        let object = try_new_bytes(py, line)?;
        self.next += 1;
        self.position = self.start + end;
        Some((object, self.position))
    }

    /// Whether there is the beginning of a line at `position`, and not its end.
    fn has_part(&self, position: usize, changes: u64) -> bool {
        self.position == position && self.changes == changes && position - self.start < self.bytes.len()
    }

    /// Whether what was read reaches to the end of a map of `len` bytes.
    fn reaches(&self, len: usize) -> bool {
        self.start + self.bytes.len() >= len
    }

    /// Reads the map from `position` to the end of its page, and `more` pages. A line that the end of the map cuts off is not among
    /// them: it may have become longer when it is due.
    fn read(&mut self, source: &Source<'_>, position: usize, more: usize) -> firmmap::Result<()> {
        let page = firmmap::page_size();
        let len = source.map.len();
        let to_border = page - (source.map.offset() as usize).wrapping_add(position) % page;
        let count = (to_border + more * page).min(len - position);
        self.ends.clear();
        self.bytes.resize(count, 0);
        source.map.read_exact_at(&mut self.bytes, position)?;
        ends_of_lines(&self.bytes, &mut self.ends);
        (self.start, self.next, self.position) = (position, 0, position);
        self.changes = source.changes;
        Ok(())
    }
}

/// What lines are read from.
struct Source<'a> {
    map: &'a firmmap::Mmap,
    changes: u64,
    /// Others hold views of it that they can write to.
    is_lent: bool,
    /// Whether the map ends where the file does now, or for ever.
    is_end_known: bool,
}

enum Line<'py> {
    Found(Bound<'py, PyAny>),
    /// Nothing more, or, while the end is not known, perhaps not the whole line.
    End,
    /// None within the next pages.
    Far,
}

/// The line at `position`, which then is behind it.
#[inline(never)]
fn cut<'py>(py: Python<'py>, source: &Source<'_>, block: &mut Block, position: &mut usize) -> PyResult<Line<'py>> {
    if *position >= source.map.len() {
        source.map.check().map_err(error)?;
        return Ok(Line::End);
    }
    if source.is_lent {
        // What others change is not to be found here, in place of what it was changed to.
        let Some((line, ended)) = near_line::<MappedFile>(py, source.map, *position, source.map.len() - *position)?
        else {
            return Ok(Line::Far);
        };
        if !ended && !source.is_end_known {
            return Ok(Line::End);
        }
        *position += line.len();
        return Ok(Line::Found(line.finish()));
    }
    let known = usize::from(block.has_part(*position, source.changes));
    for more in known..PAGES {
        block.read(source, *position, more).map_err(error)?;
        if let Some(&end) = block.ends.first() {
            let line = new_bytes(py, &block.bytes[..end as usize])?;
            *position += end as usize;
            (block.next, block.position) = (1, *position);
            return Ok(Line::Found(line));
        }
        if block.reaches(source.map.len()) {
            if !source.is_end_known {
                return Ok(Line::End);
            }
            *position += block.bytes.len();
            block.position = *position;
            return new_bytes(py, &block.bytes).map(Line::Found);
        }
    }
    Ok(Line::Far)
}

/// As [`cut`], from a map that goes on with its file: at its end the file is asked for its length.
fn cut_to_end<'py>(
    py: Python<'py>,
    file: &mut File,
    changes: u64,
    is_lent: bool,
    block: &mut Block,
    position: &mut usize,
) -> PyResult<Line<'py>> {
    let is_end_known = !file.follows();
    let line = cut(py, &Source { map: file, changes, is_lent, is_end_known }, block, position)?;
    if is_end_known || !matches!(line, Line::End) {
        return Ok(line);
    }
    file.follow_end().map_err(error)?;
    cut(py, &Source { map: file, changes, is_lent, is_end_known: true }, block, position)
}

impl Open {
    pub(super) fn is_lent(&self) -> bool {
        self.file.exports > 0 && self.file.access() != firmmap::Access::Read
    }
}

/// The line at the position, if it was read ahead: `next(m)`.
#[inline(always)]
pub(crate) fn ready(this: This<'_>) -> Option<Bound<'_, PyAny>> {
    this.state.try_with(this.py, |state| {
        let open = state.as_mut()?;
        let (line, position) = open.block.take(this.py, open.file.position(), open.changes)?;
        open.file.set_position(position);
        Some(line)
    })?
}

/// The line at the position: `next(m)`.
pub(crate) fn next(this: This<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    let py = this.py;
    loop {
        if let Some(line) = ready(this) {
            return Ok(Some(line));
        }
        let (line, map) = this.open(py, |open| {
            let is_lent = open.is_lent();
            let mut position = open.file.position();
            let line = cut_to_end(py, &mut open.file, open.changes, is_lent, &mut open.block, &mut position)?;
            let map = matches!(line, Line::Far).then(|| (open.file.share(), position));
            open.file.set_position(position);
            Ok((line, map))
        })?;
        let (map, position) = match (line, map) {
            (Line::Found(line), _) => return Ok(Some(line)),
            (_, Some(far)) => far,
            _ => return Ok(None),
        };
        let (bytes, ended) = far_line::<MappedFile>(py, &map, position, map.len())?;
        drop(map);
        if !ended && this.open(py, |open| open.file.follow_end().map_err(error))? {
            continue;
        }
        if pass(this, position, bytes.len())? {
            return Ok(Some(bytes.finish()));
        }
    }
}

pub(crate) fn iter(this: This<'_>) -> Returned<'_> {
    this.check_open(this.py)?;
    Ok(this.object())
}

/// The iterator that `lines()` returns.
pub(crate) struct Lines {
    state: Exclusive<Cursor>,
}

struct Cursor {
    /// An instance of our class; none at the end.
    file: Option<Held<MappedFile>>,
    position: usize,
    block: Block,
}

impl Body for Lines {
    fn filename(&self, py: Python<'_>) -> Option<Owned> {
        let held = self.state.with(py, |cursor| cursor.file.as_ref().map(|file| Held::new(file.receiver(py))));
        super::filename_of(py, held)
    }
}

impl Holder for Lines {
    fn held(&self, py: Python<'_>) -> Option<Link> {
        self.state.look(py, |cursor| cursor.file.as_ref().map(Held::link))?
    }

    fn give_up(&self, py: Python<'_>) {
        let file = self.state.with(py, |cursor| cursor.file.take());
        drop(file);
    }
}

/// `m.lines()`.
pub(crate) fn lines(this: This<'_>) -> Returned<'_> {
    this.check_open(this.py)?;
    let file = Some(Held::new(this));
    let cursor = Cursor { file, position: 0, block: Block::default() };
    super::type_object::new_lines(this, Lines { state: Exclusive::new(cursor) })
}

enum Step<'py> {
    Done(Option<Bound<'py, PyAny>>),
    Far(Arc<firmmap::Mmap>, usize),
}

/// The next line, if it was read ahead.
#[inline(always)]
pub(crate) fn ready_of(lines: Receiver<'_, Lines>) -> Option<Bound<'_, PyAny>> {
    let py = lines.py;
    // The state of the iterator is locked before that of its map, everywhere.
    lines.state.try_with(py, |cursor| {
        let Cursor { file: Some(file), position, block } = cursor else { return None };
        let this = file.receiver(py);
        let changes = this.state.try_with(py, |state| state.as_ref().map(|open| open.changes))??;
        let (line, behind) = block.take(py, *position, changes)?;
        *position = behind;
        Some(line)
    })?
}

/// The file of an iterator, if what `writelines()` has gathered is to go first.
pub(super) fn gathering(py: Python<'_>, file: Option<&Held<MappedFile>>) -> Option<Held<MappedFile>> {
    let this = file?.receiver(py);
    let has_gathered = this.state.with(py, |state| state.as_ref().is_some_and(|open| open.gate.has_gathered()));
    has_gathered.then(|| Held::new(this))
}

/// Takes in what others have appended to the map of an iterator, and says whether there was anything.
fn follow(lines: Receiver<'_, Lines>) -> PyResult<bool> {
    let py = lines.py;
    lines.state.with(py, |cursor| match &cursor.file {
        Some(file) => file.receiver(py).state.with(py, |state| match state {
            Some(open) => open.file.follow_end().map_err(error),
            None => Err(closed_error()),
        }),
        None => Ok(false),
    })
}

pub(crate) fn next_of(lines: Receiver<'_, Lines>) -> PyResult<Option<Bound<'_, PyAny>>> {
    let py = lines.py;
    write::write_gathered_for(py, || lines.state.with(py, |cursor| gathering(py, cursor.file.as_ref())))?;
    loop {
        let step = lines.state.with(py, |cursor| -> PyResult<Step<'_>> {
            let Some(file) = &cursor.file else { return Ok(Step::Done(None)) };
            let this = file.receiver(py);
            this.state.with(py, |state| {
                let open = state.as_mut().ok_or_else(closed_error)?;
                let is_lent = open.is_lent();
                let Cursor { block, position, .. } = cursor;
                match cut_to_end(py, &mut open.file, open.changes, is_lent, block, position)? {
                    Line::Found(line) => Ok(Step::Done(Some(line))),
                    Line::End => Ok(Step::Done(None)),
                    Line::Far => Ok(Step::Far(open.file.share(), *position)),
                }
            })
        })?;
        let (map, position) = match step {
            Step::Done(Some(line)) => return Ok(Some(line)),
            Step::Done(None) => {
                // At the end for ever, also if the file grows: as an iterator is.
                let file = lines.state.with(py, |cursor| cursor.file.take());
                drop(file);
                return Ok(None);
            }
            Step::Far(map, position) => (map, position),
        };
        let (bytes, ended) = far_line::<MappedFile>(py, &map, position, map.len())?;
        drop(map);
        if !ended && follow(lines)? {
            continue;
        }
        let is_ours = lines.state.with(py, |cursor| {
            let is_there = cursor.position == position;
            if is_there {
                cursor.position = position + bytes.len();
            }
            is_there
        });
        // If not, another thread was faster, and the next line is ours.
        if is_ours {
            return Ok(Some(bytes.finish()));
        }
    }
}
