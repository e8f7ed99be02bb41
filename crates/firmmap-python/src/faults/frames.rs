//! What a thread is doing, by its frames: who would get an exception that is raised in it.
//!
//! Nothing here runs Python code but what is said: names are compared only where they are plain strings.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::interpreter::{self, Interpreter, Kept};
use crate::args::{exact_int, python_uint};
use crate::sys::exception::{Exception, PyResult};
use crate::sys::objects::{attribute, call, call_method, new_string};

/// Who gets an exception that is raised in this thread now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The code that is running, and then its callers.
    Here,
    /// Code of CPython's own that may drop it. Soon whoever has called that is running again.
    Later,
    /// As `Later`, and it is dropped: an object that is freed warns, or closes itself.
    Cleared,
    /// A function of the program's that CPython may have called, in which case it is dropped, or the program.
    Entered,
    /// Code of CPython's own that may drop it. No code of the program's has called that: it shows an exception, say.
    Afterwards,
    /// A caller who ends because of it, and shows it to nobody.
    Unseen,
    /// Code of CPython's own that shows an exception, and drops it.
    Dropped,
    /// Nobody: no code of the program's is running, or none that could do anything about it.
    Nowhere,
}

/// What an exception does to a function of CPython's library that it interrupts; `None` for all other code.
fn effect(module: &str, function: &str) -> Option<Place> {
    let package = module.split_once('.').map_or(module, |(package, _)| package);
    match (package, function) {
        // CPython shows an exception, and drops whatever is raised meanwhile. (From 3.13 on; before, it only reads the source.)
        ("traceback", "_print_exception_bltin" | "<module>") => Some(Place::Dropped),
        // The event loop: an exception ends it, or loses the step of a task that never ends then.
        ("asyncio", "_run" | "run_forever") => Some(Place::Nowhere),
        // The step of a task, if the loop is the caller; or a coroutine, for whose future it would lose a callback.
        ("asyncio", "call_soon") => Some(Place::Later),
        // The end of a child of multiprocessing's, or of the program.
        ("threading", "_shutdown") => Some(Place::Unseen),
        // Called by CPython while it shows an exception, reads or imports. Some take an `OSError` for an answer.
        ("codecs" | "encodings" | "linecache" | "tokenize", _) => Some(Place::Later),
        ("_frozen_importlib" | "_frozen_importlib_external", _) => Some(Place::Later),
        ("importlib", _) if module.starts_with("importlib._bootstrap") => Some(Place::Later),
        ("enum" | "logging", _) => Some(Place::Later),
        // A file that is freed warns that it is unclosed, or closes itself; CPython clears what is raised there.
        ("socket" | "warnings" | "_py_warnings", _) => Some(Place::Cleared),
        ("_compression" | "bz2" | "compression" | "gzip" | "lzma" | "tempfile", "close" | "closed") => {
            Some(Place::Cleared)
        }
        // Whoever calls these gets it; unless they were called from above.
        ("asyncio" | "concurrent" | "selectors" | "threading" | "traceback" | "weakref", _) => Some(Place::Here),
        _ => None,
    }
}

/// Modules in which threads wait for work, and pass on results. Their code does not touch mapped memory, and an exception there would hit
/// something that has nothing to do with the fault: it would end the loop of a worker of a pool, say, and lose its next task.
fn is_machinery(module: &str) -> bool {
    matches!(
        module,
        "asyncio.base_events"
            | "asyncio.events"
            | "asyncio.runners"
            | "concurrent.futures._base"
            | "concurrent.futures.thread"
            | "multiprocessing.connection"
            | "multiprocessing.pool"
            | "multiprocessing.queues"
            | "queue"
            | "selectors"
            | "threading"
    )
}

/// Functions of the program's that CPython calls where it clears exceptions: when it frees a file, for `input()` and `print()`, and up to
/// 3.12 while it imports a name.
fn may_be_cleared(function: &str) -> bool {
    matches!(
        function,
        "close"
            | "closed"
            | "fileno"
            | "flush"
            | "isatty"
            | "readable"
            | "seek"
            | "seekable"
            | "tell"
            | "writable"
            | "write"
            | "__getattr__"
            | "__getattribute__"
    )
}

