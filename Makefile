# One command a target. `make help` lists them; `install` runs once and then never touches the network again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
REPORT ?= demo-report
REPRODUCED ?= reproduced
# The stamp is named by the content of what it depends on, so a fresh date on a file reinstalls nothing.
STAMP := $(VENV)/.installed-$(shell cat pyproject.toml constraints.txt | cksum | cut -d' ' -f1)
DOCS_STAMP := $(subst .installed,.documented,$(STAMP))
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup

.PHONY: help install demo test test-all coverage lint format bench zoo reproduce pages docs clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1  \2/p' Makefile

install: $(STAMP) ## make .venv and install the package with its development tools

$(STAMP): pyproject.toml constraints.txt
	@if [ ! -e $(STAMP) ]; then set -e; \
		$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'; \
		$(PYTHON) -m venv $(VENV); \
		$(BIN)/python -m pip install -c constraints.txt -e '.[dev]'; \
		rm -f $(VENV)/.installed-*; \
	fi
	@touch $(STAMP)

demo: install ## train two small models, connect them, write demo-report/report.html
	$(BIN)/isthmus demo --force -o $(REPORT)

test: install ## every test but the slow ones
	$(PYTEST) -m "not slow"

test-all: install ## every test
	$(PYTEST)

coverage: install ## the tests with the lines they miss
	$(PYTEST) -m "not slow" --cov --cov-report=term-missing

lint: install ## format, style, types and the order of the floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install ## rewrite the sources in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install ## run the benchmarks
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks

zoo: install ## write docs/zoo.md: every model of the zoo, its group, the checks, the times
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks zoo --write docs/zoo.md

reproduce: install ## run what the papers claim, at quick scale; what is done is not done again
	OMP_NUM_THREADS=1 $(BIN)/isthmus reproduce all -o $(REPRODUCED)

pages: install ## write the pages that come from results (run reproduce first) and from the program
	$(BIN)/python docs/commands.py > docs/commands.md
	$(BIN)/python docs/methods.py $(REPRODUCED)
	$(BIN)/python docs/gallery.py $(REPRODUCED)

docs: $(DOCS_STAMP) ## build the site of the documents into site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

$(DOCS_STAMP): $(STAMP)
	@if [ ! -e $@ ]; then set -e; \
		$(BIN)/python -m pip install -c constraints.txt -e '.[docs]'; \
		rm -f $(VENV)/.documented-*; \
	fi
	@touch $@

clean: ## remove everything that the other targets made
	rm -rf $(VENV) $(REPORT) $(REPRODUCED) site build dist htmlcov .coverage .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
