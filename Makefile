# Everything a contributor or a CI job runs. Needs Python 3.11 to 3.13, git and make; the rest goes into .venv.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
TOOLS := .venv/debian
INSTALLED := .venv/.installed
EXTRAS := github,gitlab,gitea,dask
PIP := -m pip install --quiet --disable-pip-version-check

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(INSTALLED) ## create .venv with the exact dependencies last tested
	@:

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python $(PIP) -c constraints.txt 'pip>=25.1' # the first with --group
	$(BIN)/python $(PIP) -c constraints.txt -e '.[$(EXTRAS)]' --group dev
	@touch $@

# Servers that the tests talk to. Without them those tests are skipped, and say why.
.PHONY: tools
tools: install
	@test -x $(TOOLS)/usr/bin/promtool -a -x $(TOOLS)/usr/sbin/nginx || sh tests/tools.sh "$(CURDIR)/$(TOOLS)" || true

.PHONY: demo
demo: install ## stamp a project, run it, test it, break it, mend it
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh docs/demo.sh

.PHONY: test
test: lint tools ## everything quick, one whole product included; what CI runs
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow"

.PHONY: quick
quick: install ## the tests that take seconds
	$(BIN)/python -m pytest -n auto --dist worksteal -q -m "not slow and not product"

.PHONY: lint
lint: install ## style, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

.PHONY: test-all
test-all: test ## the slow rest: slow tests, 10,000 random projects, lowest versions, every Python at hand
	$(BIN)/python -m pytest -m slow -o log_cli=true -o log_cli_level=INFO
	EXAMPLES=3400 $(BIN)/python -m pytest tests/test_properties.py
	sh tests/matrix.sh

.PHONY: docs
docs: install ## write docs/reference/ anew
	$(BIN)/python docs/build_reference.py

.PHONY: golden
golden: install ## write tests/golden/ anew: read its diff as you would read code
	$(BIN)/python -m pytest -q tests/test_golden.py --golden

.PHONY: constraints
constraints: install ## write constraints.txt anew: the newest versions that the bounds allow
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras --group dev pyproject.toml \
	  --no-header --no-annotate --no-emit-index-url --output-file constraints.txt

.PHONY: canary
canary: install ## every blueprint with the newest versions allowed; to be run weekly (MOVE=--move keeps them)
	$(BIN)/python -m tests.canary $(MOVE)

.PHONY: bench
bench: install ## our figures beside copier, cruft and cookiecutter
	$(BIN)/python benchmarks/bench.py

.PHONY: clean
clean: ## remove what these targets made, .venv included
	rm -rf .venv build dist benchmarks/.work .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
