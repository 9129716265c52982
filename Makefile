# `make demo` and `make test` are all a fresh machine needs: they create .venv, install what is missing, and run.
# Both can be run again at any time; what is installed already stays.

PYTHON ?= python3
VENV ?= .venv
DEMO_DIR ?= demo
PYTEST_ARGS ?=
export PYTEST_ARGS

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# One stamp file per set of extras: newer than the files that decide what is installed.
DEPENDS := pyproject.toml constraints.txt
RUN_READY := $(VENV)/.ready-qt
TEST_READY := $(VENV)/.ready-test
LINT_READY := $(VENV)/.ready-lint
DOCS_READY := $(VENV)/.ready-docs

.PHONY: help demo test lint docs wheel wheel-test bench bench-auto bench-gui clean
.DEFAULT_GOAL := help

help:
	@echo "make demo        click a coin, get its mask: in napari, or headless where there is no display"
	@echo "make test        run the tests"
	@echo "make lint        formatting, findings, types, layers, plugin manifest"
	@echo "make docs        build the documentation into site/"
	@echo "make wheel-test  build the wheel, install it in a clean environment and try it there"
	@echo "make bench       compare with the official segment-anything package"
	@echo "make bench-auto  segmenting everything beside the official generator: time by stage, memory"
	@echo "make bench-gui   how alive napari's window stays while the widget works"
	@echo "make clean       remove everything that make created"

demo: $(RUN_READY)
	@scripts/ensure_display.sh demo
	$(BIN)/napari-sam demo -o $(DEMO_DIR)

test: $(TEST_READY)
	@scripts/ensure_display.sh test
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal $(PYTEST_ARGS)

lint: $(LINT_READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/npe2 validate src/napari_sam/napari.yaml

docs: $(DOCS_READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir site

wheel: $(LINT_READY)
	rm -rf dist
	$(BIN)/python -m build --outdir dist . > /dev/null
	@ls -l dist

wheel-test: wheel
	PYTHON="$(PYTHON)" scripts/try_wheel.sh dist/*.whl

bench: $(TEST_READY)
	$(PIP) install --no-deps segment-anything-py mobilesam-mirror
	$(BIN)/python -m benchmarks

bench-auto: $(TEST_READY)
	$(PIP) install --no-deps segment-anything-py mobilesam-mirror
	$(BIN)/python -m benchmarks.automatic

bench-gui: $(TEST_READY)
	@scripts/ensure_display.sh test
	$(BIN)/python -m benchmarks.responsiveness

clean:
	rm -rf $(VENV) dist site $(DEMO_DIR) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# torch comes first and alone: whatever asks for torch later is content with the pinned build.
$(VENV)/.ready-torch: $(DEPENDS)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "make: '$(PYTHON) -m venv' failed; Python 3.11 or newer with its venv module is needed (Debian: python3-venv)." >&2; exit 1; }
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $(BIN)/python is older than 3.11; set PYTHON=/path/to/python3.11 and remove $(VENV)." >&2; exit 1; }
	@echo "Installing torch into $(VENV) ..."
	$(PIP) install --constraint constraints.txt torch
	@touch $@

$(VENV)/.ready-%: $(VENV)/.ready-torch
	@echo "Installing the project with its '$*' extra into $(VENV) ..."
	$(PIP) install --constraint constraints.txt --editable '.[$*]'
	@touch $@
