# On a fresh machine with Python 3.11+ (with venv) and make: `make demo`, and then the curl lines that it prints.
# Everything is installed into .venv from lock files with hashes; stamp files keep a second call from installing again.

VENV := .venv
BIN := $(VENV)/bin
CLIENTS := $(VENV)/clients
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$name; break; }; done)
ARGS ?=

.PHONY: help demo test check bench load prove fuzz mutate install fmt lock redis postgres proxies node

help:
	@echo "make demo     install, and start the gateway in front of a small sandbox platform"
	@echo "make test     install what the tests need, and run all of them   (ARGS='tests/policy -x')"
	@echo "make check    lint, format, types, layers"
	@echo "make bench    requests per second and CPU, side by side with other proxies; what narrowing, 10^6 keys, and junk cost"
	@echo "make load     users of all kinds: more and more of them, then some for long, memory watched   (ARGS='--only soak')"
	@echo "make prove    the laws again, with 10^7 cases, or GATEWAY_PROOF_SECONDS=600 make prove; revocation with 10^5 calls"
	@echo "make fuzz     inputs that a fuzzer makes up, for GATEWAY_FUZZ_SECONDS=60 a target   (ARGS='scanner')"
	@echo "make mutate   how many small errors the tests would not notice   (ARGS='authz.rows decide')"
	@echo "make install  only install   |   make fmt  format   |   make lock  renew the lock files (needs uv)"

demo: $(VENV)/.runtime
	@exec $(BIN)/gateway demo $(ARGS)

test: $(VENV)/.dev redis postgres $(CLIENTS)/.installed
	$(BIN)/pytest -n 2 --dist worksteal $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.bench proxies
	$(BIN)/python loadtests/bench.py --json loadtests/bench.json --picture loadtests/bench.svg $(ARGS)
	$(BIN)/python loadtests/parts.py
	$(BIN)/python loadtests/narrowing.py
	$(BIN)/python loadtests/deciding.py
	$(BIN)/python loadtests/answers.py
	$(BIN)/python loadtests/keys.py
	$(BIN)/python loadtests/junk.py
	$(BIN)/python loadtests/distinct_keys.py
	$(BIN)/python loadtests/unit_costs.py
	$(BIN)/python loadtests/running_costs.py --json loadtests/running_costs.json
	$(BIN)/python loadtests/scaling_page.py

load: $(VENV)/.bench
	$(BIN)/python loadtests/load.py $(ARGS)

prove: export GATEWAY_PROOF_CASES ?= 10000000
prove: export GATEWAY_REVOCATION_CALLS ?= 100000
prove: $(VENV)/.dev redis postgres
	$(BIN)/pytest -n 2 tests/proof --timeout=0 $(ARGS)
	$(BIN)/pytest -n 2 -m hypothesis --hypothesis-profile=prove --timeout=0 $(ARGS)
	$(BIN)/pytest tests/e2e/test_revocation.py tests/e2e/test_revocation_sqlite.py --timeout=0 $(ARGS)

fuzz: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m fuzz $(ARGS)

mutate: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m mutation $(ARGS)

install: $(VENV)/.runtime

fmt: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# --- what the words above stand on ---

$(VENV)/.created:
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed; $(or $(PYTHON),python3) is: $$($(or $(PYTHON),python3) --version 2>&1)" >&2; \
		echo "  Debian, Ubuntu: apt-get install python3.11 python3.11-venv    macOS: brew install python" >&2; \
		echo "  installed elsewhere: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) has no venv module" >&2; \
		echo "  Debian, Ubuntu: apt-get install $$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The build backend is in the lock as well: nothing is fetched that has no hash. (Its warning that an editable install is
# editable would only worry a newcomer.)
$(VENV)/.runtime: $(VENV)/.created requirements.lock pyproject.toml
	$(PIP) --require-hashes --requirement requirements.lock
	@PYTHONWARNINGS=ignore $(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	$(PIP) --require-hashes --requirement requirements-dev.lock
	@touch $@

$(VENV)/.bench: $(VENV)/.runtime requirements-bench.lock
	$(PIP) --require-hashes --requirement requirements-bench.lock
	@touch $@

redis:
	@command -v redis-server >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends redis-server; \
	else \
		echo "the tests need redis-server on the PATH" >&2; \
		echo "  Debian, Ubuntu: sudo apt-get install redis-server    macOS: brew install redis" >&2; exit 1; \
	fi

# Debian keeps the server's programs beside the PATH.
postgres:
	@command -v initdb >/dev/null && exit 0; \
	for each in /usr/lib/postgresql/*/bin/initdb; do [ -x "$$each" ] && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends postgresql; \
	else \
		echo "the tests need PostgreSQL's initdb, postgres, psql, pg_dump and pg_restore" >&2; \
		echo "  Debian, Ubuntu: sudo apt-get install postgresql    macOS: brew install postgresql" >&2; exit 1; \
	fi

# Clients of the platform that are on npm, unchanged; none of their scripts is run. (They also name an engine that nobody
# has any more: that warning would only worry a newcomer.)
$(CLIENTS)/.installed: tests/clients/package.json tests/clients/package-lock.json | $(VENV)/.dev node
	@mkdir -p $(CLIENTS) && cp $^ $(CLIENTS)
	PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --prefix $(CLIENTS) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

OLDEST_NODE := 18
node: | $(VENV)/.created
	@PATH="$(CURDIR)/$(BIN):$$PATH"; command -v npm >/dev/null && \
	node -e 'process.exit(process.versions.node.split(".")[0] < $(OLDEST_NODE) ? 1 : 0)' 2>/dev/null && exit 0; \
	$(PIP) --require-hashes --requirement requirements-node.lock && exit 0; \
	echo "the tests run clients of the platform on Node.js $(OLDEST_NODE) or newer, with npm" >&2; \
	echo "  Debian, Ubuntu: sudo apt-get install nodejs npm    macOS: brew install node" >&2; exit 1

# Without them there is a benchmark all the same, which names who is missing.
proxies:
	@PATH="$$PATH:/usr/sbin"; command -v nginx >/dev/null && command -v haproxy >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends nginx-light haproxy; \
	else \
		echo "the benchmark leaves out those of nginx and HAProxy that are not there" >&2; \
		echo "  Debian, Ubuntu: sudo apt-get install nginx-light haproxy    macOS: brew install nginx haproxy" >&2; \
	fi

LOCK = uv pip compile pyproject.toml --upgrade --universal --python-version 3.11 --group build \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet
lock:
	@command -v uv >/dev/null || { echo "uv is needed: https://docs.astral.sh/uv/" >&2; exit 1; }
	$(LOCK) --output-file requirements.lock
	$(LOCK) --group dev --constraint requirements.lock --output-file requirements-dev.lock
	$(LOCK) --group bench --constraint requirements.lock --output-file requirements-bench.lock
	$(LOCK) --group node --constraint requirements.lock --output-file requirements-node.lock
	cd tests/clients && npm install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund
