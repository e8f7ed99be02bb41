"""MapFaultError, and how the guard coexists with other handlers of its signal."""

import _signal  # type: ignore[import-not-found]  # typeshed does not know it
import _thread
import errno
import os
import sys

from . import _firmmap

try:
    import faulthandler
except ImportError:  # in isolated interpreters of CPython 3.13, where nobody can call it either
    faulthandler = None  # type: ignore[assignment]


class MapFaultError(OSError):
    """Bytes of a map could not be read or written.

    Its file was truncated, or its disk failed or is full. errno is EIO; offset is the index
    in the map. Once the file is whole again, the map works again.
    """

    # At the end of the interpreter the module may have lost them.
    _EIO = errno.EIO
    _MESSAGE = _firmmap._FAULT_MESSAGE

    def __init__(self, offset=None, filename=None):
        where = "" if offset is None else f" at {offset}"
        super().__init__(self._EIO, self._MESSAGE.format(where))
        self.offset = offset
        # OSError shows a filename of None as well.
        if filename is not None:
            self.filename = filename

    def __reduce__(self):
        kind = type(self)
        arguments = (self.offset,) if self.filename is None else (self.offset, self.filename)
        return MapFaultError if kind is _LateFault else kind, arguments, self.__dict__


MapFaultError.__module__ = "firmmap"


class _LateFault(MapFaultError):
    """MapFaultError, raised in another thread: only a class can be, so it finds the offset itself.

    _keep_fault_classes() gives it __init__ and __del__.
    """

    __slots__ = ("_numbers", "_untold")
    __new__ = _firmmap._make_late_fault

    @property
    def __traceback__(self):
        return BaseException.__traceback__.__get__(self)

    @__traceback__.setter
    def __traceback__(self, traceback):
        # Code of Python's has seen it.
        self._untold = []
        BaseException.__traceback__.__set__(self, traceback)

    def with_traceback(self, traceback):
        self.__traceback__ = traceback
        return self


_LateFault.__name__ = _LateFault.__qualname__ = "MapFaultError"
_LateFault.__module__ = "firmmap"

# If the package is imported again (sys.modules was purged), the classes stay those of the first
# import, so that a handler that names the one class catches the faults of maps of the other import.
MapFaultError, _LateFault = _firmmap._keep_fault_classes(MapFaultError, _LateFault)  # type: ignore[misc]


def _make_error(offsets):
    """Return the exception for several faults, some of which may be in other maps."""
    error = MapFaultError(offsets[0])
    _note(error, offsets[1:])
    return error


def _note(error, offsets):
    for offset in offsets:
        error.add_note(_firmmap._FAULT_NOTE.format(offset))


def _main_thread():
    """Return the id of the main thread, or 0 if it is not known."""
    if hasattr(_thread, "_get_main_thread_ident"):  # 3.13
        return _thread._get_main_thread_ident()
    # threading takes the thread that first imports it for the main thread: so it is not imported here.
    threading = sys.modules.get("threading")
    return threading.main_thread().ident if threading else 0


def _telling(fork, _):
    """Return os.fork or os.forkpty, which first tells of a fault that its thread has just met.

    The exception would else be raised in a function that is registered for forks: nobody there
    expects them, and CPython drops them.
    """

    @_in_place_of(fork)
    def telling():
        _firmmap._tell_faults()
        result = fork()
        if result == 0 or (type(result) is tuple and result[0] == 0):
            # What the thread met without the GIL, which the parent tells in its main thread.
            _firmmap._tell_faults()
        return result

    telling._tells_faults = True
    return telling


def _in_place_of(function):
    """Return a decorator that gives its function the appearance of the other one, as functools.wraps() does.

    functools takes longer to load than this package.
    """

    def dress(wrapper):
        for name in ("__module__", "__name__", "__qualname__", "__doc__"):
            # What a program has put in its place may lack them, or have something else there.
            if isinstance(value := getattr(function, name, None), str):
                setattr(wrapper, name, value)
        if isinstance(attributes := getattr(function, "__dict__", None), dict):
            wrapper.__dict__.update(attributes)
        wrapper.__wrapped__ = function
        return wrapper

    return dress


