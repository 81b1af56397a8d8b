# All that a newcomer types: `make demo` and `make test`. Each makes .venv by itself; `make help` tells the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FOR_DEMO := $(VENV)/.installed
FOR_TEST := $(VENV)/.installed-dev
FOR_DOCS := $(VENV)/.installed-docs
PIP := $(BIN)/python -m pip --disable-pip-version-check
# One file after the other on each worker, in the order of tests/conftest.py.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# The words of a user are never expanded by make ($(value)), and reach the shell in single quotes.
quoted = '$(subst ','\'',$(value $(1)))'
unexport VIDEO TEXT

.DEFAULT_GOAL := help
.PHONY: help demo test coverage lint docs clean
.DELETE_ON_ERROR:

help:
	@echo "make demo                                 segment a short clip of a street; downloads 78 MB the first time"
	@echo "make demo VIDEO=clip.mp4 TEXT='the dog'   segment a video of your own"
	@echo "make test                                 ruff, pyright and pytest"
	@echo "make coverage                             pytest with its coverage, which takes half as long again"
	@echo "make lint                                 ruff and pyright alone"
	@echo "make docs                                 the documentation as a site, into build/site/html"
	@echo "make clean                                remove .venv and what the tools left behind"
	@echo "PYTHON=python3.12 chooses the interpreter (3.11 or newer) that .venv is made with."

demo: $(FOR_DEMO)
	@$(BIN)/rvos demo $(if $(value VIDEO),--video=$(call quoted,VIDEO)) $(if $(value TEXT),--text=$(call quoted,TEXT))

test: lint
	OMP_NUM_THREADS=1 $(PYTEST)

coverage: $(FOR_TEST)
	OMP_NUM_THREADS=1 $(PYTEST) --cov

lint: $(FOR_TEST)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright

docs: $(FOR_DOCS)
	@$(BIN)/python tools/docs_site.py

$(FOR_DEMO): pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP) install -c constraints.txt -e .
	@touch $@

# What the tests need includes what the demo needs.
$(FOR_TEST): pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $(FOR_DEMO) $@

$(FOR_DOCS): pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP) install -c constraints.txt -e '.[docs]'
	@touch $(FOR_DEMO) $@

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	echo "PYTHON: expected 3.11 or newer, got $(PYTHON) ($$($(PYTHON) -V 2>&1 | head -n 1)); add PYTHON=python3.12 or such" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV): about 5 GB, some minutes the first time"

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .coverage build dist *.egg-info
	find image_core rvos tools tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
