# Type `make` for a list. Every target does all of its own set-up; `make demo` and `make test`
# need Python alone.

PYTHON   ?= python3
VENV     := .venv
BIN      := $(VENV)/bin
STAMP    := $(VENV)/.installed
SCENARIO ?= succeeds
RUNS     ?= 10000
BROWSER  := tests/browser
AIRFLOW  := .venv-airflow
VOCABULARY = $(BIN)/python tools/vocabulary_page.py
PIP      := -m pip --quiet --disable-pip-version-check
# Tests see no variable of the shell they are started from: one of a developer's could hide what users see.
CLEAN    := env -i PATH="$$PATH" HOME="$$HOME" LANG=C.UTF-8 $${TMPDIR:+"TMPDIR=$$TMPDIR"}

.DEFAULT_GOAL := help
.PHONY: help demo test test-airflow campaign test-browser check documents ledger journals pictures coverage mutate mutate-code bench bench-fleet bench-airflow wheel image image-test clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22
	@echo
	@echo "  make demo SCENARIO=rescheduled-twice     PYTHON=python3.13 names another Python"

# install EXTRA,PURPOSE: into one environment, which two kinds of target share. pip says nothing meanwhile.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "Python's venv is missing; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "installing what $(2) into $(VENV), once ..."
	@$(BIN)/python $(PIP) --version > /dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python $(PIP) install --editable '.[$(1)]'
	@touch $@
endef

$(STAMP): pyproject.toml
	$(call install,dev,developing needs)

# Where all of it is installed already, the demonstration needs nothing more.
$(VENV)/.installed-demo: pyproject.toml
	$(call install,demo,the demo needs)

demo: $(if $(wildcard $(STAMP)),$(STAMP),$(VENV)/.installed-demo) ## a START job against a simulated Fivetran, in seconds (SCENARIO=NAME)
	@$(BIN)/fivetran-orchestrator demo --scenario $(SCENARIO)

test: $(STAMP) ## the tests; Python is all that they need
	@$(CLEAN) $(BIN)/pytest -n auto $(PYTEST_ARGS)
	@echo
	@echo "Left out: linters and types (make check), coverage of every branch (make coverage), the drawings in"
	@echo "a browser (make test-browser), the wheel installed elsewhere (make wheel), benchmarks (make bench),"
	@echo "the container image (make image-test), the operators in Airflow (make test-airflow)."

# Airflow is large: it has an environment of its own, and one certain version.
$(AIRFLOW)/.installed: pyproject.toml tests/on_airflow/requirements.txt
	@echo "installing Airflow into $(AIRFLOW), once ..."
	@$(AIRFLOW)/bin/python $(PIP) --version > /dev/null 2>&1 || $(PYTHON) -m venv $(AIRFLOW)
	@$(AIRFLOW)/bin/python $(PIP) install --requirement tests/on_airflow/requirements.txt --editable '.[airflow,dev]'
	@touch $@

test-airflow: $(AIRFLOW)/.installed ## operators, sensor and triggers in Airflow; then twenty connections with processes killed
	@$(CLEAN) $(AIRFLOW)/bin/pytest -q -W ignore -p no:cacheprovider --cov=orchestrator.airflow \
	  --cov-config=tests/on_airflow/coverage.ini --cov-report=term tests/on_airflow $(PYTEST_ARGS)
	@$(CLEAN) $(AIRFLOW)/bin/python tests/on_airflow/real_setup.py

bench-airflow: $(AIRFLOW)/.installed ## a thousand triggers in an event loop; fifty connections beside the peer's provider
	@$(AIRFLOW)/bin/python $(PIP) install airflow-provider-fivetran-async==2.4.0
	@$(CLEAN) $(AIRFLOW)/bin/python benchmarks/triggers.py
	@$(CLEAN) $(AIRFLOW)/bin/python benchmarks/on_airflow.py

$(BROWSER)/node_modules/.installed: $(BROWSER)/package.json
	npm install --prefix $(BROWSER) --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

