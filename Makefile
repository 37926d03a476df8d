# octupus: `make quickstart` goes from a fresh machine to a trained, served, tested small model; `make test` checks it all.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup quickstart test check unit integration soak

setup:
	@$(PYTHON) octupus/installation.py --venv .venv

quickstart: setup
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/octupus quickstart $(QUICKSTART)

test: check unit integration

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: setup
	$(BIN)/pytest -n auto tests --ignore tests/integration --ignore tests/soak

integration: setup
	$(BIN)/pytest tests/integration

soak: setup
	$(BIN)/pytest tests/soak
