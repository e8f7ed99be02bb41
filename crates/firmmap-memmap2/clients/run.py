"""Runs the own tests of crates that use memmap2, with it and with firmmap-memmap2, and programs that are truncated.

    python run.py FOLDER [CLIENT…]

FOLDER is for the sources, as the registry gives them, and for what is built of them. Prints the counts side by side and
each test that ends differently, and fails if there is one, or if a crate's tests did not use what they should. The last
client, `truncated`, are programs whose file is truncated under way, each in a process of its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATCH = HERE.parent / "patch"
LIBRARIES = ("memmap2", "firmmap")
COLUMNS = ("passed", "failed", "ignored")
MEMMAP2_TESTS = "test/map.rs"
TEST_MODULE = f'#[cfg(test)]\n#[path = "../{MEMMAP2_TESTS}"]\nmod tests;\n'
TEST = re.compile(r"^test (?P<name>.+?) (?:- should panic )?\.\.\. (?P<result>ok|FAILED|ignored)", re.MULTILINE)
RESULTS = {"ok": "passed", "FAILED": "failed", "ignored": "ignored"}


@dataclass
class Client:
    """One crate, in the version whose tests are known to pass with memmap2."""

    name: str
    version: str
    arguments: list[str] = field(default_factory=lambda: ["--lib"])
    """What `cargo test` is given."""
    examples: bool = False
    """Whether the documentation's examples are run too."""
    edits: dict[str, str] = field(default_factory=dict)
    """What is replaced in `Cargo.toml`, with either library."""


MEMMAP2 = "[dependencies.memmap2]\n"
CLIENTS = [
    Client("memmap2", "0.9.12", ["--lib", "--features", "stable_deref_trait"], examples=True),
    # It asks for a release of memmap2 whose API is the same.
    Client(
        "cacache",
        "13.1.0",
        edits={'[dependencies.memmap2]\nversion = "0.5.8"': '[dependencies.memmap2]\nversion = "0.9"'},
    ),
    Client("grep-searcher", "0.1.17"),
    Client("ndarray-npy", "0.10.0", ["--lib", "--tests"]),
    Client("parity-db", "0.5.7", ["--lib", "--tests"]),
    Client("safetensors", "0.8.0"),
    Client("tantivy", "0.27.0"),
]


