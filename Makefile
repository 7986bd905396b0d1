# One verb for each thing a newcomer or a developer does; each makes the environment it needs.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
STAMP := $(VENV)/.locked
# The trial's events, where the data lies beside the project.
TRIAL := $(wildcard ../shared/data/acupuncture.ndjson)

.PHONY: env demo test systems faults crashes fault-files browser bench figures planted simulations alerts-document lint lock clean

env: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Floe needs Python 3.11 or newer, found " + sys.version.split()[0] + ": set PYTHON=")'
	@echo "setting up $(VENV) (once; a minute or two)"
	@$(PYTHON) -m venv $(VENV)
	@awk '/^uv==/{p=1} /^[a-z]/&&!/^uv==/{p=0} p' requirements.lock > $(VENV)/uv.lock
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.lock
	@$(RUN)/uv pip sync --quiet --system-certs --compile-bytecode --python $(RUN)/python --require-hashes requirements.lock
	@$(RUN)/uv pip install --quiet --system-certs --python $(RUN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# The main job: everything up on this machine, simulated clinics and the real trial streaming in.
demo: $(STAMP)
	$(RUN)/floe up --demo $(addprefix --replay ,$(TRIAL))

# Two at once; what shares a system runs in one of them (tests/conftest.py).
PYTEST := $(RUN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore=tests/faults --ignore=tests/browser --ignore=tests/benchmarks

test: $(STAMP)
	$(PYTEST) $(ARGS) -m "not system" tests

# Slow suites: whole systems; kills at random moments; pages in a real browser (Debian's chromium, or CHROMIUM=path).
systems: $(STAMP)
	$(PYTEST) $(ARGS) -m system tests

faults: $(STAMP)
	$(RUN)/pytest $(ARGS) --timeout=900 tests/faults

# Floe dies at CRASHES seeded points (a tenth by kill -9), starts again, and every acknowledged event is counted.
crashes: $(STAMP)
	$(RUN)/python -m tests.crashes

browser: $(STAMP)
	$(RUN)/pytest $(ARGS) --timeout=600 tests/browser

# The small inputs of ../shared/data/faults, each for what is right; skipped where they are not beside the project.
fault-files: $(STAMP)
	$(RUN)/pytest $(ARGS) tests/fault_files

# Prints tables and the machine; writes .bench/results.json. BENCH_SCALE=1 is the full size.
bench: $(STAMP)
	$(RUN)/python -m tests.benchmarks

# Whether each figure is what it was at the commit SINCE, on simulated clinics and the trial.
figures: $(STAMP)
	$(RUN)/python -m tests.figures $(SINCE)

# Plants mistakes one by one in a copy of the checkout; each names the test that stops it (ARGS: words of their names).
planted: $(STAMP)
	$(RUN)/python -m tests.planted_mistakes $(ARGS)

# Simulates what level intervals and p-values hold (about half an hour); writes docs/coverage.md.
simulations: $(STAMP)
	$(RUN)/python -m tests.simulations

# Writes the parts of docs/alerts.md that follow from the rules.
alerts-document: $(STAMP)
	$(RUN)/python -m tests.alerts_document

lint: $(STAMP)
	$(RUN)/ruff check . && $(RUN)/ruff format --check . && $(RUN)/lint-imports

lock:
	$(RUN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet --output-file requirements.lock

clean:
	rm -rf $(VENV) .bench
