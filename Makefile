# `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help bootstrap corpus run up down status doctor reset demo test lint format bench lock clean

BIN := .venv/bin
T ?= tests
HOME_DIR ?= .run

help:
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n\033[1m%s\033[0m\n", substr($$0, 5) } \
		/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo

##@ Run
run: bootstrap  ## Start everything in the foreground and show where it is; Ctrl-C stops it
	@$(BIN)/secumail up --home $(HOME_DIR)

up: bootstrap  ## The same, behind: returns when all is ready
	@$(BIN)/secumail up --home $(HOME_DIR) --detach

down: bootstrap  ## Stop it, wherever it was started
	@$(BIN)/secumail down --home $(HOME_DIR)

status: bootstrap  ## Every process: pid, state, restarts, memory, readiness
	@$(BIN)/secumail status --home $(HOME_DIR)

doctor: bootstrap  ## Check this machine and the installation; every fault comes with its fix
	@$(BIN)/secumail doctor --home $(HOME_DIR)

demo: up  ## Send a mail through all services of the running installation and follow it
	@$(BIN)/secumail demo --home $(HOME_DIR)

reset: bootstrap  ## Stop it and delete the installation with all its mail and keys
	@if [ -e $(HOME_DIR)/installation.json ]; then $(BIN)/secumail down --home $(HOME_DIR); fi
	rm -rf $(HOME_DIR)

##@ Develop
bootstrap:  ## Install what is missing: system packages, .venv, the secumail command
	@scripts/bootstrap.sh

test: bootstrap corpus  ## Run the tests in two processes; T=path narrows them
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder $(T)

lint: bootstrap  ## Style, types, and which package may import which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: bootstrap  ## Mend what the linters can mend themselves
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: bootstrap corpus  ## Counts per mail (gated) and rates (reported, with a plot, into benchmarks/results)
	$(BIN)/python -m pytest benchmarks
	$(BIN)/python -m benchmarks.rates
	$(BIN)/python -m benchmarks.protection

corpus:
	@scripts/corpus.sh

lock: bootstrap  ## Compile requirements/*.txt from pyproject.toml; UPGRADE=--upgrade for newer versions
	scripts/lock.sh $(UPGRADE)

clean:  ## Delete what can be made again: .venv, caches, build output (not the installation)
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find services -name '*.so' -delete
