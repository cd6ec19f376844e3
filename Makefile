# Everything a contributor needs, on a machine with only Python (3.11 to 3.13), make and a package index.
# `make env` once (every target does it when needed), then `make check` before a commit.
# Options: ARGS="...", WORKERS=n, PYTHON=python3.12.

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
STAMP := $(VENV)/.installed
EXAMPLES := $(wildcard examples)
ARGS ?=
# Two test processes, one file at a time each; WORKERS=0 runs the tests in one, for a debugger.
WORKERS ?= 2

# pyright would ask the index for newer versions of itself; node comes as a wheel (pyright[nodejs]), so nothing else is fetched.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.PHONY: help env demo test docs format format-check lint types contracts check clean

help:  ## This list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(STAMP)  ## Make .venv with everything; again only when pyproject.toml or constraints.txt change.

# The first interpreter that runs, is in range and can make environments; shims that exist but fail are passed over.
$(STAMP): pyproject.toml constraints.txt
	@set -e; \
	if [ ! -x $(PY) ]; then \
	  chosen=; \
	  for candidate in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
	    if $$candidate -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; \
	    then chosen=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$chosen" ]; then \
	    echo "make env: no Python from 3.11 to 3.13 (with venv) found; install one or say PYTHON=/path/to/python3" >&2; exit 1; \
	  fi; \
	  echo "making $(VENV) with $$chosen"; \
	  $$chosen -m venv $(VENV); \
	fi
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,langchain,learn,postgres,redis]'
	@touch $@

demo: env  ## The lab's agent on 100 tasks: always-small, always-large and routed. ARGS="--tasks 20 --json".
	$(BIN)/langroute demo $(ARGS)

test: env  ## All tests. ARGS="-k name".
	$(PY) -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

docs: env  ## Only the code in README, docs and docstrings.
	$(PY) -m pytest tests/docs $(ARGS)

format: env  ## Write the layout.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only .

format-check: env
	$(BIN)/ruff format --check .

lint: env  ## ruff.
	$(BIN)/ruff check .

types: env  ## mypy strict on the package; pyright on what users write.
	$(BIN)/mypy -p langroute
	$(if $(EXAMPLES),$(BIN)/pyright --pythonpath $(PY) $(EXAMPLES))

contracts: env  ## Who may know whom.
	$(BIN)/lint-imports

check: format-check lint types contracts test  ## All of the above; the code in the docs runs with the tests.

clean:  ## Remove the environment and every cache.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find langroute tests $(EXAMPLES) -name __pycache__ -type d -prune -exec rm -rf {} +
