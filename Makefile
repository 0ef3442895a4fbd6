# make run          set up what is missing and start the dashboard
# make check        set up what is missing, lint, and run the tests that take seconds
# make test         the same with every test: browsers, Ray clusters and killed processes too
# make constraints  write constraints.txt from a new .venv, after a change of requirements*.txt
# make browser-packages  install what runs models in the browser, if that failed in the set-up
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check
# npm fetches them. Where there is none, a Python package has it.
BROWSER_PACKAGES := command -v npm >/dev/null \
	|| $(INSTALL) --constraint constraints.txt --requirement requirements-node.txt; \
	$(BIN)/python -m pages.app.browser_packages
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile

.PHONY: run check test lint format constraints browser-packages screenshots clean

run: $(VENV)/.installed
	$(BIN)/streamlit run dashboard.py

check: lint
	$(PYTEST) -m "not browser and not ray and not slow"

test: lint
	$(PYTEST) --durations=10

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

constraints:
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --requirement requirements-dev.txt
	echo '# Every package that `make` installs. Written by `make constraints`; the choices are in requirements*.txt.' >constraints.txt
	$(BIN)/python -m pip freeze --all --exclude pip >>constraints.txt
	-$(BROWSER_PACKAGES)
	touch $(VENV)/.installed $(VENV)/.installed-dev

browser-packages: $(VENV)/.installed
	$(BROWSER_PACKAGES)

screenshots: $(VENV)/.installed-dev
	$(BIN)/python -m docs.screenshots

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Without the browser's packages the dashboard works too: the line with a dash may fail.
$(VENV)/.installed: requirements.txt constraints.txt browser-packages.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --constraint constraints.txt --requirement requirements.txt
	-$(BROWSER_PACKAGES)
	touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements-ray.txt requirements-bm3d.txt requirements-heic.txt requirements-node.txt requirements-umap.txt $(VENV)/.installed
	$(INSTALL) --constraint constraints.txt --requirement requirements-dev.txt
	touch $@
