# Needs Python 3.11 or newer and make; everything else goes into .venv.
PYTHON ?= python3
ARGS ?=
QUICK := tests/config tests/registry tests/layers tests/test_errors.py tests/test_house_rules.py \
	tests/docs/test_words.py tests/contract/test_hooks.py

BIN := .venv/bin
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test quick fuzz check docs lint types format generate clean

help: ## list these verbs
	@sed -n 's/^\([a-z]*\):.* ## \(.*\)/make \1	\2/p' Makefile | expand -t 16

demo: $(INSTALLED) ## train three small models on real handwritten digits
	$(BIN)/python examples/digits/demo.py

test: $(INSTALLED) ## run the tests; ARGS="-k resnet" goes on to pytest
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadgroup $(ARGS)

quick: $(INSTALLED) ## run the tests for the loop while writing, in under a minute
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadgroup $(QUICK) $(ARGS)

fuzz: $(INSTALLED) ## run the long fuzz tests of the loader, about five minutes
	OMP_NUM_THREADS=1 FUZZ_CASES=10000 $(BIN)/python -m pytest -q -n auto tests/weights/test_fuzz.py

check: lint types test ## run everything that a change must pass

docs: $(INSTALLED) ## build the site into dist/site; a broken link is an error
	$(BIN)/python -m mkdocs build --strict --quiet

lint: $(INSTALLED) ## check the format, the style and the house rules
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/python -m tools.house_rules

types: $(INSTALLED) ## run both type checkers
	$(BIN)/mypy
	$(BIN)/pyright

format: $(INSTALLED) ## rewrite the source in the common format
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

generate: $(INSTALLED) ## write the generated files
	$(BIN)/python -m tools.generate
	cd docs/plugin/src && $(CURDIR)/$(BIN)/typedvision stubs --package acme_vision

clean: ## remove all that make has made, .venv included
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis dist examples/*/out
	find src tests tools -name __pycache__ -prune -exec rm -rf {} +

# One call, so that pip sees every wish and every pin at once.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,demo,docs,onnx]'
	@touch $@
