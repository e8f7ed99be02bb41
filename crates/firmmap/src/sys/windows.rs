//! Windows: file mapping objects and views of them.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::FileExt;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};

use windows_sys::Win32::Foundation::{
    ERROR_ALREADY_EXISTS, ERROR_USER_MAPPED_FILE, GetLastError, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_DISK, FlushFileBuffers, GetFileSizeEx, GetFileType};
use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::Memory::{
    CreateFileMappingW, FILE_MAP_COPY, FILE_MAP_EXECUTE, FILE_MAP_READ, FILE_MAP_WRITE, FlushViewOfFile,
    MEMORY_MAPPED_VIEW_ADDRESS, MapViewOfFile, OpenFileMappingW, PAGE_EXECUTE, PAGE_EXECUTE_READ,
    PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY, PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE, PAGE_WRITECOPY,
    PrefetchVirtualMemory, UnmapViewOfFile, VirtualLock, VirtualProtect, VirtualUnlock, WIN32_MEMORY_RANGE_ENTRY,
};
use windows_sys::Win32::System::SystemInformation::{GetSystemInfo, SYSTEM_INFO};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::{FileId, FileInfo, FileLenChange, MappingInfo, Request, TrackedFile};
use crate::access::{Access, FlushFlags, Protection};
use crate::advice::Advice;
use crate::range::Span;

/// What a map can be created from.
pub use std::os::windows::io::AsHandle as AsSource;
/// A file of the caller's.
pub(crate) type Source<'a> = BorrowedHandle<'a>;

fn system_info(field: fn(&SYSTEM_INFO) -> u32, cache: &AtomicUsize) -> usize {
    match cache.load(Ordering::Relaxed) {
        0 => {
            let mut info = SYSTEM_INFO::default();
            // SAFETY: the call fills the structure.
            unsafe { GetSystemInfo(&mut info) };
            let value = field(&info) as usize;
            cache.store(value, Ordering::Relaxed);
            value
        }
        value => value,
    }
}

/// Files can be mapped.
pub(crate) const SUPPORTED: bool = true;

/// Bytes in a page; a power of two.
pub(crate) fn page_size() -> usize {
    static CACHE: AtomicUsize = AtomicUsize::new(0);
    system_info(|info| info.dwPageSize, &CACHE)
}

/// What the offset of a mapping must be a multiple of.
pub(crate) fn granularity() -> usize {
    static CACHE: AtomicUsize = AtomicUsize::new(0);
    system_info(|info| info.dwAllocationGranularity, &CACHE)
}

/// Length and kind of a file: `GetFileSizeEx`, `GetFileType`.
pub(crate) fn file_info(source: Source<'_>) -> io::Result<FileInfo> {
    // SAFETY: the handle is open while it is borrowed.
    let regular = unsafe { GetFileType(source.as_raw_handle()) } == FILE_TYPE_DISK;
    let mut len = 0i64;
    // SAFETY: the handle is open while it is borrowed; the call fills the number.
    check(unsafe { GetFileSizeEx(source.as_raw_handle(), &mut len) })?;
    Ok(FileInfo { len: len.try_into().unwrap_or(0), regular, granularity: granularity(), id: FileId::default() })
}

/// The file to map.
pub(crate) fn source<F: AsSource>(file: &F) -> Source<'_> {
    file.as_handle()
}

/// A handle of our own for the same file.
pub(crate) fn duplicate(source: Source<'_>) -> io::Result<File> {
    source.try_clone_to_owned().map(File::from)
}

/// An error if the handle does not allow writing: a file without bytes cannot be mapped to find that out.
pub(crate) fn check_writable(source: Source<'_>) -> io::Result<()> {
    let file = duplicate(source)?;
    // No byte is written, and the position, which the caller's handle has as well, stays.
    let position = (&file).stream_position()?;
    file.seek_write(&[], position).map(drop)
}

/// Makes a file at least `to` bytes long. `SetEndOfFile` would also make it shorter, if others have appended meanwhile; a file mapping
/// object only extends it.
pub(crate) fn lengthen(file: &File, to: u64) -> io::Result<()> {
    if to == 0 {
        // To the system zero means the length that the file has.
        return Ok(());
    }
    let (handle, high, low) = (file.as_raw_handle(), (to >> 32) as u32, to as u32);
    // SAFETY: the file is open, the object has no name, and no security attributes are given.
    let object = unsafe { CreateFileMappingW(handle, ptr::null(), PAGE_READWRITE, high, low, ptr::null()) };
    if object.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is new, and nobody else has it.
    drop(unsafe { OwnedHandle::from_raw_handle(object) });
    Ok(())
}

