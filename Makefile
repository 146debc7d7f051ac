# Two commands do all the set-up on a fresh machine: `make demo` and `make test`. TORCH_INDEX= names another wheel index.
PYTHON ?= python3.11
BIN := .venv/bin
TORCH ?= torch==2.13.0
TORCH_INDEX ?=
PIP_QUIET ?= -q --no-warn-script-location
pip_torch = $(BIN)/pip install $(PIP_QUIET) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)

.PHONY: help demo test check format lint types imports bench clean
help: ; @grep -E '^[a-z]+:' Makefile | cut -d: -f1 | tr '\n' ' '

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(pip_torch) 2>/dev/null || $(pip_torch)
	$(BIN)/pip install $(PIP_QUIET) -e '.[bundled,postgres]'
	@touch $@

.venv/dev: .venv/ready
	$(BIN)/pip install $(PIP_QUIET) -e '.[bundled,postgres,dev]'
	@touch $@

.venv-ls/ready: Makefile
	$(PYTHON) -m venv .venv-ls
	.venv-ls/bin/pip install $(PIP_QUIET) label-studio==1.23.2
	@touch $@

.PHONY: chromium
chromium: ; @sh .ci/chromium

demo: .venv/ready .venv-ls/ready
	$(BIN)/hardcase demo $(if $(IMAGES),--images $(IMAGES)) $(if $(KEEP),--keep)

test: .venv/dev .venv-ls/ready chromium
	$(BIN)/pytest

check: .venv/dev .venv-ls/ready chromium
	$(BIN)/ruff format --check .
	$(MAKE) lint types imports
	$(BIN)/pytest

format: .venv/dev ; $(BIN)/ruff format . && $(BIN)/ruff check --fix .
lint: .venv/dev ; $(BIN)/ruff check .
types: .venv/dev ; $(BIN)/mypy
imports: .venv/dev ; $(BIN)/lint-imports
bench: .venv/dev ; $(BIN)/pip install $(PIP_QUIET) -e '.[bench]'
clean: ; rm -rf .venv .venv-ls var
