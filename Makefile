# What a newcomer types. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
CHAPERONE := $(TARGET)/release/chaperone
CONSOLE := api/console
CONSOLE_SOURCES := $(shell find $(CONSOLE) \( -name node_modules -o -name dist -o -name e2e \) -prune -o -type f ! -name schema.d.ts -print)

say = @printf '\n== %s\n' "$(1)"

.PHONY: fuzz contract measure-desk help demo serve test test-console models bench bench-peers bench-micro lint lint-deploy setup setup-test build console

help: ## List what can be made
	@echo 'Chaperone: moderation and matching beside a chat and video-call platform.'
	@echo
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: models ## Install what is missing, fetch models, build, and show real verdicts (about 20 s once built)
	@$(CHAPERONE) demo

serve: models ## Run the service on 127.0.0.1:8080 with its state in ./data
	@$(CHAPERONE) serve

# Our own crates without optimisation, which halves the time to build their tests. The dependencies, models' kernels among them, keep
# theirs and are the same files for every target; overflow checks are on in both.
QUICK := $(foreach crate,api benches datasets models pipeline workers,\
	--config profile.release.package.$(crate).opt-level=0 --config profile.release.package.$(crate).debug=false)

test: setup-test setup test-console ## Everything that the tests need, then all tests
	$(call say,building what fetches the models (the first time takes a while))
	@$(CARGO) build --release --locked --workspace --bin chaperone $(QUICK)
	@$(CHAPERONE) models fetch
	$(call say,running the tests)
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --release --locked --workspace --no-fail-fast $(QUICK); \
	else \
		$(CARGO) test --release --locked --workspace --no-fail-fast $(QUICK); \
	fi

test-console: console ## Unit tests of the console
	$(call say,running the console's unit tests)
	@cd $(CONSOLE) && npm --silent test

models: build ## Fetch, check and convert the models that are missing
	@$(CHAPERONE) models fetch

bench: models bench-peers ## Measure speed and memory against bare backends and peers (needs npm; about 20 minutes)
	$(call say,building the load generator)
	@$(CARGO) build --release --locked --workspace --bin chaperone-bench
	@$(TARGET)/release/chaperone-bench

# Pinned versions, in folders of their own that git ignores. sentence-transformers brings torch: PEERS=all asks for it.
PEERS ?= small
bench-peers:
	$(call say,installing the peers)
	@cd benches/peers/nsfwjs && { [ -d node_modules ] || npm ci --no-fund --no-audit; }
	@cd benches/peers/text && { [ -x venv/bin/python ] || python3 -m venv venv; } \
		&& venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@[ "$(PEERS)" != all ] || benches/peers/text/venv/bin/python -m pip install --quiet --disable-pip-version-check \
		-r benches/peers/text/requirements-optional.txt || echo 'sentence-transformers could not be installed: it is left out'

bench-micro: ## Time the hot paths one by one
	@$(CARGO) bench --locked --workspace --bench hot_paths

# One test at a time: each has the machine for its minute. Found inputs lie in target/fuzz.
fuzz: models ## Fuzz every parser of outside bytes, SECONDS_EACH (default 60): an evening's work, not CI's
	@FUZZ_SECONDS=$(or $(SECONDS_EACH),60) $(CARGO) nextest run --release --locked --workspace --no-fail-fast --test-threads 1 $(QUICK) \
		--success-output final -E 'test(fuzz)'

contract: setup-test models ## Send 2,000 generated requests against the OpenAPI document: no 500, no answer that it does not describe
	@CONTRACT_REQUESTS=2000 $(CARGO) nextest run --release --locked --workspace $(QUICK) --success-output final -E 'test(i4_generated_requests)'

measure-desk: setup-test ## Time pages and claims of review with 50,000 cases, in the store and over HTTP, on SQLite and PostgreSQL
	@$(CARGO) nextest run --release --locked --workspace $(QUICK) --success-output final --test-threads 1 -E 'test(fifty_thousand_cases)'

lint: ## Formatting and clippy, as CI wants them
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings

lint-deploy: ## Lint images, compose file, chart and alert rules (fetches the linters into a throw-away folder)
	@deploy/lint/lint.sh

setup: ## Install the system packages that building needs
	@deploy/setup.sh

setup-test:
	@deploy/setup.sh test

console: $(CONSOLE)/dist/index.html ## Build the review console that the binary serves at /console/ (needs npm; 20 s)

$(CONSOLE)/node_modules/.package-lock.json: $(CONSOLE)/package-lock.json | setup
	$(call say,installing what the console is built from)
	@cd $(CONSOLE) && npm ci --ignore-scripts --no-fund --no-audit --loglevel error
	@touch $@

$(CONSOLE)/dist/index.html: $(CONSOLE_SOURCES) api/openapi.json $(CONSOLE)/node_modules/.package-lock.json | setup
	$(call say,building the console)
	@cd $(CONSOLE) && npm run --silent build
	@touch $@

# `--workspace`: the same features of every dependency as the tests use, so that nothing is compiled twice.
build: setup
	@$(MAKE) console || printf '\n== the console was not built, see above: the binary goes without it\n'
	$(call say,building (the first time takes a while))
	@$(CARGO) build --release --locked --workspace --bin chaperone
