# `make run` and `make test` work in a bare clone: each makes its .venv from the lock file first.
# HOST, PORT, OMIXA_HOME and the rest come from the environment or from .env: see docs/running.md.

PYTHON_IN_VENV = .venv/bin/python
PROCESSORS = $(shell nproc)
# One more: the tests of a running product wait more than they compute.
PROCESSES = $(shell expr $$(nproc) + 1)
COMPILE = $(PYTHON_IN_VENV) -m piptools compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-emit-trusted-host --strip-extras --allow-unsafe
LOCK = $(COMPILE) pyproject.toml

# Compiled modules are kept, whatever the machine prefers: without them each process of the product compiles all of it.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL = help
.PHONY: help run gateway test test-gateway check lint format bench chaos chaos-gateway lock lock-gateway clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

run: ## start everything in the foreground; Ctrl-C stops it
	@scripts/bootstrap.sh requirements.lock
	@exec $(PYTHON_IN_VENV) -m omixa_billing.supervision

gateway: ## LiteLLM with our plug-in in front of a running `make run`, or an echo where no provider's key is set
	@scripts/bootstrap.sh requirements.lock
	@scripts/bootstrap.sh integrations/litellm/requirements.lock .venv-gateway
	@exec $(PYTHON_IN_VENV) -m omixa_billing.supervision.local_gateway

test-gateway: ## the plug-in through a real LiteLLM in front of a real instance; choose with ARGS="-k words"
	@scripts/bootstrap.sh requirements.lock
	@scripts/bootstrap.sh integrations/litellm/requirements.lock .venv-gateway
	@scripts/debian.sh nodejs php-cli php-curl
	.venv-gateway/bin/python -m pytest -c integrations/litellm/pyproject.toml -p no:cacheprovider \
		integrations/litellm/gateway_tests $(ARGS)

test: ## the whole test suite, in a process more than there are processors; choose with ARGS="-k words", search deeper with DEEP=1
	@scripts/bootstrap.sh requirements-dev.lock
	@scripts/debian.sh chromium nginx-light rabbitmq-server
	$(PYTHON_IN_VENV) -m pytest --numprocesses=$(PROCESSES) --dist=loadfile --no-loadscope-reorder $(ARGS)

check: lint ## what lint checks, and every test that needs no server: to run before each commit
	$(PYTHON_IN_VENV) -m pytest --without-servers --numprocesses=$(PROCESSORS) --dist=worksteal $(ARGS)

lint: ## style, types, and that no migration is missing
	@scripts/bootstrap.sh requirements-dev.lock
	$(PYTHON_IN_VENV) -m ruff check
	$(PYTHON_IN_VENV) -m ruff format --check
	$(PYTHON_IN_VENV) -m mypy
	$(PYTHON_IN_VENV) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

format: ## what ruff can put right
	@scripts/bootstrap.sh requirements-dev.lock
	$(PYTHON_IN_VENV) -m ruff check --fix
	$(PYTHON_IN_VENV) -m ruff format

bench: ## the benchmarks, one JSON line each; choose with ARGS="--only ten_million"
	@scripts/bootstrap.sh requirements-dev.lock
	@$(PYTHON_IN_VENV) -m tests.benchmarks $(ARGS)

chaos-gateway: ## the long form of killing everything behind a real LiteLLM: 20,000 requests, the product away for ten minutes
	@OMIXA_CHAOS_REQUESTS=$(or $(REQUESTS),20000) OMIXA_CHAOS_ROUNDS=$(or $(ROUNDS),4) \
		OMIXA_CHAOS_SECONDS_AWAY=$(or $(SECONDS_AWAY),600) $(MAKE) test-gateway ARGS="-k everything_is_killed -s"

chaos: ## kill everything for minutes while events arrive, and count them; ARGS="--broker rabbitmq" on RabbitMQ
	@scripts/bootstrap.sh requirements-dev.lock
	@scripts/debian.sh rabbitmq-server
	@$(PYTHON_IN_VENV) -m tests.chaos $(ARGS)

lock: ## choose versions again, within pyproject.toml; with ARGS=--upgrade the newest
	@scripts/bootstrap.sh requirements-dev.lock
	$(LOCK) $(ARGS) --output-file=requirements.lock
	$(LOCK) $(ARGS) --extra=dev --constraint=requirements.lock --output-file=requirements-dev.lock

lock-gateway: ## the same for LiteLLM and its tests, which takes minutes
	@scripts/bootstrap.sh requirements-dev.lock
	$(COMPILE) $(ARGS) --extra=test --output-file=integrations/litellm/requirements.lock integrations/litellm/pyproject.toml

clean: ## caches and collected files; the data in .omixa and the .venv stay
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .omixa-tests staticfiles
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