def cargo(*arguments: str, folder: Path, target: Path, library: str) -> subprocess.CompletedProcess[str]:
    """Runs cargo in `folder`, with memmap2 as the registry has it or with firmmap-memmap2 in its place."""
    patch = f"patch.crates-io.memmap2.path={json.dumps(str(PATCH))}"
    command = ["cargo", *(["--config", patch] if library == "firmmap" else []), *arguments]
    environment = dict(
        os.environ,
        CARGO_TARGET_DIR=str(target),
        CARGO_PROFILE_DEV_DEBUG="0",
        RUST_BACKTRACE="0",
        CARGO_TERM_COLOR="never",
    )
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def source(client: Client, folder: Path) -> Path:
    """A copy of the crate's package, which is a workspace of its own."""
    probe = folder / "probe"
    (probe / "src").mkdir(parents=True, exist_ok=True)
    (probe / "src/lib.rs").touch()
    (probe / "Cargo.toml").write_text(
        '[package]\nname = "probe"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n'
        f'[dependencies]\n{client.name} = "={client.version}"\n'
    )
    (probe / "Cargo.lock").unlink(missing_ok=True)
    run = subprocess.run(
        ["cargo", "metadata", "--format-version=1"], cwd=probe, capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        raise SystemExit(f"{client.name}: {run.stderr}")
    packages = json.loads(run.stdout)["packages"]
    manifest = next(package["manifest_path"] for package in packages if package["name"] == client.name)
    copy = folder / f"{client.name}-{client.version}"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(Path(manifest).parent, copy)
    text = (copy / "Cargo.toml").read_text()
    for old, new in client.edits.items():
        if old not in text:
            raise SystemExit(f"{client.name}: its Cargo.toml has no {old!r}")
        text = text.replace(old, new)
    (copy / "Cargo.toml").write_text(f"{text}\n[workspace]\n")
    return copy


def declare_tests(copy: Path) -> None:
    """Makes memmap2's tests, which are in its package, a part of its library, which does not name them."""
    library = copy / "src/lib.rs"
    if not (copy / MEMMAP2_TESTS).exists():
        raise SystemExit(f"memmap2: its package has no {MEMMAP2_TESTS}")
    library.write_text(library.read_text() + TEST_MODULE)


def put_under_test(copy: Path) -> None:
    """Makes firmmap-memmap2 what memmap2's own tests and examples are about."""
    manifest = copy / "Cargo.toml"
    text = manifest.read_text()
    dependency = f"[dependencies.firmmap-memmap2]\npath = {json.dumps(str(HERE.parent))}\n"
    feature = '["dep:stable_deref_trait", "firmmap-memmap2/stable_deref_trait"]'
    text += f"\n{dependency}\n[features]\nstable_deref_trait = {feature}\n"
    manifest.write_text(text)
    library = copy / "src/lib.rs"
    documentation = re.findall(r"^ *//[/!] ?(.*)$", library.read_text(), re.MULTILINE)
    library.write_text(
        "".join(f"//! {line}\n" for line in documentation)
        + "pub use firmmap_memmap2::*;\n"
        + "#[cfg(unix)]\npub mod advice {\n    pub use firmmap_memmap2::Advice;\n}\n"
        + TEST_MODULE
    )


def run_tests(client: Client, copy: Path, folder: Path, library: str) -> dict[str, str]:
    """How each test has ended."""
    target = folder / "target"
    patched = library
    if client.name == "memmap2":
        # It cannot be replaced in its own package.
        patched = "memmap2"
        if library == "firmmap":
            copy = source(client, folder)
            put_under_test(copy)
        else:
            declare_tests(copy)
    else:
        # A lock file of the package's own names what memmap2 was when it was packed.
        update = cargo("update", "memmap2", folder=copy, target=target, library=patched)
        if update.returncode != 0:
            raise SystemExit(f"{client.name}: {update.stderr}")
    options = ["--prefix=none", "--edges=normal,dev", *features(client)]
    tree = cargo("tree", *options, folder=copy, target=target, library=patched)
    if ("firmmap-memmap2 " in tree.stdout) != (library == "firmmap"):
        raise SystemExit(f"{client.name}: it does not use {library}\n{tree.stdout}{tree.stderr}")
    results = {}
    for arguments in client.arguments, *([["--doc"]] if client.examples else []):
        options = ["--no-fail-fast", *arguments, "--", "--test-threads=2"]
        run = cargo("test", *options, folder=copy, target=target, library=patched)
        with (folder / f"{client.name}-{library}.log").open("a" if results else "w") as log:
            log.write(run.stdout + run.stderr)
        found = [(test["name"], RESULTS[test["result"]]) for test in TEST.finditer(run.stdout)]
        if not found:
            raise SystemExit(f"{client.name}: no tests were run with {library}\n{run.stderr[-3000:]}")
        if arguments == ["--doc"]:
            # They are named by lines, which differ.
            found = [
                (f"example {number}", result)
                for number, (_, result) in enumerate(sorted(found, key=lambda test: test[1]))
            ]
        results.update(found)
    return results


def features(client: Client) -> list[str]:
    """The features among what `cargo test` is given."""
    arguments = client.arguments
    return arguments[arguments.index("--features") :][:2] if "--features" in arguments else []


def run_client(client: Client, folder: Path) -> bool:
    """Whether the tests end alike, and all as they should."""
    copy = source(client, folder)
    ends = {library: run_tests(client, copy, folder, library) for library in LIBRARIES}
    for library in LIBRARIES:
        counts = Counter(ends[library].values())
        print(f"{client.name:14} {library:8}", *(f"{counts[column]:7}" for column in COLUMNS), flush=True)
    names = sorted(set(ends["memmap2"]) | set(ends["firmmap"]))
    # A unit test of what only memmap2 has inside is none of its API.
    inside = {"advice::tests::test_is_supported"} if client.name == "memmap2" else set()
    differing = [
        name for name in names if name not in inside and ends["memmap2"].get(name) != ends["firmmap"].get(name)
    ]
    for name in differing:
        print(f"    {name}: {ends['memmap2'].get(name)} with memmap2, {ends['firmmap'].get(name)} with firmmap")
    return not differing and Counter(ends["firmmap"].values())["passed"] > 0


def run_truncated(folder: Path) -> bool:
    """Runs each program whose file is truncated under way, in a process of its own, with either library."""
    good = True
    programs: list[str] = []
    for library in LIBRARIES:
        copy = folder / f"truncated-{library}"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(HERE / "truncated", copy)
        target = folder / "target"
        build = cargo("build", folder=copy, target=target, library=library)
        if build.returncode != 0:
            raise SystemExit(f"truncated: {build.stderr[-3000:]}")
        program = copy / "program"
        shutil.copy2(target / "debug/truncated", program)
        programs = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
        for name in programs:
            for way in ("whole", "plain", "caught"):
                run = subprocess.run([program, name, way], capture_output=True, text=True, check=False)
                said = f"{run.stdout}{run.stderr}".strip().splitlines()
                if way == "whole":
                    wanted = run.returncode == 0 and "Ok: " in run.stdout
                elif library == "memmap2":
                    wanted = run.returncode == -signal.SIGBUS
                elif way == "plain":
                    wanted = run.returncode == 101 and "was not there" in run.stderr and "Ok: " not in run.stdout
                else:
                    wanted = run.returncode == 0 and "lives on: " in run.stdout and "Ok: " not in run.stdout
                ended = f"exit {run.returncode}" if run.returncode >= 0 else signal.Signals(-run.returncode).name
                verdict = "as it should" if wanted else "NOT AS IT SHOULD"
                print(f"truncated {name:8} {way:7} {library:8} {ended:8} {verdict}", flush=True)
                if not wanted:
                    print("\n".join(f"    {line}" for line in said[-10:]))
                good &= wanted
    return good and len(programs) == 4


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    names = sys.argv[2:]
    known = [client.name for client in CLIENTS] + ["truncated"]
    if unknown := set(names) - set(known):
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    print(f"{'':23}", *(f"{column:>7}" for column in COLUMNS), flush=True)
    good = [run_client(client, folder) for client in CLIENTS if not names or client.name in names]
    if not names or "truncated" in names:
        good.append(run_truncated(folder))
    print(f"{sum(good)} of {len(good)} clients end alike")
    raise SystemExit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
