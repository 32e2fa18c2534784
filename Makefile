# Needs Python 3.11 or newer and make; everything else goes into .venv.
PYTHON ?= python3
ARGS ?=
QUICK := tests/config tests/registry tests/layers tests/test_errors.py tests/test_house_rules.py \
	tests/docs/test_words.py tests/contract/test_hooks.py

IGNORED := --ignore tests/clients --ignore tests/typing

FUZZ := tests/weights/test_fuzz.py tests/registry/test_spec_fuzz.py tests/preprocess/test_decode_fuzz.py \
	tests/contract/test_configs.py

BIN := .venv/bin
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test thorough clients quick fuzz check docs lint types format generate clean

help: ## list these verbs
	@sed -n 's/^\([a-z]*\):.* ## \(.*\)/make \1	\2/p' Makefile | expand -t 16

demo: $(INSTALLED) ## train three small models on real handwritten digits
	$(BIN)/python examples/digits/demo.py

test: $(INSTALLED) ## run the tests; ARGS="-k resnet" goes on to pytest
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadgroup -m "not slow" $(IGNORED) $(ARGS)

clients: .venv/.clients ## try the software that people have around their models
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/clients $(ARGS)

thorough: $(INSTALLED) ## run the slow tests too, and each for every family, not for one of each base
	THOROUGH=1 FUZZ_CONFIGS=50 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadgroup $(IGNORED) $(ARGS)

quick: $(INSTALLED) ## run the tests for the loop while writing, in under a minute
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadgroup $(QUICK) $(ARGS)

fuzz: $(INSTALLED) ## run the long fuzz tests of checkpoints, documents, images and configs; hours
	OMP_NUM_THREADS=1 FUZZ_CASES=10000 FUZZ_CONFIGS=2000 $(BIN)/python -m pytest -q -n auto $(FUZZ) $(ARGS)

check: lint types test ## run everything that a change must pass

docs: $(INSTALLED) ## build the site into dist/site; a broken link is an error
	$(BIN)/python -m mkdocs build --strict --quiet

lint: $(INSTALLED) ## check the format, the style and the house rules
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/python -m tools.house_rules

types: $(INSTALLED) ## run both type checkers here, and five on what users write
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/python -m pytest -q -n auto --dist loadgroup tests/typing $(ARGS)

format: $(INSTALLED) ## rewrite the source in the common format
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

generate: $(INSTALLED) ## write the generated files
	$(BIN)/python -m tools.generate
	cd docs/plugin/src && $(CURDIR)/$(BIN)/typedvision stubs --package acme_vision

clean: ## remove all that make has made, .venv included
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis dist examples/*/out
	find src tests tools -name __pycache__ -prune -exec rm -rf {} +

.venv/.clients: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[clients]'
	@touch $@

# One call, so that pip sees every wish and every pin at once.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,demo,docs,onnxruntime,openvino]'
	@touch $@
