# Vouch. `make run` and `make test` set up everything they need; `make help` lists the rest.

PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
JOBS   ?= 3
LOCK   := requirements/lock.txt
STAMP  := $(VENV)/.installed
PEERS  := .venv-peers
PIP    := $(BIN)/python -m pip --disable-pip-version-check

export HF_HUB_OFFLINE = 1
export DO_NOT_TRACK = 1
export UNSTRUCTURED_DISABLE_NOTICE = 1

.DEFAULT_GOAL := help
.PHONY: help setup run test test-all lint format bench bench-peers eval audit lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with the locked dependencies

# The lock holds everything but torch, with hashes. torch goes apart because its CPU build is another file, with
# another hash, on different package indexes; what it needs besides is in the lock.
$(STAMP): $(LOCK) requirements/apart.txt pyproject.toml
	@started=$$(date +%s); \
	echo "Setting up $(VENV): 1/3 environment"; \
	$(PYTHON) -m venv --clear $(VENV) && \
	echo "Setting up $(VENV): 2/3 locked dependencies" && \
	$(PIP) install --no-deps --require-hashes --progress-bar on -r $(LOCK) && \
	$(PIP) install --progress-bar on -r requirements/apart.txt && \
	echo "Setting up $(VENV): 3/3 Vouch itself" && \
	PYTHONWARNINGS=ignore $(PIP) install --quiet --no-deps --no-build-isolation --editable . && \
	touch $(STAMP) && \
	echo "Set up in $$(( $$(date +%s) - started )) s."

run: $(STAMP) ## Start the platform, ingest the sample company, ask eight questions, stay up
	@$(BIN)/vouch demo

test: $(STAMP) ## Run the tests (about 15 minutes on 2 cores)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -m "not slow"

test-all: $(STAMP) ## Run the slow suites too
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

lint: $(STAMP) ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p vouch -p acl -p connectors -p ingestion -p retrieval -p evals
	$(BIN)/lint-imports

format: $(STAMP) ## Format the code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .

bench: $(STAMP) ## Measure speed, as ratios against a reference in the same run
	$(BIN)/python -m evals.bench

bench-peers: $(STAMP) $(PEERS)/.installed ## Measure Vouch beside other retrieval stacks, same data, same weights
	$(BIN)/python -m evals.peers

# An environment of their own, with its own lock; torch apart here too.
$(PEERS)/.installed: requirements/peers.lock requirements/apart.txt
	$(PYTHON) -m venv --clear $(PEERS)
	$(PEERS)/bin/python -m pip --disable-pip-version-check install --no-deps --require-hashes -r requirements/peers.lock
	$(PEERS)/bin/python -m pip --disable-pip-version-check install -r requirements/apart.txt
	touch $@

eval: $(STAMP) ## Measure quality on public data, and hold it to evals/gates.toml
	$(BIN)/python -m evals

audit: $(STAMP) ## Look the locked dependencies up among known vulnerabilities
	$(BIN)/pip-audit --require-hashes --disable-pip -r $(LOCK)

lock: ## Bring requirements/lock.txt up to requirements/*.in, keeping what is pinned (needs uv)
	cp $(LOCK) $(LOCK).all
	uv pip compile --quiet requirements/dev.in --override requirements/apart.txt --no-emit-package torch \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11.2 -o $(LOCK).all
	$(PYTHON) requirements/without_torch.py $(LOCK).all > $(LOCK)
	rm $(LOCK).all
	uv pip compile --quiet requirements/peers.in --override requirements/apart.txt --constraint $(LOCK) \
		--no-emit-package torch --generate-hashes --no-header --no-annotate --no-emit-index-url --only-binary :all: \
		--python-version 3.11.2 -o requirements/peers.lock.all
	$(PYTHON) requirements/without_torch.py requirements/peers.lock.all > requirements/peers.lock
	rm requirements/peers.lock.all

clean: ## Remove .venv, caches and the data folder of `make run`
	rm -rf $(VENV) $(PEERS) .vouch .vouch-eval build .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