/// The frame of such a function in the main thread, for which an exception was put off, and its code: until it is left, it is put off for
/// what the function calls, too. Addresses, and no references: what the frame holds may be an object that is being freed. And the
/// [`instruction`] at which that was found last: CPython asks many times at each.
static ENTERED: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];
/// Whether that function traces the program.
static TRACES: AtomicBool = AtomicBool::new(false);

/// Who gets an exception that is raised in this thread, the main one, now. Runs no Python code.
pub(super) fn place(py: Python<'_>) -> Place {
    let place = running(py).and_then(|frame| {
        let Some(frame) = frame else { return Ok(Place::Nowhere) };
        let [entered @ .., at] = ENTERED.each_ref().map(|number| number.load(Ordering::Relaxed));
        if entered[0] != 0 {
            let here = instruction(py);
            if here == at || is_among(&frame, entered)? {
                ENTERED[2].store(here, Ordering::Relaxed);
                return Ok(if TRACES.load(Ordering::Relaxed) { Place::Later } else { Place::Entered });
            }
        }
        if is_tracer(&frame)? {
            set_entered(addresses(&frame));
            TRACES.store(true, Ordering::Relaxed);
            return Ok(Place::Later);
        }
        if is_about_to_send(frame.clone())? {
            return Ok(Place::Later);
        }
        let place = place_from(frame.clone())?;
        let is_inside = matches!(place, Place::Entered | Place::Afterwards) && is_entered(&frame)?;
        set_entered(if is_inside { addresses(&frame) } else { [0, 0] });
        Ok(place)
    });
    place.unwrap_or(Place::Here)
}

/// The main thread was told.
pub(super) fn forget_entered() {
    set_entered([0, 0]);
}

fn set_entered(addresses: [usize; 2]) {
    TRACES.store(false, Ordering::Relaxed);
    for (place, number) in ENTERED.iter().zip(addresses.into_iter().chain([0])) {
        place.store(number, Ordering::Relaxed);
    }
}

fn addresses(frame: &Bound<'_, PyAny>) -> [usize; 2] {
    [frame.as_ptr().addr(), code(frame).as_ptr().addr()]
}

/// Whether a frame has these addresses, or one of its callers has.
fn is_among(frame: &Bound<'_, PyAny>, wanted: [usize; 2]) -> PyResult<bool> {
    let mut frame = Some(frame.clone());
    while let Some(this) = frame {
        if addresses(&this) == wanted {
            return Ok(true);
        }
        frame = caller(&this)?;
    }
    Ok(false)
}

/// Whether a frame has just begun to run [a function that CPython may have called](may_be_cleared): what it is told of, whoever has called
/// it has met.
fn is_entered(frame: &Bound<'_, PyAny>) -> PyResult<bool> {
    let code = code(frame);
    let function = attribute(&code, c"co_name")?.cast_into::<PyString>()?;
    if !may_be_cleared(text(&function)?) || is_coroutine(&code)? {
        return Ok(false);
    }
    is_at_first_line(frame, &code)
}

/// Whether a frame is at the first line of its code, where a function looks for pending calls before anything else.
fn is_at_first_line(frame: &Bound<'_, PyAny>, code: &Bound<'_, PyAny>) -> PyResult<bool> {
    let line = |object: &Bound<'_, PyAny>, name| attribute(object, name).map(|line| exact_int(line.as_borrowed()));
    Ok(line(frame, c"f_lineno")? == line(code, c"co_firstlineno")?)
}

/// As [`place`], for an exception that was requested in this thread, whichever it is, and is being made. CPython 3.15 also raises where no
/// Python code runs: while it writes on `sys.stderr`, for one.
pub(super) fn place_of_requested(py: Python<'_>) -> Place {
    let place = running(py).and_then(|frame| frame.map_or(Ok(Place::Dropped), place_from));
    place.unwrap_or(Place::Here)
}

