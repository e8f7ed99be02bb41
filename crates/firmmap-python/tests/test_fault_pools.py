"""F3: tasks of pools that end with an access to missing bytes: their result is handed over before a raise."""

from __future__ import annotations

import gc
import inspect
import operator
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest
from fault_support import LOST, PAGE, MapFaultError, Victim, chance, lives, only_linux

pytestmark = only_linux

TASKS: dict[str, Callable[[Any], object]] = {
    "read": lambda view: view[LOST],
    "write": lambda view: operator.setitem(view, LOST, 7),
    "statement": lambda view: {}[view[LOST]],
    "slice": lambda view: view[LOST : LOST + 10] == b"0123456789",
    "two": lambda view: (view[LOST], view[LOST + PAGE // 2]),
}
# A fork takes view and task along: neither can be pickled.
current: list[Any] = []


def task(number: int) -> object:
    """Every other one meets the missing byte."""
    view, function = current
    return function(view) if number % 2 else threading.get_ident()


@pytest.fixture(params=TASKS)
def expected(one: Victim, request: pytest.FixtureRequest) -> Iterator[str]:
    """The way in which the tasks end."""
    view = memoryview(one.map)
    current[:] = view, TASKS[request.param]
    yield request.param
    current.clear()
    gc.collect()
    view.release()
    # What the parent has not met itself.
    one.map.close()


def check(error: object, way: str) -> None:
    assert isinstance(error, MapFaultError), repr(error)
    assert error.offset == LOST
    if way == "statement":
        assert isinstance(error.__context__, KeyError)


def test_threads(expected: str) -> None:
    """F3: the task fails, and the thread that ran it does the next."""
    with ThreadPoolExecutor(1) as pool:
        futures = [pool.submit(task, number) for number in range(40)]
        idents = {future.result(60) for future in futures[::2]}
        for future in futures[1::2]:
            check(future.exception(60), expected)
    assert len(idents) == 1


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_processes(expected: str) -> None:
    """F3: the task fails, and its process does the next."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        futures = [pool.submit(task, number) for number in range(10)]
        assert len({future.result(60) for future in futures[::2]}) == 1
        for future in futures[1::2]:
            error = future.exception(60)
            assert isinstance(error, MapFaultError), repr(error)
            assert error.offset == LOST


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_pool_of_multiprocessing(expected: str, kind: str) -> None:
    """F3: as above, also where the pool calls the task itself (imap)."""
    with ThreadPool(1) if kind == "threads" else get_context("fork").Pool(1) as pool:
        for number in range(0, 20, 2):
            pool.apply_async(task, (number,)).get(60)
            with pytest.raises(MapFaultError) as caught:
                pool.apply_async(task, (number + 1,)).get(60)
            assert caught.value.offset == LOST
        results = pool.imap(task, range(10))
        for _ in range(5):
            assert results.next(60)
            with pytest.raises(MapFaultError):
                results.next(60)


def test_a_result_that_the_program_sets_itself(one: Victim) -> None:
    """F3: a future that is no pool's is set, and whoever has met the fault is told."""
    view = memoryview(one.map)
    future: Future[int] = Future()

    def work() -> None:
        future.set_result(view[LOST])
        chance()

    with ThreadPoolExecutor(1) as pool:
        check(pool.submit(work).exception(60), "read")
    view.release()
    one.map.close()


def test_futures_are_what_they_were() -> None:
    """F3: their methods have the same arguments and errors."""
    future: Future[int] = Future()
    assert list(inspect.signature(Future.set_result).parameters) == ["self", "result"]
    assert list(inspect.signature(future.set_exception).parameters) == ["exception"]
    future.set_result(result=5)
    assert future.result() == 5
    with pytest.raises(InvalidStateError):
        future.set_result(6)
    failed: Future[int] = Future()
    failed.set_exception(exception=ValueError("mine"))
    with pytest.raises(ValueError, match="mine"):
        failed.result()
    for arguments in ((), (1, 2)):
        with pytest.raises(TypeError):
            future.set_result(*arguments)
    with pytest.raises(TypeError):
        Future.set_result(5, 6)  # type: ignore[arg-type]


ORDERS = {
    "before": "from concurrent.futures import ThreadPoolExecutor as Pool\nimport firmmap",
    "after": "import firmmap\nfrom concurrent.futures import ThreadPoolExecutor as Pool",
    "after a part": "import concurrent.futures, firmmap\nPool = concurrent.futures.ThreadPoolExecutor",
    "twice": """
import firmmap, sys
for name in [name for name in sys.modules if name.partition(".")[0] == "firmmap"]:
    del sys.modules[name]
import firmmap
from concurrent.futures import ThreadPoolExecutor as Pool
""",
    "again": """
import firmmap, sys, concurrent.futures.thread
for name in [name for name in sys.modules if name.partition(".")[0] == "concurrent"]:
    del sys.modules[name]
from concurrent.futures import ThreadPoolExecutor as Pool
""",
    "behind what is not what it seems": """
import sys, types
class Odd(types.ModuleType):
    def __getattr__(self, name):
        raise RuntimeError(name)
class Finder:
    def find_spec(self, *arguments):
        return None
    def __getattr__(self, name):
        return Finder()
sys.modules["multiprocessing.pool"] = Odd("multiprocessing.pool")
sys.meta_path.insert(0, Finder())
import firmmap
del sys.modules["multiprocessing.pool"]
for name in [name for name in sys.modules if name.partition(".")[0] == "firmmap"]:
    del sys.modules[name]
import firmmap
from concurrent.futures import ThreadPoolExecutor as Pool
""",
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_pools_that_are_loaded_before_or_after(order: str) -> None:
    """F3: both are noticed, and the module of the pool is as the import system makes it."""
    script = textwrap.dedent(order) + textwrap.dedent("""
        import concurrent.futures.thread as module, inspect, sys
        assert module.__loader__ is module.__spec__.loader and "Pool" in inspect.getsource(module)
        assert type(module.__loader__).__name__ == "SourceFileLoader", module.__loader__
        assert sum(isinstance(finder, type) and hasattr(finder, "_awaits_pools") for finder in sys.meta_path) == 1
        import copy, importlib.util
        loader = importlib.util.find_spec("multiprocessing.pool").loader
        assert copy.copy(loader).get_filename() == loader.get_filename()
        file, m = mapped(firmmap)
        view = memoryview(m)
        file.truncate(0)
        with Pool(1) as pool:
            for _ in range(3):
                error = pool.submit(lambda: view[PAGE]).exception(60)
                print(isinstance(error, firmmap.MapFaultError), end=" ")
        view.release()
        m.close()
        file.close()
        """)
    assert lives(script) == ("True True True ", "")
