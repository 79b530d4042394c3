# Everything runs in .venv, made from the locked dependencies; a second call finds it there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test suite lint bench run lock clean
demo: $(VENV)/ready
	$(BIN)/aiec demo $(if $(HEADLESS),--headless) $(if $(PORT),--port $(PORT)) $(if $(KUBECONFIG_PATH),--kubeconfig $(KUBECONFIG_PATH))

# Both at once: tests wait now and then for processes that they started.
test: $(VENV)/ready
	$(MAKE) --jobs 2 lint suite
	$(if $(TEST_CHROMIUM),$(BIN)/pytest tests/browser)

suite: $(VENV)/ready
	$(BIN)/pytest -n 3 --dist worksteal --ignore tests/browser

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/ready
	$(BIN)/python -m benchmarks

run: $(VENV)/ready
	$(BIN)/aiec run

$(VENV)/ready: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "aiec needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Downloading the locked dependencies into $(VENV): a minute or two, this once."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Writes the lock files anew from pyproject.toml (needs uv).
lock:
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --output-file requirements.lock pyproject.toml
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV) build *.egg-info
