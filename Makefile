# Two commands on a fresh machine: `make demo` and `make test`. Everything else is for those who work on autotag.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO_DIR ?= demo

.DEFAULT_GOAL := help
.PHONY: help env demo test test-slow check format bench lock clean

help:                ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 20

env: $(READY)        ## the environment in .venv, pinned by constraints.txt

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "autotag needs Python 3.11 to 3.13; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev,postgres]'
	@touch $@

demo: env            ## sample archive, all assets, two tagged folders, a page to look at (in ./demo)
	$(BIN)/autotag demo --dir $(DEMO_DIR)

# A worker that crashes fails its test and ends the run: xdist can wait for ever for the one that replaces it.
test: env            ## the fast tests
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile --max-worker-restart=0

test-slow: env       ## the slow tests: real Ray, Dagster daemon, browser, S3 and Postgres servers, kill -9
	$(BIN)/python -m pytest -m slow

check: env           ## format, lint, types, import rules, graph snapshot
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q autotag_tests/architecture

format: env          ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: env           ## the benchmarks of benchmarks/README.md
	$(BIN)/python -m benchmarks.source_pass

lock: env            ## resolve constraints.txt anew
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra postgres --python-version 3.11 --no-header --no-annotate -c constraints.in -o constraints.txt --upgrade

clean:               ## remove the environment and the demo
	rm -rf $(VENV) $(DEMO_DIR)
