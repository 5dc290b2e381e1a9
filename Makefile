# Each target makes the virtual environment it needs, once: a fresh clone, Python 3.10+ and make are enough.

PYTHON ?= python3

.DEFAULT_GOAL := help
.PHONY: help demo test check bench compare fuzz clean

help: ## show these lines
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/installed ## two losses over one encoder, on real digits: a table, and a picture in regrad-demo.png
	.venv/bin/python -m regrad.cli.demo

# One BLAS thread a worker: two workers that each ask for every core slow each other down.
test: .venv/installed ## run the tests
	OPENBLAS_NUM_THREADS=1 .venv/bin/python -m pytest -q -n 2 --dist worksteal

# No `ruff format`: it would undo the alignment of the op declarations. Ruff's spacing rules are on instead.
check: .venv/installed ## lint, types, and which room imports which
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

bench: .venv-compare/installed ## time Regrad beside PyTorch
	.venv-compare/bin/python benchmarks/run.py
	.venv-compare/bin/python benchmarks/lifetime.py

compare: .venv-compare/installed ## check Regrad's results and trainings against PyTorch's
	.venv-compare/bin/python -m pytest tests/compare -q

fuzz: .venv/installed ## run the property tests with many more examples
	.venv/bin/python -m pytest tests/property -q -n 2 --dist worksteal --hypothesis-profile nightly

clean: ## remove the virtual environments and every cache
	rm -rf .venv .venv-compare build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +

.venv/installed: EXTRAS = demo,test,check
.venv-compare/installed: EXTRAS = demo,test,compare

.venv/installed .venv-compare/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else \
	    "Regrad needs Python 3.10 or newer: make PYTHON=/path/to/one")'
	@echo 'Installing into $(@D), once'
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	@touch $@
