"""Runs CPython's own tests of files, and of what takes them, with plain files and with `firmmap.open()` in their place.

    python run_cpython_file_tests.py [MODULE…]

The tests are those that the interpreter which runs this was installed with; those of a module run in a process of their
own, in an empty folder. Prints the counts, and fails if a test ends differently that is not named here with a reason,
or is named and does not. docs/differences.md has a row for each reason.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

NAMES = """
    io fileio file bufio univnewlines largefile fileinput tempfile filecmp linecache tokenize
    zipfile zipimport zipapp tarfile gzip bz2 lzma wave shelve dbm_dumb pickle pickletools marshal array
    csv configparser plistlib xml_etree http_cookiejar mailbox hashlib shutil runpy
"""
MODULES = [f"test_{name}" for name in NAMES.split()]

# Tests that pass with plain files and cannot with maps, by their last two names, and why.
MODE = "the mode was translated: a map that can be written can be read, and has the mode of such a file"
REPR = "repr() is the map's own"
BLOCKS = "_blksize is io.DEFAULT_BUFFER_SIZE, not the file system's"
GONE = "of a descriptor that was closed behind the map's back fileno() is an error, and close() none (F9)"
FIXED = "instances of the class have no attributes of their own, as those of subclasses have"
CLASS = "a map is an io.BufferedIOBase without a raw file below it"
PICKLES = "a map pickles (G9)"
OPENER = "what an opener has returned is the map's, which the test before it has left open"
FAULT = "others have emptied the file, and writing there is a MapFaultError (F1)"
STAND_IN = "it looks at the functions and classes of io, which are others here"
EXPECTED = {
    **dict.fromkeys(
        [
            "CAutoFileTests.testAttributes",
            "CAutoFileTests.testErrors",
            "CAutoFileTests.testReadWhenWriting",
            "COtherFileTests.testAbles",
            "COtherFileTests.testModeStrings",
            "CIOTest.test_buffered_file_io",
            "CIOTest.test_invalid_operations",
            "CIOTest.test_raw_file_io",
            "CMiscIOTest.test_attributes",
            "TestGzip.test_fileobj_mode",
            "TestGzip.test_mode",
            "KDFTests.test_file_digest",
            *(
                f"Wave{kind}Test.test_context_manager_with_open_file"
                for kind in ("PCM8", "PCM16", "PCM24", "PCM24Ext", "PCM32", "IeeeFloatingPoint")
            ),
            *(
                f"{kind}Test.test_fromfile_ioerror"
                for kind in (
                    *("Byte", "UnsignedByte", "Short", "UnsignedShort", "Int", "UnsignedInt", "Long", "UnsignedLong"),
                    *("LongLong", "UnsignedLongLong", "Float", "Double", "Unicode", "UCS4"),
                    *("HalfFloat", "ComplexFloat", "ComplexDouble"),
                )
            ),
        ],
        MODE,
    ),
    **dict.fromkeys(
        [f"CAutoFileTests.{name}" for name in ("testRepr", "testReprNoCloseFD", "testRecursiveRepr")], REPR
    ),
    "CAutoFileTests.testBlksize": BLOCKS,
    **dict.fromkeys(["CAutoFileTests.testErrnoOnClose", "CAutoFileTests.testErrnoOnClosedFileno"], GONE),
    **dict.fromkeys(
        [
            "CAutoFileTests.testFinalizing",
            "COtherFileTests.testUnclosedFDOnException",
            "CIOTest.test_flush_error_on_close",
        ],
        FIXED,
    ),
    **dict.fromkeys(
        [
            "CIOTest.test_closefd_attr",
            "CMiscIOTest.test_abc_inheritance",
            "CMiscIOTest.test_abc_inheritance_official",
            "COtherFileTests.testDefaultBufferSize",
        ],
        CLASS,
    ),
    "CMiscIOTest.test_pickling": PICKLES,
    "TestTemporaryDirectory.test_warnings_on_cleanup": OPENER,
    **dict.fromkeys([f"TestMH.test_{name}" for name in ("pack", "sequences", "set_item", "update")], FAULT),
    **dict.fromkeys(
        [
            "COtherFileTests.testBooleanFd",
            "CMiscIOTest.test___all__",
            "TestIOCTypes.test_class_hierarchy",
            "TestIOCTypes.test_immutable_types",
        ],
        STAND_IN,
    ),
}
# A warning of what the test before has left behind, where that is still there.
SOMETIMES = {"TestTemporaryDirectory.test_warnings_on_cleanup"}
# 3.15's gzip does not look at the mode.
SOMETIMES |= {"TestGzip.test_fileobj_mode"} if sys.version_info >= (3, 15) else set()
# The classes of two modules have the same names; these tests of the second do not differ.
ELSEWHERE = {f"CAutoFileTests.{name}" for name in ("testAttributes", "testErrors")} | {
    "COtherFileTests.testModeStrings"
}


# Of the table that is printed: the module, how many tests it has and pass on each side, how many differ, files mapped.
LINE = "{:20}{:>8}{:>8}{:>9}{:>8}{:>8}"


def run(side: str, module: str) -> dict[str, Any]:
    """The outcomes of a module's tests, and how many files were mapped."""
    program = Path(__file__).with_name("cpython_file_tests.py")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-W", "ignore", str(program), side, module]
        environment = {**os.environ, "TMPDIR": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        result = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=900,
            check=False,
        )
    lines = [line for line in result.stdout.splitlines() if line.startswith("OUTCOMES ")]
    if not lines:
        sys.exit(f"{module}, {side}: the tests did not finish\n{result.stdout[-2000:]}\n{result.stderr[-5000:]}")
    outcome: dict[str, Any] = json.loads(lines[-1].removeprefix("OUTCOMES "))
    return {**outcome, "errors": result.stderr}


