# `make` lists what can be done. Needs a Rust toolchain, Python 3.11 or newer, and make; all else goes into
# .venv, .venvs and target (or CARGO_TARGET_DIR).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

# The interpreter of .venv.
PYTHON ?= python3
# The file that the demo works on; without one it puts 200 MB together.
FILE ?=

export TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
export PATH := $(PATH):$(TARGET)/tools/bin
export CARGO_TERM_COLOR ?= never
WHEEL := $(TARGET)/wheels/built
BIN := .venv/bin
PACKAGE := crates/firmmap-python
LOGGED := scripts/logged.sh
SOURCES := $(shell find crates/*/src $(PACKAGE)/python -name '*.rs' -o -name '*.py' -o -name '*.pyi' -o -name py.typed) \
	$(wildcard Cargo.* crates/*/Cargo.toml crates/*/build.rs pyproject.toml README.md LICENSE-*)

.PHONY: help
help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do \
		printf '  make %-13s %s\n' "$$name" "$$text"; done

.PHONY: build
build: .venv/installed ## build the package (release) and install it into .venv

.PHONY: demo
demo: build ## show the package at work, beside the standard module, on a real file (FILE=…, or one put together)
	@$(BIN)/python scripts/demo.py $(if $(FILE),'$(FILE)')

.PHONY: test
test: lint test-rust test-python test-cpython ## run everything below, and print all closing lines
	@scripts/summary.sh

.PHONY: test-rust
test-rust: ## run the Rust tests and the documentation's examples
	@cargo nextest --version >/dev/null 2>&1 || cargo install --locked --debug cargo-nextest --root $(TARGET)/tools
	@$(LOGGED) nextest cargo nextest run --workspace --locked
	@$(LOGGED) doctest cargo test --quiet --doc --workspace --locked

.PHONY: test-python
test-python: $(WHEEL) ## run pytest under every CPython from 3.11 on
	@$(LOGGED) pytest scripts/each-python.sh -m pytest -q

.PHONY: test-cpython
test-cpython: $(WHEEL) ## run CPython's own test_mmap with both modules, under every CPython from 3.11 on
	@$(LOGGED) cpython scripts/each-python.sh --needs test.test_mmap $(PACKAGE)/tests/run_cpython_tests.py

.PHONY: lint
lint: build ## check formatting, clippy, rustdoc, ruff, mypy, and the stubs against the package
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --locked
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(BIN):$$PATH" scripts/check-types.sh

.PHONY: clean
clean: ## remove everything that was built or downloaded
	cargo clean
	rm -rf .venv .venvs .hypothesis .mypy_cache .pytest_cache .ruff_cache

.venv/ready: requirements-dev.txt requirements-test.txt scripts/venv.sh
	@scripts/venv.sh $(PYTHON) .venv requirements-dev.txt
	@touch $@

$(WHEEL): .venv/ready $(SOURCES)
	rm -rf $(@D)
	$(BIN)/maturin build --release --locked --out $(@D)
	@touch $@

.venv/installed: $(WHEEL)
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall $(dir $<)*.whl
	@touch $@
