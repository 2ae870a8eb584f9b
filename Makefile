# Needs git, make and a Python >= 3.11 with the venv module; uses uv instead when it is there. `make` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python

# ARGS goes through to the command: make test ARGS='tests/core -x'
ARGS ?=

.PHONY: help setup demo test test-long test-agents fuzz check sim bench mutants format lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.editable ## create .venv from the hashed lock, and install kazi into it in place

$(VENV)/.locked: requirements.lock scripts/bootstrap
	@scripts/bootstrap environment
	@touch $@

$(VENV)/.editable: $(VENV)/.locked pyproject.toml
	@scripts/bootstrap project
	@touch $@

demo: setup ## run the demonstration
	@$(PY) scripts/demo.py $(ARGS)

test: setup ## run the whole test suite, without the tests marked long
	@$(PY) -m pytest $(ARGS)

test-long: setup ## run the tests marked long
	@$(PY) -m pytest -m long --hypothesis-profile=explore $(ARGS)

# make test-agents AGENTS="claude codex": only these
AGENTS ?= claude codex opencode gemini_cli copilot pi qwen mini aider
test-agents: setup ## install real agents at pinned versions, and drive each against a scripted model
	@$(PY) scripts/agents.py $(AGENTS)
	@KAZI_AGENTS="$(AGENTS)" $(PY) -m pytest tests/agents $(ARGS)

# make fuzz FUZZ_S=60; one parser: make fuzz ARGS=junit
FUZZ_S ?= 10
fuzz: setup ## run every parser for FUZZ_S seconds (default 10) on bytes guided by coverage (atheris, installed on demand)
	@$(PY) -c 'import atheris' 2>/dev/null || $(PY) -m pip install --quiet atheris
	@$(PY) -m scripts.fuzz --seconds $(FUZZ_S) $(ARGS)

check: setup ## format, lint, types, import rules, tests: what has to be green before a commit
	@scripts/check $(ARGS)

# make sim SEEDS=2000; one seed again: make sim ARGS='--seed 17'
SEEDS ?= 500
sim: setup ## tell SEEDS seeded stories of a hostile world (default 500), and print what they came to
	@$(PY) -m tests.simulation --seeds $(SEEDS) $(ARGS)

bench: setup ## run the benchmarks
	@$(PY) bench/run.py $(ARGS)

mutants: setup ## plant faults in kazid/core and count which the tests notice (some 7 minutes of CPU for 100; not in CI)
	@$(PY) scripts/mutants.py $(ARGS)

format: setup ## format the code, and apply the safe fixes
	@$(PY) -m ruff format
	@$(PY) -m ruff check --fix

lock: ## rewrite requirements.lock from pyproject.toml (needs uv); ARGS=--upgrade takes newer versions
	@uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes \
		--no-emit-index-url --custom-compile-command 'make lock' $(ARGS) --output-file requirements.lock pyproject.toml

clean: ## remove .venv, the caches and the build output
	@rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .schemathesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
