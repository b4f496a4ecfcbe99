# `make` lists the targets. Each sets up the environment that it needs, once per content of pyproject.toml.
#
#     make PYTHON=python3.12 test      another Python
#     make VENV=/some/env test         an environment of your own, used as it is
#     make WORKERS=8 test              more test processes
#     make BENCH='latency' bench       one part of the benchmarks; see python -m benchmarks --help

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2

# What pip holds the versions of an environment to, and what installing it takes.
CONSTRAINTS :=
TAKES := about 5.5 GB and a few minutes

BIN := $(VENV)/bin
STAMP := $(VENV)/installed
# A moved checkout counts as a change: the scripts of an environment carry its path.
STATE := $(CURDIR) $(shell cat Makefile pyproject.toml $(CONSTRAINTS) | cksum)
DEMO := runs/demo
PAGES := tools/pages
BENCH ?= all
BENCH_VENV ?= benchmarks/.venv
PEERS := benchmarks/requirements.txt
OLDEST_VENV ?= .venv-oldest
OLDEST_PYTHON ?= python3.11
# The tests that draw their own photos.
DRAWN := not slow and not network and not gpu and not real

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PIP_ROOT_USER_ACTION := ignore

ifneq ($(wildcard ../shared/data/.),)
export MANYLABEL_TEST_DATA ?= $(abspath ../shared/data)
endif
ifneq ($(wildcard ../shared/weights/.),)
export MANYLABEL_TEST_WEIGHTS ?= $(abspath ../shared/weights)
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test test-drawn test-real test-slow test-base test-oldest test-gpu bench check \
	check-pages format

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamp says that an environment is ours, of which checkout, and what was installed last. One that was given
# and has no stamp is used as it is. Only a stamped one is ever cleared: VENV may name any folder.
setup:  ## Install manylabel with everything needed to train and to develop
	@if [ -x $(BIN)/python ] && [ "$$(cat $(STAMP) 2>/dev/null)" = '$(STATE)' ]; then exit 0; fi; \
	if [ '$(origin VENV)' != file ] && [ -x $(BIN)/python ] && [ ! -e $(STAMP) ]; then exit 0; fi; \
	if ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
		echo "manylabel needs Python 3.11 or newer; '$(PYTHON)' is none. Try: make PYTHON=python3.12" >&2; exit 1; \
	fi; \
	echo 'Installing manylabel with torch into $(VENV), once: $(TAKES)'; \
	clear=; \
	if [ -e $(STAMP) ] && ! { grep -qF '$(CURDIR) ' $(STAMP) && $(BIN)/python -c ''; }; then clear=--clear; fi; \
	$(PYTHON) -m venv $$clear $(VENV) && echo '$(CURDIR) unfinished' > $(STAMP) \
		&& $(BIN)/python -m pip install --progress-bar off --quiet -e '.[train,weights,int8,onnx,parquet,remote,ray,dev]' \
			$(CONSTRAINTS:%=-c %) \
		&& echo '$(STATE)' > $(STAMP)

demo: setup  ## Write the sample photos, compare five networks on them, write the report
	@[ -e $(DEMO)/postcards/labels.csv ] || $(BIN)/manylabel sample $(DEMO)/postcards
	$(BIN)/manylabel compare $(DEMO)/postcards/images $(DEMO)/postcards/labels.csv \
		--recipe demo --out $(DEMO)/report --overwrite

test: test-drawn test-real  ## Run every test that this machine can run in minutes

# One thread per process: the processes share the cores, and torch would take all of them in each.
test-drawn: setup  ## Run the tests that draw their own photos, and hold the coverage
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --cov --cov-report=term \
		-m '$(DRAWN)'

test-real: setup  ## Run the tests on real photos and weights; skipped where there are none
	$(BIN)/python -m pytest -q -rs -m 'real and not slow' tests

test-slow: setup  ## Run the tests that take longer
	$(BIN)/python -m pytest -q -rs -m 'slow and not network and not gpu'

test-base: setup  ## Install manylabel without torch into an environment of its own, and use it: 700 MB from the network
	$(BIN)/python -m pytest -q -rs tests/test_base_install.py

# What an old version warns of as deprecated, newer ones have changed, and the other tests run with those. The client
# that an old schemathesis brings leaves its streams open.
test-oldest:  ## Run the tests that draw their own photos with the oldest versions allowed: 3 GB from the network
	@$(MAKE) --no-print-directory setup VENV='$(OLDEST_VENV)' PYTHON='$(OLDEST_PYTHON)' \
		CONSTRAINTS=tests/oldest.txt TAKES='about 8 GB and 10 minutes'
	OMP_NUM_THREADS=1 $(OLDEST_VENV)/bin/python -m pytest -q -n $(WORKERS) -m '$(DRAWN)' \
		-W ignore::DeprecationWarning -W ignore::PendingDeprecationWarning \
		-W 'ignore:Unclosed <MemoryObject:ResourceWarning'

test-gpu: setup  ## Run the tests that need a GPU; skipped where there is none
	$(BIN)/python -m pytest -q -rs -m gpu tests

# The peers live apart: they pull in a lot, and none of it may change what manylabel runs with.
bench: setup  ## Measure manylabel beside its peers, hours; results and docs/benchmarks.md are written as it goes
	@$(BIN)/python -c 'import nncf, openvino, psutil' 2>/dev/null \
		|| $(BIN)/python -m pip install --progress-bar off --quiet nncf openvino psutil
	@if [ '$(origin BENCH_VENV)' = file ] && ! cmp -s $(PEERS) $(BENCH_VENV)/installed; then \
		echo 'Installing the other tools into $(BENCH_VENV), once: about 7 GB and several minutes'; \
		$(PYTHON) -m venv $(BENCH_VENV) \
			&& $(BENCH_VENV)/bin/python -m pip install --progress-bar off --quiet -r $(PEERS) \
			&& cp $(PEERS) $(BENCH_VENV)/installed; \
	fi
	PYTHONPATH=src BENCH_VENV=$(BENCH_VENV) $(BIN)/python -m benchmarks $(BENCH)

check: setup check-pages  ## Check format, lint, types and import contracts
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

# The pages are served as they are written; what checks them comes from npm, once per content of the lock file. The
# stamp lies in node_modules, which npm replaces.
check-pages:  ## Check the types in the JavaScript of the pages; skipped where there is no npm
	@if ! command -v npm > /dev/null; then echo 'Skipped: the types in the JavaScript of the pages need npm'; exit 0; fi; \
	cd $(PAGES) \
		&& { cmp -s package-lock.json node_modules/installed \
			|| { npm ci --silent && cp package-lock.json node_modules/installed; }; } \
		&& npm run --silent check

format: setup  ## Format the code and mend what lint can mend
	$(BIN)/python -m ruff format .
	$(BIN)/python -m ruff check --fix .