def _renewing(function, name):
    @_in_place_of(function)
    def wrapper(*args, **kwargs):
        # In one call, within which no other thread runs Python code.
        return _firmmap._call_renewing(function, name, args, kwargs)

    wrapper._renews_fault_guard = True
    return wrapper


def _connect_pools():
    """Have pools of threads and processes hand over a fault in place of a result, as far as they are loaded.

    A task that ends with an access to missing bytes has returned before its thread is told.
    """
    try:
        names = ("concurrent.futures.process", "concurrent.futures.thread", "multiprocessing.pool")
        process, threads, pool = map(sys.modules.get, names)
        future = getattr(getattr(threads, "_base", None), "Future", None)
        if hasattr(getattr(future, "set_result", None), "__code__"):
            future._firmmap_set_result, future._firmmap_set_exception = future.set_result, future.set_exception
            _firmmap._ask_before_results(future)
        if hasattr(getattr(process, "_sendback_result", None), "__code__"):
            process._firmmap_sendback_result = process._sendback_result
            process._sendback_result = _firmmap._asking_sender(process)
        if hasattr(pool, "worker") and not hasattr(pool.worker, "_asks_for_faults"):
            pool.worker = _asking(pool.worker)
        is_awaiting = any(isinstance(finder, type) and "_awaits_pools" in vars(finder) for finder in sys.meta_path)
        if not is_awaiting:
            sys.meta_path.insert(0, _AwaitPools)
    except Exception:
        # What a program has put there is not what it seems. Only the tasks of its pools are less well off.
        return


def _asking(worker):
    @_in_place_of(worker)
    def asking(inqueue, outqueue, *args, **kwargs):
        return worker(inqueue, _AskingQueue(outqueue), *args, **kwargs)

    asking._asks_for_faults = True
    return asking


class _AskingQueue:
    """What multiprocessing.pool needs of a queue for results."""

    def __init__(self, queue):
        self.put = _firmmap._asking_put(queue)
        # Of a pool of processes.
        self._reader = getattr(queue, "_reader", None)


def _find_pool(name, path, target):
    """Leave finding to the others, and connect what they have found once it is loaded."""
    for finder in sys.meta_path:
        find = None if finder is _AwaitPools else getattr(finder, "find_spec", None)
        spec = None if find is None else find(name, path, target)
        if spec is not None:
            if hasattr(spec.loader, "exec_module"):
                spec.loader = _Loading(spec.loader)
            return spec
    return None


class _AwaitPools:
    """A finder of modules that waits for pools to be loaded."""

    _awaits_pools = True
    # A native function, in which nothing is raised: CPython imports while it shows an exception, say.
    find_spec = _firmmap._pool_finder(_find_pool)


class _Loading:
    """A loader that is its module's until that is loaded."""

    def __init__(self, loader):
        self._loader = loader

    def __getattr__(self, name):
        if name == "_loader":
            raise AttributeError(name)
        return getattr(self._loader, name)

    def __reduce_ex__(self, protocol):
        # A copy is one of the module's.
        return self._loader.__reduce_ex__(protocol)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _connect_pools()


def connect():
    """Connect the guard to the interpreter, and keep it the first handler.

    A handler that is installed after the guard's runs before it: faulthandler would print a
    traceback for a fault that ends in an exception, and after one of signal.signal() the fault
    would recur for ever. And disabling faulthandler reinstalls the handler that was there when it
    was enabled, which may be from before the guard. All of them still get other signals.
    """
    is_first = _firmmap._connect_faults(_make_error, _main_thread())
    if is_first and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_firmmap._faults_after_fork)
    _connect_pools()
    for module, name, wrap, mark in (
        (os, "fork", _telling, "_tells_faults"),
        (os, "forkpty", _telling, "_tells_faults"),
        (faulthandler, "enable", _renewing, "_renews_fault_guard"),
        (faulthandler, "disable", _renewing, "_renews_fault_guard"),
        # What signal.signal() calls, which is a function of Python's.
        (_signal, "signal", _renewing, "_renews_fault_guard"),
    ):
        function = getattr(module, name, None)
        if function is not None and not hasattr(function, mark):
            setattr(module, name, wrap(function, name))
