# Screentest. `make demo` and `make test` are the two commands to know; both build .venv on first use.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
# The demo's options, e.g. make demo DATA=ml-latest-small.zip SEED=7 PLANT=aa MODELS=popularity,item_knn
DATA   ?=
SEED   ?=
PLANT  ?=
MODELS ?=
JSON   ?=
JOBS   ?= 2
# Minutes of the soak in `make test-long`
SOAK   ?= 30
ENGINE ?= $(shell command -v podman || command -v docker)
IMAGE  ?= screentest-python:0.1.0
BENCHMARKS := parse_ratings parse_memory ranking_metrics full_ranking ease_fit als_fit lightning_loop features feature_reads ranker_latency event_log \
              serving_paths access_cost choose_with_features rollout_bars statistical_guarantees bandit_regret bandit_decisions experiment_events simulated_traffic

.PHONY: help demo up down test test-long audit e2e-kind image image-test lint bench bench-scale lock clean

help: ## What each target does
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.installed ## Data to a promoted recommender, start to finish (DATA=, SEED=, PLANT=, MODELS=, JSON=)
	@$(BIN)/screentest demo $(if $(DATA),--data '$(DATA)') $(if $(SEED),--seed $(SEED)) $(if $(PLANT),--plant $(PLANT)) \
	  $(if $(MODELS),--models $(MODELS)) $(if $(JSON),--json '$(JSON)')

up: $(VENV)/.installed ## Open the review page; leave the last demo's stack running: MLflow, policy and model servers
	@$(BIN)/screentest up --detach

down: $(VENV)/.installed ## Stop it
	@$(BIN)/screentest down

# As many test processes as cores: each computes on one thread, or they would wait busily for each other.
test test-long: export OMP_NUM_THREADS = 1
test test-long: export OPENBLAS_NUM_THREADS = 1

test: lint ## Everything that must be green
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m 'not long and not image'

test-long: $(VENV)/.installed-test ## What takes longer; its last results are in docs/BENCHMARKS.md
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m long --timeout 1800
	@$(BIN)/python -m benchmarks.soak --minutes $(SOAK)

audit: ## Known vulnerabilities of every version in constraints.txt; fails where one could not be looked up
	@$(PYTHON) -m venv build/audit && build/audit/bin/pip install -q --disable-pip-version-check pip-audit==2.10.1
	@build/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

e2e-kind: ## A rollout on a real cluster: docker, kind, kubectl and helm must be there (tests/e2e/kind.sh)
	@tests/e2e/kind.sh

image: ## Build the container image with podman or docker (IMAGE_OPTIONS= for the build: a mirror, a base image)
	@$(ENGINE) build $(if $(findstring podman,$(ENGINE)),--format docker) $(IMAGE_OPTIONS) --tag $(IMAGE) .

image-test: $(VENV)/.installed-test ## Run it as a cluster does: no root, no capability, nothing to write to
	@$(BIN)/python -m pytest -m image --timeout 900 tests/image

lint: $(VENV)/.installed-test ## Style, types and layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/.installed-test ## Every bar, measured as ratios of one run (DATA= for the demo's)
	@missed=; for name in $(BENCHMARKS); do echo; echo "== python -m benchmarks.$$name"; \
	  $(BIN)/python -m benchmarks.$$name || missed="$$missed $$name"; done; \
	  test -z "$$missed" || { echo "bars missed in:$$missed" >&2; exit 1; }
	@echo; echo "== python -m benchmarks.main_job $(if $(DATA),--data '$(DATA)')"
	@$(BIN)/python -m benchmarks.main_job $(if $(DATA),--data '$(DATA)')

bench-scale: $(VENV)/.installed-test ## /recommendations over ITEMS items (10,000,000: an hour and 12 GB on two cores) (DATA=)
	@$(BIN)/python -m benchmarks.recommendations_at_scale $(if $(ITEMS),--items $(ITEMS)) $(if $(DATA),--data '$(DATA)')

lock: ## Write constraints.txt anew from what pip resolves today
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install -q '.[test]'
	{ echo '# Every version, resolved together by pip. Written by `make lock`.'; \
	  build/lock/bin/pip freeze --all --exclude screentest --exclude pip | sed 's/+[a-z0-9]*$$//'; } > constraints.txt

clean: ## Remove the environment and every run
	rm -rf $(VENV) runs build

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "python3.11 was not found; install it with its venv module, or name it: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1), Screentest needs Python 3.11; name one: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot make a virtual environment; on Debian or Ubuntu: apt install python3.11-venv" >&2; rm -rf $(VENV); exit 2; }

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing Screentest into $(VENV) (once; one to three minutes) …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "Installing what the tests need into $(VENV) (once) …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@