def main() -> int:
    modules = [module for module in MODULES if importlib.util.find_spec(f"test.{module}")]
    if chosen := sys.argv[1:]:
        modules = [module for module in modules if module in chosen]
    print(LINE.format("", "tests", "files", "firmmap", "differ", "maps"))
    unexpected, totals = [], [0, 0, 0, 0, 0]
    for module in modules:
        # Both sides at a time, so that one interpreter alone uses two processors.
        with ThreadPoolExecutor(2) as pool:
            plain, ours = pool.map(run, ("plain", "firmmap"), (module, module))
        before, after = plain["tests"], ours["tests"]
        passed = [[name for name, outcome in tests.items() if outcome == "passed"] for tests in (before, after)]
        different = sorted(
            name
            for name in before.keys() | after.keys()
            if (before.get(name) == "passed") != (after.get(name) == "passed")
        )
        numbers = [len(before), len(passed[0]), len(passed[1]), len(different), ours["mapped"]]
        print(LINE.format(module, *numbers))
        totals = [total + number for total, number in zip(totals, numbers, strict=True)]
        for name in different:
            reason = EXPECTED.get(name, "NOT EXPECTED")
            print(f"    {name}: {reason}")
            if name not in EXPECTED:
                print(f"        files {before.get(name)}\n        firmmap {after.get(name)}")
        wrong = [name for name in different if name not in EXPECTED]
        wrong += [
            f"{name}: expected to differ, and does not"
            for name in EXPECTED.keys() & set(passed[0])
            if name not in different and name not in SOMETIMES and not (module == "test_file" and name in ELSEWHERE)
        ]
        if not ours["mapped"] or plain["mapped"] or not passed[1]:
            wrong.append(f"{module}: {len(passed[1])} tests passed, {ours['mapped']} files were mapped")
        if wrong:
            print(*(f"    {line}" for line in wrong), ours["errors"][-10_000:], sep="\n")
        unexpected += wrong
        sys.stdout.flush()
    label = ".".join(map(str, sys.version_info[:2]))
    tests, files, maps, differ, mapped = totals
    print(
        f"file tests of CPython {label}: {tests} tests of {len(modules)} modules, files passed {files}, "
        f"firmmap passed {maps}, {differ} differ for a reason, {mapped} files mapped"
    )
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
