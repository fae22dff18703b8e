# The two commands are `make demo` and `make test`; the rest are their parts.
# On a bare Debian machine with Rust and Node they install or build what else is missing.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo release test lint unit web web-test chaos bench setup clean

PYTHON := target/venv/bin/python
export PARX_PYTHON := $(abspath $(PYTHON))
# Peers in Python come from the tests' own environment.
CARGO_TEST := PATH="$(abspath target/venv/bin):$$PATH" cargo test
# The suites of `make chaos`, each with the binary that it torments.
CHAOS := $(PYTHON) -B tests
PARX := --parx target/debug/parx
# Debian's package manager, as root or through sudo.
APT := $(shell [ "$$(id -u)" = 0 ] && echo "apt-get" || echo "sudo apt-get")
# What the tests need of Debian: the command that shows it is there, and its package.
PEERS := mosquitto:mosquitto mosquitto_pub:mosquitto-clients psql:postgresql-client chromium:chromium

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: web ## A live simulated plant with a day of history, at http://127.0.0.1:8800
	cargo build --bin parx
	target/debug/parx demo --history 1d $(ARGS)

release: web ## The binary to deploy: target/release/parx
	cargo build --release --bin parx

test: web setup lint web-test ## Everything that has to pass
	PARX_PEERS=required $(CARGO_TEST) --workspace

lint: web ## Formatting and lints
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

unit: ## Tests of the crates alone; peers that are not installed are skipped
	cargo test --workspace --exclude parx-api
	cargo test --package parx-api --lib

chaos: setup ## Kills, failing and full disks, damage; and faults on purpose that must be found
	cargo build --bin parx
	$(CHAOS)/checker.py $(PARX) --rounds 500 --points 1000000 --verify-every 100 --progress
	$(CHAOS)/checker.py $(PARX) --rounds 20 --seed 2 --switch ack-before-commit --expect lost
	$(CHAOS)/checker.py $(PARX) --rounds 20 --seed 3 --switch store-batches-again --expect duplicated
	$(CHAOS)/failing.py $(PARX) --at 1-300
	$(CHAOS)/failing.py $(PARX) --at 1-300:3 --errno 28
	$(CHAOS)/failing.py $(PARX) --at 5-60:11 --switch ack-before-commit \
		--expect "acknowledged and lost"
	$(CHAOS)/full.py $(PARX) --cycles 20
	$(CHAOS)/full.py $(PARX) --cycles 2 --unguarded --expect "it did not come that writes are refused"
	PARX_MUTATIONS=10000 PARX_SEED=4 $(CARGO_TEST) --workspace --test mutations -- --nocapture

bench: release setup ## Figures of this machine beside their goals, with the release build
	rm -rf target/bench
	target/release/parx bench ingest --door flight,line,acknowledged --restart 1073741824 \
		--folder target/bench
	target/release/parx bench query --folder target/bench --python $(PYTHON)
	target/release/parx bench latency

# --- the web app -----------------------------------------------------------------------------------

web: web/dist/index.html ## The web app, as the binary embeds it

web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	@touch $@

web/dist/index.html: web/node_modules/.package-lock.json api/schema.graphql \
		$(shell find web/src web/index.html web/*.ts -path web/src/api/generated -prune -o -type f -print)
	cd web && npm run build
	@touch $@ api/src/http/assets.rs

web-test: web
	cd web && npm run lint && npm test

# --- peers and clients of the tests ----------------------------------------------------------------

setup: $(PYTHON) tests/node/node_modules/.package-lock.json
	@missing=(); for pair in $(PEERS); do \
		command -v "$${pair%%:*}" >/dev/null || [ -x "/usr/sbin/$${pair%%:*}" ] \
			|| missing+=("$${pair##*:}"); done; \
	if [ "$${#missing[@]}" != 0 ]; then \
		echo "installing $${missing[*]}"; \
		$(APT) update -qq && DEBIAN_FRONTEND=noninteractive \
			$(APT) install -y -qq --no-install-recommends "$${missing[@]}"; fi

$(PYTHON): tests/requirements.txt
	python3 -m venv target/venv || { $(APT) update -qq && $(APT) install -y -qq python3-venv \
		&& python3 -m venv target/venv; }
	target/venv/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@

tests/node/node_modules/.package-lock.json: tests/node/package-lock.json
	cd tests/node && npm ci --no-audit --no-fund
	@touch $@

clean: ## Everything that was built
	cargo clean
	rm -rf web/node_modules web/dist tests/node/node_modules