/// Writes at the end of the file, wherever that is by then.
pub(crate) fn append(file: &File, bytes: &[u8]) -> io::Result<usize> {
    file.seek_write(bytes, END_OF_FILE)
}

/// The offset that stands for the end of the file (`FILE_WRITE_TO_END_OF_FILE`).
const END_OF_FILE: u64 = u64::MAX;

/// Nothing to do: files and their maps agree.
pub(crate) fn sync_before_mapping(_source: Source<'_>) {}

/// A view of a file mapping object; both end when this is dropped.
pub(crate) struct Mapping {
    view: View,
    /// Keeps a named mapping findable while the view exists.
    object: Option<OwnedHandle>,
    /// The name as the system wants it: UTF-16 that ends in a zero.
    tag: Option<Vec<u16>>,
    parameters: ViewParameters,
}

/// What a view was made with, to make it once more.
#[derive(Clone, Copy)]
struct ViewParameters {
    offset: u64,
    len: usize,
    access: Access,
    protection: Protection,
}

struct View {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a view belongs to the process, not to a thread; all its methods may run on any thread.
unsafe impl Send for View {}
// SAFETY: shared methods only pass the address to system calls, which the kernel serialises.
unsafe impl Sync for View {}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: the view is ours, and nobody can use it after it was dropped.
        let result = unsafe { UnmapViewOfFile(address(self.base)) };
        debug_assert_ne!(result, 0, "UnmapViewOfFile: {}", io::Error::last_os_error());
    }
}

impl Mapping {
    pub(crate) fn new(request: &Request<'_>) -> io::Result<Self> {
        let tag = request.parameters.tag.as_deref().map(|tag| OsStr::new(tag).encode_wide().chain([0]).collect());
        let parameters = ViewParameters::of(request);
        let (object, _) = create(&parameters, request.source, tag.as_ref())?;
        parameters.map(object, tag)
    }

    pub(crate) fn base(&self) -> *mut u8 {
        self.view.base.as_ptr()
    }

    /// What the fault handler needs to know. `start` bytes of the view lie before the map's first.
    pub(crate) fn info(&self, request: &Request<'_>, _file: Option<&TrackedFile>, start: usize) -> MappingInfo {
        MappingInfo {
            start: self.base() as usize,
            len: self.view.len,
            fd: -1,
            file_id: FileId::default(),
            file_offset: request.offset,
            protection: request.parameters.protection.bits() as i32,
            flags: if request.parameters.access() == Access::Copy { COPY } else { 0 },
            page_size: page_size(),
            origin: self.base() as usize + start,
        }
    }

    /// `info`, which was this mapping's before it has got another length.
    pub(crate) fn moved(&self, info: &MappingInfo, start: usize) -> MappingInfo {
        MappingInfo { start: self.base() as usize, len: self.view.len, origin: self.base() as usize + start, ..*info }
    }

    /// A view keeps its length.
    pub(crate) fn change_len(&mut self, _len: usize, _may_move: bool) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// `FlushViewOfFile`, and unless it is to be asynchronous `FlushFileBuffers`.
    pub(crate) fn flush(&self, span: Span, flags: FlushFlags, file: Option<&TrackedFile>) -> io::Result<()> {
        if span.len == 0 {
            // To the system zero bytes would mean everything from there on.
            return Ok(());
        }
        // SAFETY: the range is in our view; flushing does not change memory.
        check(unsafe { FlushViewOfFile(self.address(span), span.len) })?;
        // So far the pages were only passed to the system.
        match file {
            Some(file) if !flags.contains(FlushFlags::ASYNC) => {
                let handle = file.get()?.as_raw_handle();
                // SAFETY: the handle is open as long as `file`.
                check(unsafe { FlushFileBuffers(handle) })
            }
            _ => Ok(()),
        }
    }

    /// `PrefetchVirtualMemory` for what will be needed; nothing else has a counterpart.
    pub(crate) fn advise(&self, span: Span, advice: Advice) -> io::Result<()> {
        if advice != Advice::WILL_NEED || span.len == 0 {
            return Ok(());
        }
        let range = WIN32_MEMORY_RANGE_ENTRY { VirtualAddress: self.address(span), NumberOfBytes: span.len };
        // SAFETY: the pseudo handle of this process is always valid.
        let process = unsafe { GetCurrentProcess() };
        // SAFETY: the range is in our view; reading pages in does not change memory.
        check(unsafe { PrefetchVirtualMemory(process, 1, &range, 0) })
    }