fn place_from(mut frame: Bound<'_, PyAny>) -> PyResult<Place> {
    let mut found = Place::Here;
    // Whether all so far is a function, and none a coroutine, that an event loop in C can have called, which has no frames (uvloop). It
    // would lose a callback, for which a future and a task wait for ever, or end.
    let mut may_be_of_loop = false;
    let mut is_first = true;
    loop {
        let code = code(&frame);
        let function = attribute(&code, c"co_name")?.cast_into::<PyString>()?;
        let function = text(&function)?;
        let module = module(&frame)?;
        let module = module.as_ref().map(text).transpose()?;
        let is_first = std::mem::replace(&mut is_first, false);
        let is_runner = module == Some("asyncio.runners") && function == "run";
        if may_be_of_loop && is_runner {
            return Ok(Place::Nowhere);
        }
        match module.and_then(|module| effect(module, function)) {
            Some(place @ (Place::Dropped | Place::Nowhere)) => return Ok(place),
            Some(Place::Here) => {}
            Some(_) if found == Place::Cleared => {}
            Some(Place::Later) if found == Place::Entered => {}
            Some(worse) => found = worse,
            // Or this has called the loop.
            None if may_be_of_loop && !is_coroutine(&code)? => return Ok(Place::Later),
            None => match caller(&frame)? {
                // CPython shows an exception on a `sys.stderr` of the program's.
                None if matches!(function, "write" | "flush") && has_other_stderr(code.py()) => {
                    return Ok(Place::Dropped);
                }
                // A file of the program's that closes itself where it is freed, for one.
                _ if is_first && is_entered(&frame)? => found = Place::Entered,
                // What the program has put in the place of `warnings.showwarning`, or what that imports.
                Some(caller) if is_cleared(caller.clone())? => found = Place::Cleared,
                _ => return Ok(found),
            },
        }
        let is_of_loops = module.is_some_and(|module| module.starts_with("asyncio.") || module == "weakref");
        may_be_of_loop = (may_be_of_loop || is_first) && is_of_loops && !is_runner && !is_coroutine(&code)?;
        frame = match caller(&frame)? {
            Some(caller) => caller,
            None if matches!(found, Place::Later | Place::Cleared | Place::Entered) => return Ok(Place::Afterwards),
            None => return Ok(Place::Nowhere),
        };
    }
}

/// Whether a process of a pool has run a task, or is making text of the traceback of its exception. It [asks](super::pools) for faults before
/// it sends anything.
fn is_about_to_send(frame: Bound<'_, PyAny>) -> PyResult<bool> {
    let mut is_first = true;
    let mut frame = Some(frame);
    while let Some(this) = frame {
        let module = module(&this)?;
        if let Some("concurrent.futures.process" | "multiprocessing.pool") = module.as_ref().map(text).transpose()? {
            let function = attribute(&code(&this), c"co_name")?.cast_into::<PyString>()?;
            return Ok(match text(&function)? {
                "_process_worker" | "worker" => is_first,
                function => function == "__init__",
            });
        }
        is_first = false;
        frame = caller(&this)?;
    }
    Ok(false)
}

