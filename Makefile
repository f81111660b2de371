# make up      everything up: environment, real servers, provisioning, the example
# make test    lint, types, unit tests, and tests against the real stack (make test-long: the long ones)
# make down    stop everything

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := up
.PHONY: up down test test-unit test-stack test-kubernetes test-long test-faults test-union-faults lint bench

VENV := .venv
# Another lock is another stamp, whatever the files' times say.
LOCKED := $(shell cat requirements.lock pyproject.toml local_stack/pip/uv.lock | sha256sum | cut -c1-16)
INSTALLED := $(VENV)/installed-$(LOCKED)
PYTHON ?= $(shell for each in python3 python3.13 python3.12 python3.11; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)

up: $(INSTALLED)
	@$(VENV)/bin/dropless up

down: $(INSTALLED)
	@$(VENV)/bin/dropless down

lint: $(INSTALLED)
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check
	@$(VENV)/bin/mypy

test-unit: $(INSTALLED)
	@$(VENV)/bin/pytest tests/unit

# One stack serves both; the faults come last, for they kill its brokers.
test-stack: $(INSTALLED)
	@$(VENV)/bin/pytest -m "not long" tests/stack tests/faults

# What takes minutes each: changing contracts, backfills, broken promises and their repair, a faulty object store, a soak. Half an hour.
test-long: $(INSTALLED)
	@$(VENV)/bin/pytest -m long tests/stack

# SEEDS=10 plays ten schedules on one stack, FAULTS=all every fault in each of them.
SEEDS ?= 1
FAULTS ?=
test-faults: $(INSTALLED)
	@DROPLESS_FAULT_SEEDS=$(SEEDS) DROPLESS_FAULTS=$(FAULTS) $(VENV)/bin/pytest tests/faults

# The union's faults alone, on brokers alone: SEEDS=10 takes about an hour.
test-union-faults: $(INSTALLED)
	@DROPLESS_FAULT_SEEDS=$(SEEDS) DROPLESS_FAULTS=$(FAULTS) $(VENV)/bin/pytest --only-kafka \
		tests/faults/test_union_faults.py

# Helm releases on a real API server, scheduler and volumes, of which no container is run.
test-kubernetes: $(INSTALLED)
	@$(VENV)/bin/pytest tests/plane

# The control plane is built from source, once: a quarter of an hour, with what the other tests leave of the processors.
test: lint
	@nice -n 19 $(VENV)/bin/python tests/plane/built.py >$(VENV)/control-plane.log 2>&1 & building=$$!; \
		trap "kill $$building 2>/dev/null || true" EXIT; \
		$(MAKE) --no-print-directory test-unit test-stack test-kubernetes

# ONLY="P1 P15" measures some, QUICK=1 roughly.
bench: $(INSTALLED)
	@$(VENV)/bin/python -m benchmarks $(ONLY) $(if $(QUICK),--quick)

$(INSTALLED): requirements.lock pyproject.toml local_stack/pip/uv.lock
	@if [ -z "$(PYTHON)" ]; then \
		echo "Python 3.11 or later is needed and none is on the path: install it, or name it with PYTHON=..." >&2; exit 1; fi
	@if ! "$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null; then \
		echo "Python's venv module is needed and $(PYTHON) lacks it: \`apt install python3-venv\`." >&2; exit 1; fi
	@echo "Making the Python environment in $(VENV) ..."
	@if ! "$(VENV)/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		"$(PYTHON)" -m venv --clear $(VENV); fi
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r local_stack/pip/uv.lock
	@echo "Installing $$(grep -c '==' requirements.lock) packages ..."
	@$(VENV)/bin/uv pip install --python $(VENV)/bin/python --require-hashes --quiet -r requirements.lock
	@$(VENV)/bin/uv pip install --python $(VENV)/bin/python --quiet --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/installed-*
	@touch $@
