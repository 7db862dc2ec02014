# `make demo` and `make test` are all most people need; `make help` lists the rest.

PORT ?= 8000
PYTHON ?=
PYTEST_ARGS ?=
# Tests of one file run in one worker, in order; two workers because two cores are what a small machine has.
WORKERS := -n 2 --dist loadfile
STUDIES ?= 10000
KILLS ?= 200
VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
INSTALLED_FOR_TESTS := $(VENV)/.installed-for-tests

# A test run must mean the same on every machine, whatever the shell around it has set.
CLEAN_ENV := env -u DATABASE_URL -u SECRET_KEY -u AUDIT_KEY -u DJANGO_SETTINGS_MODULE -u PYTHONPATH

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: traceability coverage mutate capacity pathological-reports torture sheets planted-errors help install demo test lint types ladder unit unit-postgresql bench simulate randomization-figures lock doctor clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-24s %s\n", $$1, $$2}'

install: $(INSTALLED) ## make .venv and install the locked requirements

demo: install ## load the demo studies and serve them on 127.0.0.1 (PORT=9000 for another port)
	@CI= $(RUN) -m tests.support.doctor --only pango
	@exec $(RUN) manage.py demo --port $(PORT)

test: $(INSTALLED_FOR_TESTS) ## run every check and every test, on SQLite and on PostgreSQL
	@$(RUN) -m tests.support.doctor
	@$(MAKE) --no-print-directory --keep-going lint types unit unit-postgresql

lint: $(INSTALLED_FOR_TESTS) ## check style, templates and migrations
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m djlint --lint --quiet templates
	$(CLEAN_ENV) $(RUN) manage.py makemigrations --check --dry-run

types: $(INSTALLED_FOR_TESTS) ## check the types of the packages that know no Django
	$(RUN) -m mypy

ladder: $(INSTALLED_FOR_TESTS) ## check which package may import which
	$(RUN) -m pytest tests/test_architecture.py -q

unit: $(INSTALLED_FOR_TESTS) ## run every test, the database being SQLite
	$(CLEAN_ENV) $(RUN) -m pytest $(WORKERS) $(PYTEST_ARGS)

unit-postgresql: $(INSTALLED_FOR_TESTS) ## run the tests that touch the database on a PostgreSQL of their own
	$(CLEAN_ENV) $(RUN) -m tests.support.postgres $(RUN) -m pytest $(WORKERS) -m "database and not sqlite_only and not browser" $(PYTEST_ARGS)

bench: $(INSTALLED_FOR_TESTS) ## measure the speeds the project promises, each as a ratio
	@$(CLEAN_ENV) $(RUN) -m tests.bench.run
	@$(CLEAN_ENV) PDX_POSTGRES=durable $(RUN) -m tests.support.postgres $(RUN) -m tests.bench.run bench_import bench_load

randomization-figures: $(INSTALLED_FOR_TESTS) ## measure balance and fairness of randomization (half an hour)
	@$(CLEAN_ENV) OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(RUN) -m tests.bench.randomization

torture: $(INSTALLED_FOR_TESTS) ## kill, lock, fill and cut a running server, and count what is lost (KILLS=20)
	@$(CLEAN_ENV) $(RUN) -m tests.torture.run --kills $(KILLS)

capacity: $(INSTALLED_FOR_TESTS) ## load 10,000,000 measurements into a PostgreSQL of its own and time the pages (half an hour)
	@$(CLEAN_ENV) $(RUN) -m tests.bench.capacity

sheets: $(INSTALLED_FOR_TESTS) ## send 10,000 generated sheets and compare with a second reading of the rules
	@$(CLEAN_ENV) $(RUN) -m tests.api.generated_sheets 10000

pathological-reports: $(INSTALLED_FOR_TESTS) ## make the whole report of every pathological study (ten minutes)
	@$(CLEAN_ENV) OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(RUN) -m tests.reports.pathological

schema: $(INSTALLED_FOR_TESTS) ## send some hundred odd requests to each operation of the API
	@$(CLEAN_ENV) SCHEMA_EXAMPLES=200 $(RUN) -m pytest -q tests/api/test_schema.py

planted-errors: $(INSTALLED_FOR_TESTS) ## measure how the measurement rules meet planted errors (PDX_REAL_DATA)
	@$(CLEAN_ENV) $(RUN) -m tests.validation.planted_errors

simulate: $(INSTALLED_FOR_TESTS) ## measure error rates into docs/error-rates.md (hours; STUDIES=2000 for a short run)
	@$(CLEAN_ENV) OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 nice -n 15 $(RUN) -m tests.simulate.run --studies $(STUDIES)

coverage: $(INSTALLED_FOR_TESTS) ## measure branch coverage of the core from its own tests, and of all from all (an hour)
	@$(CLEAN_ENV) $(RUN) -m pytest -q $(WORKERS) --cov --cov-report= $(PYTEST_ARGS)
	@$(RUN) -m coverage report --skip-covered --show-missing

mutate: $(INSTALLED_FOR_TESTS) ## plant small errors in the core and see that a test fails for each (hours; TARGETS=access)
	@$(CLEAN_ENV) OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(RUN) -m tests.mutation.run $(TARGETS)

traceability: ## write docs/traceability.md, the matrix of requirements and tests
	@$(or $(wildcard $(RUN)),python3) -m tests.support.traceability

lock: ## compile both lock files again from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: python -m pip install uv" >&2; exit 1; }
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-header --quiet \
		pyproject.toml -o requirements.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-header --quiet \
		--group dev pyproject.toml -o tests/requirements.txt

doctor: ## name the system packages this machine lacks
	@$(or $(wildcard $(RUN)),python3) -m tests.support.doctor

clean: ## remove .venv and caches; var/, where databases live, stays
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis .coverage htmlcov

$(INSTALLED): requirements.txt
	@sh .ci/install.sh "$(VENV)" "$(PYTHON)" requirements.txt
	@touch $@

# The lock for tests holds the other one, so one installation serves both.
$(INSTALLED_FOR_TESTS): tests/requirements.txt requirements.txt
	@sh .ci/install.sh "$(VENV)" "$(PYTHON)" tests/requirements.txt
	@touch $(INSTALLED) $@