/// Whether a frame has just begun to run a function that traces or profiles the program (`sys.settrace`). What it is told of, the program has
/// met; and CPython takes a function away that such an exception leaves, so that debuggers and coverage.py go on without it.
fn is_tracer(frame: &Bound<'_, PyAny>) -> PyResult<bool> {
    let Some(here) = interpreter::current(frame.py()) else { return Ok(false) };
    let mut tracers = Vec::new();
    for getter in [Kept::GetTrace, Kept::GetProfile] {
        let tracer = here.get(frame.py(), getter).map(|getter| call(&getter, [])).transpose()?;
        tracers.extend(tracer.filter(|tracer| !tracer.is_none()));
    }
    if tracers.is_empty() || !is_at_first_line(frame, &code(frame))? {
        return Ok(false);
    }
    if let Some(caller) = caller(frame)? {
        tracers.push(attribute(&caller, c"f_trace")?);
    }
    for tracer in tracers {
        if is_of(frame, &tracer)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a frame runs `callable`, if that is a function or a bound method: its code would be told to audit hooks.
fn is_of(frame: &Bound<'_, PyAny>, callable: &Bound<'_, PyAny>) -> PyResult<bool> {
    let Some(function) = function_of(callable) else { return Ok(false) };
    let Ok(globals) = attribute(&function, c"__globals__") else { return Ok(false) };
    if !globals.is(&attribute(frame, c"f_globals")?) {
        return Ok(false);
    }
    let name = attribute(&function, c"__qualname__")?.cast_into::<PyString>()?;
    let of_code = attribute(&code(frame), c"co_qualname")?.cast_into::<PyString>()?;
    Ok(text(&name)? == text(&of_code)?)
}

/// The function of a bound method, or the callable itself; `None` if its class could be one of Python code.
fn function_of<'py>(callable: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    // SAFETY: alive, as a reference to it is.
    let class = unsafe { ffi::Py_TYPE(callable.as_ptr()) };
    // SAFETY: alive, as an instance of it is.
    if unsafe { ffi::PyType_GetFlags(class) } & ffi::Py_TPFLAGS_HEAPTYPE != 0 {
        return None;
    }
    match attribute(callable, c"__func__") {
        Ok(function) => function_of(&function),
        Err(_) => Some(callable.clone()),
    }
}

/// Whether `sys.stderr` is not CPython's own, so that functions of the program's can be called by CPython, which shows an exception. (A
/// greenlet's first function has no caller either.)
fn has_other_stderr(_py: Python<'_>) -> bool {
    // SAFETY: attached, as the token says; names that end in a zero byte. What is borrowed is only compared.
    let [stderr, original] = [c"stderr", c"__stderr__"].map(|name| unsafe { ffi::PySys_GetObject(name.as_ptr()) });
    stderr != original
}

/// Whether a frame, or one of its callers, runs code of CPython's own that is called where exceptions are cleared.
fn is_cleared(mut frame: Bound<'_, PyAny>) -> PyResult<bool> {
    loop {
        if let Some(module) = module(&frame)? {
            let function = attribute(&code(&frame), c"co_name")?.cast_into::<PyString>()?;
            if effect(text(&module)?, text(&function)?) == Some(Place::Cleared) {
                return Ok(true);
            }
        }
        frame = match caller(&frame)? {
            Some(caller) => caller,
            None => return Ok(false),
        };
    }
}

/// Whether another thread has finished what it was doing: it waits for work, or hands over a result.
///
/// `sys._current_frames()` first calls audit hooks, which can be Python code. From the look on nothing of Python's runs: what is found
/// holds until this thread lets go of the GIL.
pub(super) fn has_moved_on(py: Python<'_>, here: &Interpreter, thread: usize) -> PyResult<bool> {
    let Some(current_frames) = here.get(py, Kept::CurrentFrames) else { return Ok(true) };
    let frames = call(&current_frames, [])?.cast_into::<PyDict>()?;
    let Some(frame) = frames.get_item(python_uint(py, thread as u64)?)? else { return Ok(true) };
    let Some(module) = module(&frame)? else { return Ok(false) };
    Ok(is_machinery(text(&module)?))
}

/// A number for the instruction that this thread is at; 0 without one.
pub(super) fn instruction(py: Python<'_>) -> usize {
    let number = |frame: Bound<'_, PyAny>| -> PyResult<usize> {
        let index = exact_int(attribute(&frame, c"f_lasti")?.as_borrowed()).unwrap_or(0);
        Ok((frame.as_ptr() as usize).wrapping_mul(31).wrapping_add_signed(index))
    };
    running(py).and_then(|frame| frame.map_or(Ok(0), number)).unwrap_or(0)
}

/// Whether Python code runs in this thread: not at the end of the program, say.
pub(super) fn is_any_running(_py: Python<'_>) -> bool {
    // SAFETY: attached, as the token says; a borrowed reference, or null.
    !unsafe { ffi::PyEval_GetGlobals() }.is_null()
}

