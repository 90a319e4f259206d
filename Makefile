# make demo and make test are all that a new checkout needs: each makes the environment it wants, once.

PYTHON ?= python3
VENV   ?= .venv
DEMO   ?= reelmix-demo

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs bench bench-short build page clean

help:
	@echo 'make demo   sample data, training, evaluation, recommendations with reasons: a few minutes'
	@echo 'make test   all tests, with coverage'
	@echo 'make lint   style, types and import contracts'
	@echo 'make docs   the generated reference and the site, in site/'
	@echo 'make bench  the measured promises, beside plain references'
	@echo 'make bench-short  the same in a minute: ratios on one thread, judged by those kept'
	@echo 'make build  wheel and source archive, in dist/'
	@echo 'make page   the page of the explorer, built from web/; needs Node.js'
	@echo 'make clean  remove all that make made, .venv too'

demo: $(VENV)/.installed
	@rm -rf $(DEMO)
	@$(BIN)/reelmix demo --out $(DEMO)

test: $(VENV)/.developing
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --cov --durations 12

lint: $(VENV)/.developing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@$(BIN)/lint-imports --no-logo

docs: $(VENV)/.developing
	@$(BIN)/python scripts/reference.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo 'site/index.html'

bench: $(VENV)/.developing
	@$(BIN)/python bench/run.py

bench-short: $(VENV)/.developing
	@$(BIN)/python bench/run.py --short

build: $(VENV)/.developing
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation --outdir dist . > /dev/null
	@ls -1 dist/*

page:
	@cd web && npm ci --silent && npm run --silent check && npm test --silent && npm run --silent build

clean:
	@rm -rf $(VENV) $(DEMO) site build dist .coverage* .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A new lock makes the environment anew; a changed pyproject.toml only installs the package again.
$(VENV)/.locked: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "expected Python 3.11 or later, found " \
		+ sys.version.split()[0] + ": set PYTHON, as in: make demo PYTHON=python3.11")'
	@echo 'making $(VENV) from requirements.lock: a minute or two, torch is large'
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) --constraint requirements.lock torch hatchling editables
	@touch $@

$(VENV)/.installed: $(VENV)/.locked pyproject.toml
	@$(PIP) --constraint requirements.lock --no-build-isolation --editable '.[serve]'
	@touch $@

$(VENV)/.developing: $(VENV)/.installed
	@echo 'adding the tools of development to $(VENV)'
	@$(PIP) --requirement requirements.lock
	@touch $@
