# From a bare checkout: Python 3.11, 3.12 or 3.13, make and git are enough; the rest is set up under .venv/.
# Another interpreter: make test PYTHON=/path/to/python

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test check-all programs lint wheel deb arm64-check fresh-check cluster-check docs-schema docs-screens licences constraints clean

CANDIDATES := python3.11 python3.12 python3.13 python3
PYTHON ?=
ARCH ?= arm64
PY ?= 3.13
SUITES ?= bookworm trixie
DEMO := .venv/demo
DEV := .venv/dev
PIP_INSTALL = -m pip --disable-pip-version-check install -qq -c constraints.txt

help:
	@echo "make demo         shows the kit on this machine, without a camera"
	@echo "make test         lint, types, imports and the tests that need no device; as root it installs the programs they run"
	@echo "make check-all    as root: make test, then deep fuzzing and the Debian package, installed and booted"
	@echo "make lint         the first three of these alone"
	@echo "make wheel        builds the wheel into dist/"
	@echo "make deb          ARCH=arm64|amd64 PY=3.11|3.12|3.13 builds the Debian package into dist/"
	@echo "make arm64-check  as root: installs and runs the arm64 packages in an emulated Debian; some 20 minutes the first time"
	@echo "make fresh-check  as root: make demo and make test in fresh Debian 12 and 13; SUITES=trixie for one of them"
	@echo "make cluster-check as root: kills nodes of a RabbitMQ cluster under load, and runs the report's queries on Spark"
	@echo "make docs-schema  writes docs/mqtt from the contract's structs"
	@echo "make docs-screens writes what init and watch show into docs/installing.md"
	@echo "make licences     writes THIRD_PARTY_LICENSES.md from what is installed"
	@echo "make constraints  PYTHONS='python3.10 ... python3.13' resolves constraints.txt anew; UPGRADE=1 for newer versions"
	@echo "make clean        removes .venv, build and cache folders"

demo: $(DEMO)/.ready
	@$(DEMO)/bin/affect-edge demo

test: programs lint
	@echo "Running the tests"
	@$(DEV)/bin/python -m pytest -n logical --maxprocesses 4 --dist loadfile

check-all: test
	@$(DEV)/bin/python scripts/check_all.py

# First of all: without them the tests would fail minutes later.
programs:
	@$(or $(PYTHON),python3) scripts/programs.py

lint: $(DEV)/.ready
	@echo "Checking the environment against constraints.txt"
	@$(DEV)/bin/python scripts/constraints.py check
	@echo "Checking style (ruff)"
	@$(DEV)/bin/ruff check --quiet .
	@$(DEV)/bin/ruff format --quiet --check . || { $(DEV)/bin/ruff format --diff --quiet . ; exit 1; }
	@echo "Checking types (mypy)"
	@$(DEV)/bin/mypy --no-error-summary
	@echo "Checking who imports whom (import-linter)"
	@$(DEV)/bin/lint-imports > .venv/lint-imports.log || { cat .venv/lint-imports.log; exit 1; }

wheel: $(DEV)/.ready
	@$(DEV)/bin/python -m build --wheel --no-isolation

deb: $(DEV)/.ready
	@$(DEV)/bin/python -m firmware_config deb --arch $(ARCH) --python $(PY)

arm64-check: $(DEV)/.ready
	@$(DEV)/bin/python -m firmware_config arm64-check

fresh-check: $(DEV)/.ready
	@$(DEV)/bin/python scripts/fresh_check.py $(SUITES)

cluster-check: $(DEV)/.ready
	@$(DEV)/bin/python scripts/cluster_check.py

docs-schema: $(DEV)/.ready
	@$(DEV)/bin/python scripts/mqtt_docs.py

docs-screens: $(DEV)/.ready
	@$(DEV)/bin/python scripts/screens.py

licences: $(DEV)/.ready
	@$(DEV)/bin/python scripts/third_party_licences.py

constraints: $(DEV)/.ready
	@$(DEV)/bin/python scripts/constraints.py write $(if $(UPGRADE),--upgrade) $(PYTHONS)

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info

$(DEMO)/.ready: pyproject.toml constraints.txt
	@$(call make-venv,$(DEMO))
	@echo "Installing affect-edge and its demo broker"
	@$(DEMO)/bin/python $(PIP_INSTALL) --upgrade pip
	@$(DEMO)/bin/python $(PIP_INSTALL) --build-constraint constraints.txt -e '.[demo]'
	@touch $@

$(DEV)/.ready: pyproject.toml constraints.txt
	@$(call make-venv,$(DEV))
	@echo "Installing the tools and TensorFlow (about 3 GB on disk; some minutes the first time)"
	@$(DEV)/bin/python $(PIP_INSTALL) --upgrade pip
	@$(DEV)/bin/python $(PIP_INSTALL) --build-constraint constraints.txt --group dev -e '.[demo,onnx,metrics,web]'
	@touch $@

# The first candidate that really runs: a name on the PATH may be a shim for a Python that is not there.
define make-venv
fits='import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; \
if $(1)/bin/python -c "$$fits" 2>/dev/null; then exit 0; fi; \
chosen=; \
for candidate in $(if $(PYTHON),"$(PYTHON)",$(CANDIDATES)); do \
	if "$$candidate" -c "$$fits" 2>/dev/null; then chosen="$$candidate"; break; fi; \
done; \
if [ -z "$$chosen" ]; then \
	echo "No usable Python: tried $(if $(PYTHON),$(PYTHON),$(CANDIDATES)), none is a 3.11, 3.12 or 3.13 with venv." >&2; \
	echo "Install one (Debian: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python" >&2; \
	exit 1; \
fi; \
echo "Making $(1) with $$("$$chosen" --version)"; \
"$$chosen" -m venv --clear $(1)
endef
