# What people type. `make demo` and `make test` do all the set-up themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint install reliability bench train lock audit image image-test sbom wheel wheel-test

demo: install
	$(BIN)/hangtag demo --out out

# No thread of OpenMP turns in circles while it waits for work: beside others it would take the core that they need.
test wheel-test reliability: export OMP_WAIT_POLICY = PASSIVE

# Tests without servers on every core, one thread each. Then those that measure milliseconds, alone. Then all others, two at
# a time, each of the two with a Kafka and a Redis of its own: most of their time is waiting for processes to start.
WITHOUT_SERVERS = tests/unit tests/test_architecture.py
ALONE = tests/contract
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder $(WITHOUT_SERVERS)
	$(BIN)/python -m pytest -q $(ALONE)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal $(addprefix --ignore ,$(WITHOUT_SERVERS) $(ALONE))

# Kills, cuts, floods and lies. Short form by default; make reliability FULL=1 [SEED=n] [SUITES="kills cache"].
reliability: install
	$(BIN)/python -m tests.reliability $(if $(FULL),--full) $(if $(SEED),--seed $(SEED)) $(SUITES)

# Ratios against the ideal loop, plain RapidOCR and torch. Short form by default; make bench FULL=1 [DATA=folder]
# [BENCHES="stream lane"]. BENCHES=prices measures what is read from rendered prices. Each bench replaces its last
# results on processors of this kind in docs/results/bench.*.
# Other servers of models are measured beside us where they are installed: $(BIN)/uv pip install -e '.[bench]'.
bench: install
	$(BIN)/python -m tests.bench $(if $(FULL),--full) $(if $(DATA),--data $(DATA)) $(BENCHES)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: $(VENV)/.installed

# uv installs what the lock names, by hash, in about a minute; pip alone needs several. What is not compiled now is compiled
# at each start where PYTHONDONTWRITEBYTECODE is set, as it often is: torch alone then takes twice as long.
$(VENV)/.installed: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || command -v uv >/dev/null || $(BIN)/python -m pip install --quiet "uv>=0.9"
	PATH="$(CURDIR)/$(BIN):$$PATH" uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	PATH="$(CURDIR)/$(BIN):$$PATH" uv pip install --quiet --python $(BIN)/python --no-deps -e .
	$(BIN)/python -m compileall -q schemas model worker tests
	touch $@

# make train DATA=folder OUT=folder
train: install
	$(BIN)/hangtag train --data $(DATA) --out $(OUT)

lock:
	uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --group dev --extra train --extra otel \
	  --extra bulk --extra openvino --extra registry \
	  --generate-hashes --no-emit-index-url -o requirements.lock
	$(LOCK) pyproject.toml --extra otel --extra openvino -c requirements.lock -o deploy/requirements.lock
	$(LOCK) deploy/build.in -o deploy/build.lock

# dist/hangtag-….whl
wheel: install
	PATH="$(CURDIR)/$(BIN):$$PATH" uv build --quiet --wheel --out-dir dist

# The wheel with its dependencies in an empty environment: version, a listing, the demo.
wheel-test: install
	TEST_WHEEL=full $(BIN)/python -m pytest -q tests/integration/test_wheel.py

# The image holds what the worker needs to run, in the versions of requirements.lock, and nothing to build or test with.
LOCK = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --custom-compile-command "make lock"

# make image [VARIANT=cpu] [BASE=an image with Python; hangtag-test/python:3.11 is what tests/images/build makes]
IMAGE ?= hangtag:$(VERSION)-$(VARIANT)
VARIANT ?= cuda
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
image:
	docker build --network host -f deploy/Dockerfile -t $(IMAGE) $(if $(BASE),--build-arg BASE=$(BASE)) \
	  $(if $(REQUIREMENTS),--build-arg REQUIREMENTS=$(REQUIREMENTS)) --build-arg VARIANT=$(VARIANT) \
	  --build-arg VERSION=$(VERSION) --build-arg REVISION=$(shell git rev-parse --short HEAD) .

# The image on a real Kafka and Redis in containers: about four minutes.
image-test: install
	TEST_HANGTAG_IMAGE=$(IMAGE) TEST_SERVERS=docker $(BIN)/python -m pytest -q tests/integration/test_image.py

# What is in the image, as CycloneDX.
sbom:
	@docker run --rm --network none --entrypoint cat $(IMAGE) /opt/program/sbom.cdx.json

# Weaknesses that are known of the locked packages: error 1 some are, error 3 no advisory database could be asked.
audit: install
	test -x $(VENV)/audit/bin/pip-audit || (PATH="$(CURDIR)/$(BIN):$$PATH" && uv venv --quiet $(VENV)/audit && \
	  uv pip install --quiet --python $(VENV)/audit/bin/python --group audit)
	$(BIN)/python -m tests.advisories $(VENV)/audit/bin/pip-audit requirements.lock
