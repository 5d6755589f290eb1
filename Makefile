# Two commands for a newcomer: `make studio` and `make test`. Both start from nothing but Python and make.
PYTHON ?= python3
VENV   ?= .venv
HOST   ?= 127.0.0.1
PORT   ?= 8765
PICTURE  ?= showtell/pocket/samples/scene.png
QUESTION ?= where is the green star?

BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: studio test check bench format clean

studio: $(VENV)/.studio-installed  ## one answer in the terminal, then the page on localhost
	$(BIN)/showtell ask "$(PICTURE)" "$(QUESTION)"
	@echo "The page: http://$(HOST):$(PORT)  (Ctrl-C stops it)"
	$(BIN)/showtell studio --host $(HOST) --port $(PORT)

test: check  ## everything that CI runs
	$(BIN)/python -m pytest -q

check: $(VENV)/.test-installed  ## style, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.test-installed  ## put the code into the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench-installed  ## one table a question, ours against a peer in the same run
	@set -e; for question in bench/[!_]*.py; do echo "== $$question"; $(BIN)/python "$$question"; done

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "showtell needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)

# A stamp a set of extras: a second call installs nothing unless the requirements changed.
$(VENV)/.%-installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing showtell[$*] into $(VENV) (the first time takes a few minutes)"
	$(INSTALL) --editable '.[$*]'
	@touch $@
