//! `find` and `rfind`.

use super::This;
use crate::args::{self, Args, Argument};
use crate::common::{Direction, Job, Mapped, Returned, clamp, far_search};
use crate::errors::exception;

pub(crate) fn find<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    search(this, args, "find", Direction::Forward)
}

pub(crate) fn rfind<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    search(this, args, "rfind", Direction::Backward)
}

#[inline]
fn search<'py>(this: This<'py>, args: Args<'py>, name: &str, direction: Direction) -> Returned<'py> {
    let py = this.py;
    args.check(name, 1, 3)?;
    let needle = match args.get(0) {
        Some(object) => Argument::new(object)?,
        None => unreachable!("the number of arguments was checked"),
    };
    // The standard library looks at the map before it converts the bounds, too.
    this.check_open(py)?;
    let start = args::optional_ssize(args.get(1))?;
    let end = args::optional_ssize(args.get(2))?;
    let job = this.open(py, |file| {
        let len = file.len();
        let start = start.map_or(file.position(), |start| clamp(start, len));
        let end = end.map_or(len, |end| clamp(end, len)).min(len);
        if start > end {
            return Ok(Job::Done(None));
        }
        direction.begin(file, needle.bytes(), start..end).map_err(exception)
    })?;
    let found = match job {
        Job::Done(found) => found,
        Job::Large(map, range) => {
            let needle = needle.constant()?;
            far_search(py, &map, |map| direction.search(map, &needle, range)).map_err(exception)?
        }
    };
    args::python_int(py, found.map_or(-1, |index| index as isize))
}