/// The frame of what runs in this thread, if that is this function of this module.
fn running_function<'py>(py: Python<'py>, of_module: &str, function: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some(frame) = running(py)? else { return Ok(None) };
    let name = attribute(&code(&frame), c"co_name")?.cast_into::<PyString>()?;
    let is = text(&name)? == function && matches!(module(&frame)?, Some(module) if text(&module)? == of_module);
    Ok(is.then_some(frame))
}

/// Whether a thread of `concurrent.futures` is what runs: it hands over the result of a task, or its exception.
pub(super) fn is_pool_of_threads(py: Python<'_>) -> bool {
    running_function(py, "concurrent.futures.thread", "run").is_ok_and(|frame| frame.is_some())
}

/// Whether a thread of `multiprocessing.pool` is what runs, and has handed over what its task has returned: it drops what is raised then.
pub(super) fn has_handed_over(py: Python<'_>) -> bool {
    let is_returned = running_function(py, "multiprocessing.pool", "worker").and_then(|frame| {
        let Some(frame) = frame else { return Ok(false) };
        let result = call_method(&attribute(&frame, c"f_locals")?, c"get", [new_string(py, "result")?])?;
        // `(True, …)`, or the exception of the task.
        let Ok(result) = result.cast_into::<PyTuple>() else { return Ok(false) };
        Ok(result.get_item(0).and_then(|is_returned| is_returned.is_truthy()).unwrap_or(false))
    });
    is_returned.unwrap_or(false)
}

/// The frame of the Python code that runs in this thread, if there is any.
fn running(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    if !is_any_running(py) {
        return Ok(None);
    }
    // SAFETY: attached, as the token says.
    let frame = unsafe { ffi::PyEval_GetFrame() };
    // SAFETY: a borrowed reference, or null where there is no memory for the object.
    let frame = unsafe { Bound::from_borrowed_ptr_or_opt(py, frame.cast()) };
    frame.map(Some).ok_or_else(Exception::no_memory)
}

/// The frame that has called this one.
fn caller<'py>(frame: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let caller = attribute(frame, c"f_back")?;
    if !caller.is_none() {
        return Ok(Some(caller));
    }
    // Where there is no memory for the object, it is `None` with an exception.
    // SAFETY: attached, as the object says.
    if unsafe { ffi::PyErr_Occurred() }.is_null() { Ok(None) } else { Err(Exception::fetch(frame.py())) }
}

/// The code that a frame runs.
fn code<'py>(frame: &Bound<'py, PyAny>) -> Bound<'py, PyAny> {
    // Not its attribute `f_code`, of which audit hooks would be told.
    // SAFETY: attached, as the object says, which is a frame.
    let code = unsafe { ffi::PyFrame_GetCode(frame.as_ptr().cast()) };
    // SAFETY: a new reference.
    unsafe { Bound::from_owned_ptr(frame.py(), code.cast()) }
}

/// Whether code is that of a coroutine or a generator, which the loop only calls as the step of a task.
fn is_coroutine(code: &Bound<'_, PyAny>) -> PyResult<bool> {
    /// `inspect.CO_GENERATOR`, `CO_COROUTINE`, `CO_ITERABLE_COROUTINE` and `CO_ASYNC_GENERATOR`.
    const KINDS: isize = 0x20 | 0x80 | 0x100 | 0x200;
    Ok(exact_int(attribute(code, c"co_flags")?.as_borrowed()).is_some_and(|flags| flags & KINDS != 0))
}

/// The name of the module whose code a frame runs. A subclass of `str` could run Python code, and names no module of CPython's.
fn module<'py>(frame: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyString>>> {
    let globals = attribute(frame, c"f_globals")?.cast_into::<PyDict>()?;
    let name = globals.get_item(new_string(frame.py(), "__name__")?)?;
    Ok(name.and_then(|name| name.cast_into_exact().ok()))
}

fn text<'a>(name: &'a Bound<'_, PyString>) -> PyResult<&'a str> {
    name.to_str().map_err(Exception::from)
}
