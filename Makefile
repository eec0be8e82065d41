# Type `make` for a list. Every target does all of its own set-up; `make demo` and `make test`
# need Python alone.

PYTHON   ?= python3
VENV     := .venv
BIN      := $(VENV)/bin
STAMP    := $(VENV)/.installed
SCENARIO ?= succeeds
RUNS     ?= 10000
FUZZ_EXAMPLES ?= 500
FUZZ_SECONDS  ?= 0
BROWSER  := tests/browser
GITLAB   := tests/gitlab
AIRFLOW  := .venv-airflow
OLDEST   := .venv-oldest
SUPPLY   := .venv-supply
OLDEST_PYTHON ?= python3.11
VOCABULARY = $(BIN)/python tools/vocabulary_page.py
PIP      := -m pip --quiet --disable-pip-version-check
# Tests see no variable of the shell they are started from: one of a developer's could hide what users see.
CLEAN    := env -i PATH="$$PATH" HOME="$$HOME" LANG=C.UTF-8 $${TMPDIR:+"TMPDIR=$$TMPDIR"}

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' Makefile)

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 26
	@echo
	@echo "  make demo SCENARIO=rescheduled-twice     PYTHON=python3.13 names another Python"

# environment FOLDER,PURPOSE,PYTHON: have one there. pip says nothing meanwhile.
define environment
	@$(3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12"; exit 1; }
	@$(3) -c 'import ensurepip, venv' || \
	  { echo "Python's venv is missing; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "installing what $(2) into $(1), once ..."
	@$(1)/bin/python $(PIP) --version > /dev/null 2>&1 || $(3) -m venv $(1)
endef

# locked FOLDER,LOCK: have there what that lock names, each file with its hash, and then this package as it stands here.
define locked
	@$(1)/bin/python $(PIP) install --require-hashes --requirement $(2)
	@$(1)/bin/python $(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
endef

# install EXTRA,PURPOSE: this package as it stands here, with what else an index has today for an extra of it.
define install
	$(call environment,$(VENV),$(2),$(PYTHON))
	@$(BIN)/python $(PIP) install --editable '.[$(1)]'
	@touch $@
endef

$(STAMP): pyproject.toml locks/dev.txt
	$(call environment,$(VENV),developing needs,$(PYTHON))
	$(call locked,$(VENV),locks/dev.txt)

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
	@echo "the container image (make image-test), the operators in Airflow (make test-airflow), the examples and"
	@echo "the component as pipelines (make test-gitlab)."

$(OLDEST)/.installed: pyproject.toml locks/oldest.txt
	@command -v $(OLDEST_PYTHON) > /dev/null || \
	  { echo "test-oldest needs Python 3.11, the oldest one; name it with: make test-oldest OLDEST_PYTHON=python3.11"; exit 1; }
	$(call environment,$(OLDEST),the oldest versions are tested with,$(OLDEST_PYTHON))
	$(call locked,$(OLDEST),locks/oldest.txt)

test-oldest: $(OLDEST)/.installed ## the tests with the oldest packages that pyproject.toml allows, on Python 3.11
	@$(CLEAN) $(OLDEST)/bin/pytest -n auto $(PYTEST_ARGS)

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

$(BROWSER)/node_modules/.installed: $(BROWSER)/package.json $(BROWSER)/package-lock.json
	npm ci --prefix $(BROWSER) --no-audit --no-fund --loglevel=error
	@touch $@

test-browser: $(STAMP) $(BROWSER)/node_modules/.installed ## every drawing and page in a browser (node, npm, chromium, graphviz)
	@set -eu; made=$$(mktemp -d); trap 'rm -rf "$$made"' EXIT; \
	$(BIN)/python $(BROWSER)/drawings.py "$$made"; \
	$(BIN)/python $(BROWSER)/pages.py "$$made/pages"; \
	DRAWINGS="$$made" PAGES="$$made/pages" node --test --test-reporter=spec $(BROWSER)/*.test.mjs

$(GITLAB)/node_modules/.installed: $(GITLAB)/package.json $(GITLAB)/package-lock.json
	npm ci --prefix $(GITLAB) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

test-gitlab: $(STAMP) $(GITLAB)/node_modules/.installed ## the examples and the component as pipelines (node, npm, git, rsync)
	@command -v rsync > /dev/null || { echo "rsync is missing; on Debian: apt-get install rsync"; exit 1; }
	@$(CLEAN) $(BIN)/pytest -v -n auto -m gitlab $(GITLAB) $(PYTEST_ARGS)

documents: $(STAMP) ## write the generated documents anew
	@$(BIN)/fivetran-orchestrator diagram -o statecharts/README.md
	@$(BIN)/fivetran-orchestrator diagram START --view overview --into README.md
	@$(VOCABULARY) > docs/vocabulary.md.new && mv docs/vocabulary.md.new docs/vocabulary.md
	@$(BIN)/python tools/transcripts.py
	@$(BIN)/python tools/components.py

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
	$(BIN)/zizmor --offline --quiet --pedantic .github/workflows
	@$(BIN)/fivetran-orchestrator check
	@$(BIN)/fivetran-orchestrator check examples/charts/*.toml
	@$(BIN)/fivetran-orchestrator diagram -o statecharts/README.md --check
	@$(BIN)/fivetran-orchestrator diagram START --view overview --into README.md --check
	@$(VOCABULARY) | diff -u docs/vocabulary.md - || \
	  { echo "docs/vocabulary.md is out of date: make documents"; exit 1; }
	@$(BIN)/python tools/pictures.py --check
	@$(BIN)/python tools/transcripts.py --check
	@$(BIN)/python tools/components.py --check

check-shell: ## the shell scripts (needs shellcheck)
	shellcheck --external-sources $$(grep -l '^#!/usr/bin/env bash' .ci/*)

coverage: $(STAMP) ## the tests again: every branch of the package must run
	@$(MAKE) --no-print-directory test PYTEST_ARGS="--cov --cov-report=term $(PYTEST_ARGS)"

mutate: $(STAMP) ## change every edge of every chart, and more of them: every mutant must die, or end well
	$(BIN)/python tests/mutate.py $(MUTATE_ARGS)

# cosmic-ray makes the mutants of the code; nothing else needs it.
$(VENV)/.installed-mutation: $(STAMP)
	@echo "installing what mutating the code needs into $(VENV), once ..."
	@$(BIN)/python $(PIP) install 'cosmic-ray>=8.4,<9'
	@touch $@

mutate-code: $(VENV)/.installed-mutation ## change the code that decides in every place: a test must notice, or a reason is written (SAMPLE=N)
	@$(CLEAN) $(BIN)/pytest -q -p no:cacheprovider tests/test_mutate_code.py
	@$(CLEAN) $(BIN)/python tests/mutate_code.py $(if $(SAMPLE),--sample $(SAMPLE)) $(MUTATE_ARGS)

campaign: $(STAMP) ## made-up worlds and fleets on all cores, judged by what they know to be true (RUNS=100000)
	@$(BIN)/python tests/campaign.py --runs $(RUNS) $(CAMPAIGN_ARGS)

fuzz: $(STAMP) ## hostile bytes for all that reads foreign ones (FUZZ_SECONDS=600 FUZZ_EXAMPLES=500 FUZZ_SEED=N)
	@$(CLEAN) $(BIN)/python tests/fuzz_rounds.py --examples $(FUZZ_EXAMPLES) --seconds $(FUZZ_SECONDS) \
	  $(if $(FUZZ_SEED),--seed $(FUZZ_SEED)) $(PYTEST_ARGS)

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

# Without isolation, so that what builds them is what developing needs, of the same versions.
dist: $(STAMP) ## sdist and wheel in dist/package, of the same bytes for the same commit, as an index wants them
	@rm -rf dist/package
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2> /dev/null || echo 1577836800) \
	  $(BIN)/python -m build --quiet --no-isolation --outdir dist/package .
	@$(BIN)/twine --no-color check --strict dist/package/*

wheel: dist ## install the built wheel elsewhere, without the sources, and run the demo there; with uvx, too
	@set -eu; elsewhere=$$(mktemp -d); trap 'rm -rf "$$elsewhere"' EXIT; wheel=$$(echo "$$PWD"/dist/package/*.whl); \
	$(PYTHON) -m venv "$$elsewhere/venv"; \
	"$$elsewhere/venv/bin/python" $(PIP) install "$$wheel[completion,demo,vault]"; \
	cd "$$elsewhere"; \
	venv/bin/fivetran-orchestrator --version; \
	venv/bin/fivetran-orchestrator demo; \
	venv/bin/fivetran-orchestrator init START > /dev/null; \
	venv/bin/fivetran-orchestrator completion bash > /dev/null; \
	if command -v uvx > /dev/null; then uvx --quiet --from "$$wheel[demo]" fivetran-orchestrator demo --speed 100 > /dev/null; \
	else echo "not tried with uvx: it is not here"; fi; \
	echo; echo "$$wheel runs without its sources"

image: ## build the container image (with Docker, or buildah)
	@bash .ci/image

image-test: $(STAMP) image ## build it and check it as a pipeline uses it: user, signals, size, no secret
	@bash .ci/image-test $(BIN)/fivetran-orchestrator

image-twice: $(STAMP) image ## build image, wheel and sdist again from elsewhere: the same bytes, or the files that differ
	@bash .ci/image-twice $(BIN)/python

sbom: $(STAMP) image ## what the image holds, as CycloneDX in dist/; every licence must be allowed
	@bash .ci/sbom $(BIN)/python

$(SUPPLY)/.installed: locks/supply.txt
	$(call environment,$(SUPPLY),locks and audits need,$(PYTHON))
	@$(SUPPLY)/bin/python $(PIP) install --require-hashes --requirement $<
	@touch $@

audit: $(SUPPLY)/.installed ## ask what is known of vulnerabilities in what the image holds
	@$(SUPPLY)/bin/python tools/audit.py $(SUPPLY)/bin/pip-audit locks/allowed.toml locks/image.txt locks/build.txt

# In an environment that needs no other lock than its own: a lock that does not fit can keep others from being made.
lock: $(SUPPLY)/.installed ## renew all locks: Python packages, npm's, the digest of the base image
	@$(SUPPLY)/bin/python tools/locks.py renew $(SUPPLY)/bin/uv

lock-check: $(SUPPLY)/.installed ## whether the locks fit pyproject.toml, package.json and Dockerfile; asks nobody
	@$(SUPPLY)/bin/python tools/locks.py check

# What a release takes, each step for itself: docs/releasing.md.
.PHONY: packages

release-check: ## whether this commit is a release: clean, tagged with the version, in the changelog
	@bash .ci/publish check

release-notes: ## write dist/release-notes.md, of the changelog
	@bash .ci/publish notes

package-publish: $(STAMP) ## upload dist/package to a package index (TWINE_REPOSITORY_URL, ...)
	@bash .ci/publish package $(BIN)/twine

image-publish: ## push the built image of this architecture (REGISTRY_IMAGE=registry.example.com/data/name)
	@bash .ci/publish image

manifest-publish: ## join the pushed images of all ARCHITECTURES under the version's name
	@bash .ci/publish manifest

github-release: ## make a release on GitHub, with sdist, wheel and SBOM
	@bash .ci/publish github

# For pipelines: what is missing of PACKAGES, from Debian or Ubuntu.
packages:
	@set -eu; missing=""; for name in $(PACKAGES); do dpkg -s "$$name" > /dev/null 2>&1 || missing="$$missing $$name"; done; \
	if [ -n "$$missing" ]; then \
	  run=""; [ "$$(id -u)" = 0 ] || run=sudo; \
	  $$run apt-get update -qq; $$run env DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends $$missing > /dev/null; \
	fi

clean: ## remove what the targets above made
	rm -rf $(VENV) $(AIRFLOW) $(OLDEST) $(SUPPLY) $(BROWSER)/node_modules $(GITLAB)/node_modules dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache dataops
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