test-browser: $(STAMP) $(BROWSER)/node_modules/.installed ## every drawing and page in a browser (node, npm, chromium, graphviz)
	@set -eu; made=$$(mktemp -d); trap 'rm -rf "$$made"' EXIT; \
	$(BIN)/python $(BROWSER)/drawings.py "$$made"; \
	$(BIN)/python $(BROWSER)/pages.py "$$made/pages"; \
	DRAWINGS="$$made" PAGES="$$made/pages" node --test --test-reporter=spec $(BROWSER)/*.test.mjs

documents: $(STAMP) ## write the generated documents anew
	@$(BIN)/fivetran-orchestrator diagram -o statecharts/README.md
	@$(BIN)/fivetran-orchestrator diagram START --view overview --into README.md
	@$(VOCABULARY) > docs/vocabulary.md.new && mv docs/vocabulary.md.new docs/vocabulary.md
	@$(BIN)/python tools/transcripts.py

ledger: $(STAMP) ## print the lines of tests/ledger.txt that the charts need, for review; write none
	@$(BIN)/python tests/ledger_lines.py

journals: $(STAMP) ## record the runs of tests/journals anew
	@$(BIN)/python tests/record_journals.py

pictures: $(STAMP) ## draw the charts for the report's page anew (needs Graphviz)
	@$(BIN)/python tools/pictures.py

check: $(STAMP) ## linters, format, types; charts are proved, generated documents are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(BIN)/fivetran-orchestrator check
	@$(BIN)/fivetran-orchestrator check examples/charts/*.toml
	@$(BIN)/fivetran-orchestrator diagram -o statecharts/README.md --check
	@$(BIN)/fivetran-orchestrator diagram START --view overview --into README.md --check
	@$(VOCABULARY) | diff -u docs/vocabulary.md - || \
	  { echo "docs/vocabulary.md is out of date: make documents"; exit 1; }
	@$(BIN)/python tools/pictures.py --check
	@$(BIN)/python tools/transcripts.py --check

coverage: $(STAMP) ## the tests again: every branch of the package must run
	@$(MAKE) --no-print-directory test PYTEST_ARGS="--cov --cov-report=term $(PYTEST_ARGS)"

mutate: $(STAMP) ## change every edge of every chart, and more of them: every mutant must die, or end well
	$(BIN)/python tests/mutate.py $(MUTATE_ARGS)

# cosmic-ray makes the mutants of the code; nothing else needs it.
$(VENV)/.installed-mutation: pyproject.toml
	$(call install,mutation,mutating the code needs)

mutate-code: $(VENV)/.installed-mutation ## change the code that decides in every place: a test must notice, or a reason is written (SAMPLE=N)
	@$(CLEAN) $(BIN)/pytest -q -p no:cacheprovider tests/test_mutate_code.py
	@$(CLEAN) $(BIN)/python tests/mutate_code.py $(if $(SAMPLE),--sample $(SAMPLE)) $(MUTATE_ARGS)

campaign: $(STAMP) ## made-up worlds and fleets on all cores, judged by what they know to be true (RUNS=100000)
	@$(BIN)/python tests/campaign.py --runs $(RUNS) $(CAMPAIGN_ARGS)

bench: $(STAMP) ## start-up beside ten lines of requests; reports; steps a second; threads; polls; many connections
	@rm -rf dist/bench
	$(BIN)/python -m build --wheel --outdir dist/bench . > /dev/null
	$(BIN)/python benchmarks/startup.py dist/bench/*.whl
	$(BIN)/python benchmarks/reports.py dist/bench/*.whl
	$(BIN)/python benchmarks/steps.py
	$(BIN)/python benchmarks/sending.py
	$(BIN)/python benchmarks/polling.py
	$(BIN)/python benchmarks/fleet.py

bench-fleet: $(STAMP) ## what 10,000 connections cost, in real time: some ten minutes
	$(BIN)/python benchmarks/fleet.py --connections 10000 --speed 1

wheel: $(STAMP) ## build the wheel; install it elsewhere, without the sources, and run the demo there
	@rm -rf dist/wheel
	$(BIN)/python -m build --wheel --outdir dist/wheel . > /dev/null
	@set -eu; elsewhere=$$(mktemp -d); trap 'rm -rf "$$elsewhere"' EXIT; wheel=$$(echo "$$PWD"/dist/wheel/*.whl); \
	$(PYTHON) -m venv "$$elsewhere/venv"; \
	"$$elsewhere/venv/bin/python" $(PIP) install "$$wheel[demo,vault]"; \
	cd "$$elsewhere"; \
	venv/bin/fivetran-orchestrator --version; \
	venv/bin/fivetran-orchestrator demo; \
	venv/bin/fivetran-orchestrator init START > /dev/null; \
	echo; echo "$$wheel runs without its sources"

image: ## build the container image (with Docker, or buildah)
	@bash .ci/image

image-test: $(STAMP) image ## build it and check it as a pipeline uses it: user, signals, size, no secret
	@bash .ci/image-test $(BIN)/fivetran-orchestrator

clean: ## remove what the targets above made
	rm -rf $(VENV) $(AIRFLOW) $(BROWSER)/node_modules dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache dataops
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
