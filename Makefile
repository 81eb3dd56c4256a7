# One word a task; `make help` lists them. Nothing is installed or built twice.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.perfkit-ready

.PHONY: help tour lab test lint corpus bench clean

help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml
	@echo "Setting up $(VENV) (once, about a minute) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "perfkit needs Python 3.11 or later: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@$(BIN)/python -m compileall -q perfkit  # as pip does with all else: each kernel starts a second sooner
	@touch $@

tour: $(READY) ## Build the sample data, run every guided notebook, write reports/index.html
	@$(BIN)/perfkit tour

lab: $(READY) ## Open the guided notebooks in JupyterLab
	@$(BIN)/perfkit lab

test: lint ## Lint, types, architecture, and all tests
	@$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

corpus: $(READY) ## Judge a corpus of real programs with perfkit and its peers: precision and recall
	@$(BIN)/python -m tests.corpus

bench: $(READY) ## Measure speed and overhead, beside the peers, and print the tables
	@$(BIN)/python -m tests.benchmarks

clean: ## Remove what the tasks made, but not the sample data
	rm -rf $(VENV) reports build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
