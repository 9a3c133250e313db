# Everything a person or CI does with a clone. Needs Python 3.11 to 3.13 with venv, and GNU make 3.81
# or newer (what macOS brings). `make` alone lists the targets.

VENV ?= .venv
BIN := $(VENV)/bin
ROOMS := $(patsubst %/py.typed,%,$(wildcard */py.typed))
SAMPLE := examples/help_center
MODEL := multilingual-e5-small
# What the install depends on; a change redoes the install and nothing else.
INSTALL_FILES := pyproject.toml setup.py requirements.txt

# The clone's own data folder, unless you name another.
DESKHAND_DATA_DIR ?= $(CURDIR)/.deskhand
export DESKHAND_DATA_DIR

.DEFAULT_GOAL := help
.PHONY: help chat install fetched model sample test lint types tests format wheel lock api bench clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -e 's/:.*## /|/' | awk -F '|' '{ printf "  make %-12s %s\n", $$1, $$2 }'

chat: sample ## Install, load the sample help center, open the chat
	@exec $(BIN)/deskhand chat

test: lint types tests ## Install the test tools and run everything that CI runs

# -- Environment ----------------------------------------------------------------------------------

# A name on the PATH is not enough: version managers put names there that start nothing.
$(BIN)/python:
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
		"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
			>/dev/null 2>&1 && break; \
		python=; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Deskhand needs Python 3.11, 3.12 or 3.13, and none was found on the PATH." >&2; \
		echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; \
		exit 1; \
	fi; \
	if ! "$$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then \
		echo "$$python has no venv module. On Debian and Ubuntu: sudo apt install python3-venv" >&2; \
		exit 1; \
	fi; \
	echo "== Creating $(VENV) with $$("$$python" --version)"; \
	"$$python" -m venv $(VENV)

# requirements*.txt are complete, so pip need not resolve anything: see CONTRIBUTING.md, "Locks".
$(VENV)/.installed: $(INSTALL_FILES) | $(BIN)/python
	@echo "== Installing Deskhand (about 500 MB, a minute)"
	@$(BIN)/pip install --disable-pip-version-check --no-deps -r requirements.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(INSTALL_FILES) requirements-dev.txt | $(BIN)/python
	@echo "== Installing Deskhand and the test tools (about 600 MB, a minute)"
	@$(BIN)/pip install --disable-pip-version-check --no-deps -r requirements-dev.txt -e .
	@touch $(VENV)/.installed $@

install: $(VENV)/.installed ## Create .venv and install

# -- Data -----------------------------------------------------------------------------------------

# The stamp says how the fetching ended, so that a machine without a hub waits for it once, not daily.
fetched: $(VENV)/.installed
	@mkdir -p "$$DESKHAND_DATA_DIR"; stamp="$$DESKHAND_DATA_DIR/.model"; \
	if [ ! -f "$$stamp" ]; then \
		echo "== Fetching $(MODEL) (118 MB), for languages other than English"; \
		if $(BIN)/deskhand models pull $(MODEL); then echo present >"$$stamp"; \
		else echo missing >"$$stamp"; fi; \
	fi; \
	if grep -q missing "$$stamp"; then \
		echo "== Going on without $(MODEL): only English is understood well. Try again: make model"; \
	fi

model: ## Fetch the multilingual model, again if that failed
	@rm -f "$$DESKHAND_DATA_DIR/.model"
	@$(MAKE) --no-print-directory fetched

# Loaded again when an article or the model is newer than the last loading. `sync` also drops the
# passages of deleted articles.
sample: fetched
	@stamp="$$DESKHAND_DATA_DIR/.sample"; \
	if [ ! -f "$$stamp" ]; then \
		echo "== Loading $(SAMPLE)"; \
		$(BIN)/deskhand knowledge add $(SAMPLE) && touch "$$stamp"; \
	elif [ -n "$$(find $(SAMPLE) "$$DESKHAND_DATA_DIR/.model" -newer "$$stamp" | head -n 1)" ]; then \
		echo "== Loading what changed in $(SAMPLE)"; \
		$(BIN)/deskhand knowledge sync && touch "$$stamp"; \
	fi

# -- Checks ---------------------------------------------------------------------------------------

lint: $(VENV)/.installed-dev ## Check style and formatting
	@echo "== ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(VENV)/.installed-dev ## Mend style and formatting where a tool can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# The rooms lie at the top and are imported as deskhand.*: links show mypy the installed shape.
types: $(VENV)/.installed-dev ## Check types
	@echo "== mypy"
	@rm -rf .typing && mkdir -p .typing/deskhand
	@for room in $(ROOMS); do ln -s "../../$$room" ".typing/deskhand/$$room"; done
	@MYPYPATH=.typing $(BIN)/mypy --namespace-packages --explicit-package-bases -p deskhand

# The console script, not `python -m pytest`, which would put the clone itself on the import path.
tests: $(VENV)/.installed-dev fetched ## Run the tests; choose some with ARGS="tests/core -k words"
	@echo "== pytest"
	@$(BIN)/pytest $(ARGS)

bench: $(VENV)/.installed fetched ## Run the benchmarks; evaluation sets from DESKHAND_BENCH_DATA
	@for file in benchmarks/[!_]*.py; do echo "== $$file"; $(BIN)/python -P "$$file" || exit 1; done

# -- Releases -------------------------------------------------------------------------------------

wheel: $(VENV)/.installed-dev ## Build the source archive and the wheel into dist/
	@rm -rf build dist
	@$(BIN)/pyproject-build .

# uv writes one file for every system and Python version; pip alone installs from it.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate pyproject.toml
WITHOUT := --excludes $(VENV)/excludes.txt --constraint constraints.txt

lock: | $(BIN)/python ## Write constraints.txt and requirements*.txt; UPGRADE=1 takes new releases
	@$(BIN)/pip install --disable-pip-version-check --quiet 'uv>=0.9.8'
	@$(if $(UPGRADE),rm -f constraints.txt,:)
	@$(LOCK) --all-extras --output-file constraints.txt
	@echo kubernetes >$(VENV)/excludes.txt
	@rm -f requirements.txt requirements-dev.txt
	@$(LOCK) $(WITHOUT) --output-file requirements.txt
	@$(LOCK) $(WITHOUT) --extra dev --output-file requirements-dev.txt
	@wc -l constraints.txt requirements.txt requirements-dev.txt

api: $(VENV)/.installed-dev ## Accept the public names of the rooms as they are now
	@$(BIN)/python -P tests/architecture/public_api.py --write

clean: ## Remove what these targets made, except .deskhand (your data)
	rm -rf $(VENV) .typing build dist .mypy_cache .ruff_cache .pytest_cache *.egg-info