    /// Not known here.
    pub(crate) fn residency(&self, _span: Span, _pages: &mut [u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// `VirtualLock`.
    pub(crate) fn lock(&self, span: Span) -> io::Result<()> {
        // SAFETY: the range is in our view; locking does not change memory.
        check(unsafe { VirtualLock(self.address(span), span.len) })
    }

    /// `VirtualUnlock`.
    pub(crate) fn unlock(&self, span: Span) -> io::Result<()> {
        // SAFETY: the range is in our view; unlocking does not change memory.
        check(unsafe { VirtualUnlock(self.address(span), span.len) })
    }

    /// `VirtualProtect`.
    pub(crate) fn protect(&mut self, protection: Protection, access: Access) -> io::Result<()> {
        let (start, len) = (address(self.view.base).Value, self.view.len);
        let mut old = 0;
        // SAFETY: the view is ours, and `&mut self` says that nobody holds an address in it.
        check(unsafe { VirtualProtect(start, len, page_protection(protection, access), &mut old) })?;
        self.parameters.protection = protection;
        Ok(())
    }

    /// A mapping is named when it is created.
    pub(crate) fn set_name(&self, _name: &std::ffi::CStr) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn address(&self, span: Span) -> *mut std::ffi::c_void {
        debug_assert!(span.end() <= self.view.len);
        self.base().wrapping_add(span.start).cast()
    }
}

/// Whether the advice exists here: the four kinds that are followed or have no effect.
pub(crate) fn knows_advice(advice: Advice) -> bool {
    matches!(advice, Advice::NORMAL | Advice::RANDOM | Advice::SEQUENTIAL | Advice::WILL_NEED)
}

/// Changes the length of a mapping, and of its file. `None` stands for a mapping of zero bytes.
///
/// Anonymous memory is copied into a new mapping. A file is mapped again, and then the old view ends; but if the file is to shrink, the
/// view ends first, because the system refuses to shorten a mapped file. After an error there is a mapping as before, unless the system
/// refuses even that.
pub(crate) fn resize(
    mapping: &mut Option<Mapping>,
    request: Option<&Request<'_>>,
    change: &FileLenChange<'_>,
) -> io::Result<()> {
    let file = change.file.map(TrackedFile::fresh);
    if file.is_some() && mapping.as_ref().is_some_and(|old| old.parameters.access == Access::Copy) {
        // Its changes exist only in the old view.
        return Err(io::ErrorKind::Unsupported.into());
    }
    if let Some(old) = mapping {
        old.release_name()?;
    }
    let (old, tag) = (mapping.as_ref().map(|old| old.parameters), mapping.as_ref().and_then(|old| old.tag.clone()));
    if change.new < change.old && file.is_some() {
        *mapping = None;
    }
    let result = change.apply().and_then(|()| {
        let new = request.map(|request| ViewParameters::of(request).remap(mapping.as_ref(), file, tag.clone()));
        let new = new.transpose();
        new.inspect_err(|_| {
            if file.is_some() {
                // Nor can what was just added be cut off.
                *mapping = None;
                change.undo();
            }
        })
    });
    match result {
        Ok(new) => *mapping = new,
        Err(error) => {
            if let (Some(old), true) = (old, mapping.is_none() || tag.is_some()) {
                if let Ok(again) = old.remap(mapping.as_ref(), file, tag) {
                    *mapping = Some(again);
                }
            }
            return Err(error);
        }
    }
    Ok(())
}

impl Mapping {
    /// Frees the name of the mapping for a new one. An error if somebody else has a mapping of that name, which could not get the new
    /// length.
    fn release_name(&mut self) -> io::Result<()> {
        let Some(tag) = &self.tag else { return Ok(()) };
        self.object = None;
        // SAFETY: the name ends in a zero.
        let other = unsafe { OpenFileMappingW(FILE_MAP_READ, 0, tag.as_ptr()) };
        if other.is_null() {
            return Ok(());
        }
        // SAFETY: the handle is new, and nobody else has it.
        self.object = Some(unsafe { OwnedHandle::from_raw_handle(other) });
        Err(in_use())
    }
}

impl ViewParameters {
    fn of(request: &Request<'_>) -> Self {
        let (access, protection) = (request.parameters.access(), request.parameters.protection);
        Self { offset: request.offset, len: request.len, access, protection }
    }

    /// Creates a mapping with these parameters of `file`, or else of memory with the bytes of `old`.
    fn remap(&self, old: Option<&Mapping>, file: Option<&File>, tag: Option<Vec<u16>>) -> io::Result<Mapping> {
        let (object, existed) = create(self, file.map(source), tag.as_ref())?;
        if existed {
            return Err(in_use());
        }
        let new = self.map(object, tag)?;
        if let (Some(old), None) = (old, file) {
            let kept = old.view.len.min(new.view.len);
            // SAFETY: the pseudo handle of this process is always valid.
            let process = unsafe { GetCurrentProcess() };
            let (from, to, none) = (old.base().cast(), new.base().cast(), ptr::null_mut());
            // Unlike a plain copy, this fails if a page cannot be read.
            // SAFETY: both views are at least that long, and they are of different memory.
            check(unsafe { ReadProcessMemory(process, from, to, kept, none) })?;
        }
        Ok(new)
    }

    /// `MapViewOfFile`.
    fn map(self, object: OwnedHandle, tag: Option<Vec<u16>>) -> io::Result<Mapping> {
        let access = match self.access {
            Access::Read => FILE_MAP_READ,
            Access::Write => FILE_MAP_WRITE,
            Access::Copy => FILE_MAP_COPY,
        };
        let execute = if self.protection.contains(Protection::EXEC) { FILE_MAP_EXECUTE } else { 0 };
        let (high, low) = ((self.offset >> 32) as u32, self.offset as u32);
        // SAFETY: a new view replaces nothing.
        let base = unsafe { MapViewOfFile(object.as_raw_handle(), access | execute, high, low, self.len) };
        let base = NonNull::new(base.Value.cast()).ok_or_else(io::Error::last_os_error)?;
        Ok(Mapping { view: View { base, len: self.len }, object: Some(object), tag, parameters: self })
    }
}

/// `CreateFileMappingW`: opens the object if one of that name exists, and returns whether one did.
fn create(
    parameters: &ViewParameters,
    source: Option<Source<'_>>,
    tag: Option<&Vec<u16>>,
) -> io::Result<(OwnedHandle, bool)> {
    let tag = tag.map_or(ptr::null(), |tag| tag.as_ptr());
    let file = source.map_or(INVALID_HANDLE_VALUE, |source| source.as_raw_handle());
    let size = parameters.offset.checked_add(parameters.len as u64).ok_or(io::ErrorKind::InvalidInput)?;
    let protection = match page_protection(parameters.protection, parameters.access) {
        // Objects need at least read access.
        PAGE_NOACCESS | PAGE_EXECUTE => PAGE_READONLY,
        protection => protection,
    };
    // SAFETY: the name ends in a zero, the file is open, and no security attributes are given.
    let handle = unsafe { CreateFileMappingW(file, ptr::null(), protection, (size >> 32) as u32, size as u32, tag) };
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call only reads the thread's error, which a success sets as well.
    let existed = unsafe { GetLastError() } == ERROR_ALREADY_EXISTS;
    // SAFETY: the handle is new, and nobody else has it.
    Ok((unsafe { OwnedHandle::from_raw_handle(handle) }, existed))
}

/// The system's error for a file that cannot be changed because it is mapped.
fn in_use() -> io::Error {
    io::Error::from_raw_os_error(ERROR_USER_MAPPED_FILE as i32)
}

/// A flag of a [`MappingInfo`]: copy-on-write.
pub(crate) const COPY: i32 = 1;

pub(crate) fn page_protection(protection: Protection, access: Access) -> u32 {
    let write = if access == Access::Copy { PAGE_WRITECOPY } else { PAGE_READWRITE };
    let execute_write = if access == Access::Copy { PAGE_EXECUTE_WRITECOPY } else { PAGE_EXECUTE_READWRITE };
    let has = |bits| protection.contains(bits);
    match (has(Protection::EXEC), has(Protection::WRITE), has(Protection::READ)) {
        (false, true, _) => write,
        (false, false, true) => PAGE_READONLY,
        (false, false, false) => PAGE_NOACCESS,
        (true, true, _) => execute_write,
        (true, false, true) => PAGE_EXECUTE_READ,
        (true, false, false) => PAGE_EXECUTE,
    }
}

fn address(base: NonNull<u8>) -> MEMORY_MAPPED_VIEW_ADDRESS {
    MEMORY_MAPPED_VIEW_ADDRESS { Value: base.as_ptr().cast() }
}

fn check(result: i32) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
