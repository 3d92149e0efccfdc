# Everything on a fresh machine: `make demo` runs the main job on real data, `make test` passes the tests.
# Both make a virtual environment in .venv first; nothing outside this folder is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export WHERRY_SHARED ?= $(abspath ../shared)

.PHONY: help setup demo test fuzz lint format bench soak clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 10

setup: $(VENV)/.ready  ## the virtual environment with wherry and its tools

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "wherry needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "this Python has no venv module; run scripts/system-packages.sh"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

demo: export WHERRY_HOME ?= $(abspath .wherry)
demo: setup  ## digits: train, pick, evaluate, export; the second time everything comes from the cache
	$(BIN)/wherry run examples/digits/flow.py
	$(BIN)/wherry show latest
	$(BIN)/wherry artifacts latest

test: setup  ## all tests
	$(BIN)/python -m pytest -n 2 --dist worksteal

fuzz: export WHERRY_FUZZ ?= 10000
fuzz: setup  ## 10,000 documents and 1,000 flows made wrong; each is taken or refused
	$(BIN)/python -m pytest tests/ir/test_fuzz.py tests/compiler/test_fuzz_sources.py

lint: setup  ## style, types, layers, sizes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: setup  ## write the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup  ## the figures, as JSON; each a pair measured in one run
	$(BIN)/python -m benchmarks

soak: setup  ## kill the server at 100 random moments; every run must complete
	$(BIN)/python -m benchmarks.soak

clean:  ## remove what these commands made
	-$(BIN)/wherry down 2>/dev/null
	rm -rf $(VENV) .cache .wherry build dist .pytest_cache .ruff_cache .hypothesis
