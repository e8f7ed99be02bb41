"""Puts firmmap in the place of the standard module, in every process of an environment, and keeps a record of its use.

`run.py` copies this file into the environment, beside a `.pth` file that imports it: so it runs before anything else in
each interpreter that starts there, the children of `multiprocessing` too. It does something only if the environment
says so:

- `FIRMMAP_CLIENTS_MODULE`: which module `import mmap` gives, `standard` or `firmmap`;
- `FIRMMAP_CLIENTS_RECORD`: the file that gets a line for each process that maps, and one for each map it makes.

Either module raises an audit event for each map. What the two runs record can be compared for that reason.
"""

from __future__ import annotations

import os
import sys


def install(choice: str, record: str) -> None:
    assert "mmap" not in sys.modules, "somebody was here first"
    if choice == "firmmap":
        # Which loads the standard module for its names, before anybody watches, and does not enter it anywhere.
        import firmmap

        sys.modules["mmap"] = firmmap
    seen: set[int] = set()

    def note(line: str) -> None:
        # Opened each time: tests count descriptors, and close those that they don't know.
        fd = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(fd, f"{line}\n".encode())
        os.close(fd)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event == "import" and arguments[0] == "mmap" and choice == "firmmap":
            note("wrong: the standard module was imported")
        if event != "mmap.__new__":
            return
        pid = os.getpid()
        if pid not in seen:
            seen.add(pid)
            note(f"process {sys.modules['mmap'].mmap.__module__}")
        note("map")

    sys.addaudithook(watch)


if "FIRMMAP_CLIENTS_MODULE" in os.environ:
    install(os.environ["FIRMMAP_CLIENTS_MODULE"], os.environ["FIRMMAP_CLIENTS_RECORD"])
