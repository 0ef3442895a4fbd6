# make run          set up what is missing and start the dashboard
# make check        set up what is missing, lint, and run the tests that take seconds
# make test         the same with every test: browsers, Ray clusters and killed processes too
# make constraints  write constraints.txt from a new .venv, after a change of requirements*.txt
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile

.PHONY: run check test lint format constraints screenshots clean

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
	touch $(VENV)/.installed $(VENV)/.installed-dev

screenshots: $(VENV)/.installed-dev
	$(BIN)/python -m docs.screenshots

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.installed: requirements.txt constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --constraint constraints.txt --requirement requirements.txt
	touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements-ray.txt requirements-bm3d.txt requirements-heic.txt $(VENV)/.installed
	$(INSTALL) --constraint constraints.txt --requirement requirements-dev.txt
	touch $@
