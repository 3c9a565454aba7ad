# make lab     set up, then open JupyterLab on the first notebook
# make test    set up, then pass all tests: the library's, and the notebooks under nbval
#
# The set-up is a virtual environment in .venv. It is made once, and again when pyproject.toml changes.

PYTHON ?= python3
BIN := .venv/bin
LAB_ARGS ?= $(if $(filter 0,$(shell id -u)),--allow-root)
BENCH_ARGS ?= --download

.PHONY: lab test notebooks html catalogue weights bench clean

lab: .venv/lab-is-ready
	$(BIN)/jupyter lab $(LAB_ARGS) notebooks/01_forward_noising.ipynb

test: .venv/test-is-ready
	$(BIN)/python -m pytest

notebooks: .venv/test-is-ready  ## run all notebooks in place and keep their outputs
	$(BIN)/python tools/run_notebooks.py

html: .venv/test-is-ready  ## all notebooks as a site whose sliders move without kernel or network: build/html/index.html
	$(BIN)/labdiff site build/html

catalogue: .venv/test-is-ready  ## exercises and the mistakes that their checks name
	$(BIN)/python -m pytest tests/test_checks.py -q -s -k table

weights: .venv/lab-is-ready  ## train the weights that ship with the package, on the full MNIST set: half an hour on two cores
	$(BIN)/python -m labdiff.training --name MNIST --download --schedule linear --steps 20000 --lr 0.002 \
		--snapshots 100 400 1500 --out labdiff/assets --checkpoint build/weights.checkpoint

bench: .venv/test-is-ready .venv/bench-is-ready  ## measure everything beside its peers: almost two hours on two idle cores
	$(BIN)/python benchmarks/run.py $(BENCH_ARGS)

clean:
	rm -rf .venv build *.egg-info

.venv/%-is-ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "labdiff needs Python 3.10 or newer: make PYTHON=/path/to/python3 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "This Python can't make a virtual environment. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	@touch $@
