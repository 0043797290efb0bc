# Every target says after "##" what it does; `make` alone prints that list.

PYTHON ?= python3
VENV ?= .venv
HOST ?= 127.0.0.1
PORT ?= 8000
EXAMPLES ?= 10000
# Test processes: more than a small machine has cores, because they mostly wait for the services that they start.
WORKERS ?= 3

SHELL := /bin/sh
# -e: a recipe stops at the first command that fails, also within one line of several commands.
.SHELLFLAGS := -eu -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The build backend warns at every editable installation that it is one; failures are errors and still show.
PIP = PYTHONWARNINGS=ignore $(VENV)/bin/python -m pip --quiet --disable-pip-version-check

.PHONY: help
help: ## print this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z][a-z-]*:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# pip, not python, stands for the whole environment: where ensurepip is missing, venv leaves a python without pip.
$(VENV)/bin/pip:
	@command -v $(PYTHON) >/dev/null || { \
	    echo "No $(PYTHON) here. Name a Python 3.11 or newer: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "scimlite needs Python 3.11 or newer, and $(PYTHON) is `$(PYTHON) -V 2>&1`." >&2; \
	    echo "Name another one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "Creating $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

# The stamps tie the installation to setup.cfg: nothing is installed again until that changes.
$(VENV)/.installed: setup.cfg pyproject.toml | $(VENV)/bin/pip
	@echo "Installing scimlite into $(VENV)"
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.installed-test: setup.cfg pyproject.toml | $(VENV)/bin/pip
	@echo "Installing scimlite and its test tools into $(VENV)"
	@$(PIP) install --editable '.[test]'
	@touch $(VENV)/.installed $@

.PHONY: run
run: $(VENV)/.installed ## start the service on http://HOST:PORT (127.0.0.1:8000), data in ./var
	@SCIMLITE_STATE_DIR="$${SCIMLITE_STATE_DIR:-./var}"; export SCIMLITE_STATE_DIR; \
	    exec $(VENV)/bin/scimlite serve --work --host $(HOST) --port $(PORT) --first-app "Entra ID"

.PHONY: test
test: lint ## check style and types, then run the tests on SQLite and PostgreSQL
	unset PYTHONDONTWRITEBYTECODE; $(VENV)/bin/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: coverage
coverage: $(VENV)/.installed-test ## run the tests and print which branches of directory, scim, journal and apps they miss
	COVERAGE_FILE="$(CURDIR)/.coverage"; export COVERAGE_FILE; \
	    $(VENV)/bin/coverage erase; \
	    $(VENV)/bin/coverage run $(VENV)/bin/pytest -n $(WORKERS) --dist loadfile $(COVERAGE); \
	    $(VENV)/bin/coverage combine --quiet; \
	    $(VENV)/bin/coverage report

.PHONY: lint
lint: $(VENV)/.installed-test ## check style and types only
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

.PHONY: proof
proof: $(VENV)/.installed-test ## try filters, PATCH and hostile input with EXAMPLES random examples each (10000)
	SCIMLITE_TEST_EXAMPLES=$(EXAMPLES) $(VENV)/bin/pytest -n 2 tests/directory/search/test_random.py \
	    tests/scim/test_patch_random.py tests/scim/test_fuzz.py tests/wire/test_fuzz.py

.PHONY: bench
bench: $(VENV)/.installed-test ## measure against Flask itself and write docs/performance.md (an hour)
	$(VENV)/bin/python bench/run.py $(BENCH)
	$(VENV)/bin/python bench/flat.py

.PHONY: bench-report
bench-report: $(VENV)/.installed-test ## measure the report with 10 million entries (half an hour, 10 GB)
	$(VENV)/bin/python bench/report.py $(BENCH)

.PHONY: bench-console
bench-console: $(VENV)/.installed-test ## measure the pages of the console with 10 million entries (half an hour, 10 GB)
	$(VENV)/bin/python bench/console.py $(BENCH)

.PHONY: bench-deliveries
bench-deliveries: $(VENV)/.installed-test ## measure what one worker delivers, in docs/performance.md (a minute)
	$(VENV)/bin/python bench/deliveries.py $(BENCH)

.PHONY: bench-peers
bench-peers: $(VENV)/.installed-test ## measure beside other SCIM servers, in docs/performance.md (a quarter of an hour)
	$(VENV)/bin/python bench/peers.py $(BENCH)

.PHONY: bench-compare
bench-compare: $(VENV)/.installed-test ## measure beside another checkout: make bench-compare BENCH="../before --database sqlite"
	$(VENV)/bin/python bench/compare.py $(BENCH)

.PHONY: conformance
conformance: $(VENV)/.installed-test ## run other people's clients and suites, write docs/conformance.md
	$(VENV)/bin/python conformance/run_all.py $(CONFORMANCE)

.PHONY: faults-deliveries
faults-deliveries: $(VENV)/.installed-test ## kill and stop workers a hundred times while they deliver (6 minutes)
	$(VENV)/bin/python faults/kill_workers.py $(FAULTS)

.PHONY: faults-pushes
faults-pushes: $(VENV)/.installed-test ## kill and stop workers and targets forty times while an app is pushed (5 minutes)
	$(VENV)/bin/python faults/kill_pushes.py $(FAULTS)

.PHONY: faults
faults: $(VENV)/.installed-test ## kill, freeze and fill what it runs on while clients write, in docs/faults.md (8 minutes)
	$(VENV)/bin/python faults/run_faults.py $(FAULTS)

.PHONY: texts
texts: $(VENV)/.installed-test ## collect the texts of the console for translators, in translations/console.pot
	$(VENV)/bin/python tests/support/console_texts.py

.PHONY: pictures
pictures: $(VENV)/.installed-test ## take the pictures of docs/console.md from a running service
	$(VENV)/bin/python docs/take_pictures.py

.PHONY: clean
clean: ## remove what the tools made, the virtual environment included; data in ./var stays
	rm -rf $(VENV) .venv-conformance .venv-faults .venv-peers .npm-peers build dist scimlite.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*
	find scimlite cli tests -type d -name __pycache__ -prune -exec rm -rf {} +
