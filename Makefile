# Everything runs in one virtual environment, .venv, that these targets make themselves from requirements.lock.
# Nothing needs to be installed before but Python 3.11 or newer and make.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
UV_VERSION := 0.13.8
UV := build/lock/bin/uv
PACKAGES := workflows orchestrator_api orchestrator_tasks

# The interpreter of the environment: `make test PYTHON=/opt/python3.12/bin/python3`.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

# What is tested, and how: `make test TESTS=tests/unit TEST_FLAGS="-x -n 2"`.
TESTS ?= tests
TEST_FLAGS ?=
PYTEST := $(BIN)/python -m pytest

.PHONY: help demo up migrate test check verify bench chaos watch coverage format docs lock clean

help: ## Show this list.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: $(INSTALLED) ## Start everything, render a real video, show the result, stop.
	@$(BIN)/orchestrator demo

up: $(INSTALLED) ## Start everything and keep it running; prints the URLs and a development key.
	@$(BIN)/orchestrator up

migrate: $(INSTALLED) ## Bring the database named by DATABASE_URL to the newest schema.
	@$(BIN)/orchestrator migrate

test: $(INSTALLED) ## The test suite, on the real engines.
	$(PYTEST) -m "not verify" $(TEST_FLAGS) $(TESTS)

check: $(INSTALLED) ## Lint, format, types, import contracts, and the repository's own rules.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -q tests/repo

verify: $(INSTALLED) ## The suite again with the long samples: many more generated cases.
	$(PYTEST) -p tests.repo.verify_profile --hypothesis-profile=verify $(TEST_FLAGS) $(TESTS)

chaos: $(INSTALLED) ## Only the tests that kill and stop parts of the running service.
	$(PYTEST) -m chaos -v $(TEST_FLAGS) $(TESTS)

bench: $(INSTALLED) build/moviepy/.installed ## The benchmark against hand-written FFmpeg and MoviePy; STRICT=1 fails on a missed goal.
	$(BIN)/python -m bench
	$(BIN)/python -m bench.waiters

watch: $(INSTALLED) ## Run the tests in TESTS (default here: tests/unit) again at every change.
	$(BIN)/watchfiles --filter python '$(PYTEST) -q -x $(TEST_FLAGS) $(if $(filter-out tests,$(TESTS)),$(TESTS),tests/unit)' $(PACKAGES) tests

coverage: $(INSTALLED) ## The suite with line coverage of this process; htmlcov/index.html.
	$(PYTEST) -m "not verify" $(foreach p,$(PACKAGES),--cov=$(p)) --cov-report=term --cov-report=html $(TEST_FLAGS) $(TESTS)

format: $(INSTALLED) ## Format the code and fix what the linter can fix.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(INSTALLED) ## Write the settings of the code into README.md and .env.example.
	$(BIN)/python -m tests.repo.settings_docs

lock: $(UV) ## Resolve pyproject.toml into the two locks; UPGRADE=1 takes newer releases.
	$(call compile,--extra dev,requirements.lock)
	$(call compile,--extra build --constraint requirements.lock,requirements-runtime.lock)

clean: ## Remove caches and reports; the environment stays (rm -r .venv removes it).
	rm -rf build dist htmlcov .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

# One resolution for every Python from 3.11 on and for every machine; no address of any package index in the file.
define compile
	$(UV) pip compile pyproject.toml $(1) --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
		--no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
		$(if $(UPGRADE),--upgrade) --quiet --output-file $(2)
endef

$(UV):
	$(call require_python)
	@$(PYTHON) -m venv build/lock
	@build/lock/bin/python -m pip install -qq --disable-pip-version-check uv==$(UV_VERSION)

# One of the benchmark's contenders; it needs an older Pillow than ours, so it lives beside the environment.
build/moviepy/.installed: bench/moviepy.txt | $(INSTALLED)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --upgrade --target build/moviepy -r bench/moviepy.txt
	@touch $@

# pip refuses any file whose hash is not in the lock; the checkout itself is then added without asking for anything.
$(INSTALLED): requirements.lock pyproject.toml
	$(call require_python)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { rm -rf $(VENV); $(PYTHON) -m venv $(VENV) || \
		{ echo 'This Python cannot make virtual environments (on Debian: install python3-venv).' >&2; exit 1; }; }
	@echo "Installing into $(VENV) from requirements.lock; the first time takes a few minutes ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

define require_python
	@test -n '$(PYTHON)' && '$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or newer is needed. Install it, or name it: make $@ PYTHON=/path/to/python3.12' >&2; exit 1; }
endef
