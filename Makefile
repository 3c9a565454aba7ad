# make lab     set up, then open your copy of the notebooks, work/, in JupyterLab
# make test    set up, then pass all tests: the library's, and the notebooks under nbval. A file at a time on each core,
#              on four at most; make test JOBS=1 goes one by one
# make lint    style, format and types
#
# The set-up is a virtual environment in .venv. It is made once, and again when pyproject.toml changes.
# CPU=1 makes it without GPU support, which on Linux saves about 5 GB: make lab CPU=1

PYTHON ?= python3
BIN := .venv/bin
JOBS ?= logical
LAB_ARGS ?=
BENCH_ARGS ?= --download
# uv knows by itself where PyTorch's CPU builds are
INSTALL := $(if $(CPU),-m uv pip install --torch-backend=cpu,-m pip install) --editable

.PHONY: lab test lint notebooks html catalogue weights bench clean

lab: .venv/lab-is-ready
	$(BIN)/labdiff lab -- $(LAB_ARGS)

test: .venv/test-is-ready
	$(BIN)/python -m pytest $(if $(filter 1,$(JOBS)),,-n $(JOBS) --maxprocesses=4)

lint: .venv/lint-is-ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

notebooks: .venv/test-is-ready  ## run all notebooks in place and keep their outputs
	$(BIN)/python tools/run_notebooks.py

html: .venv/test-is-ready  ## all notebooks as a site whose sliders move without kernel or network: build/html/index.html
	$(BIN)/labdiff site build/html

catalogue: .venv/test-is-ready  ## exercises and the mistakes that their checks name
	$(BIN)/python -m pytest tests/test_checks.py -q -s -k table

TRAIN = $(BIN)/labdiff train --name MNIST --download
weights: .venv/lab-is-ready  ## train the weights that ship with the package, on the full MNIST set: two hours on two cores
	$(TRAIN) --schedule linear --steps 20000 --lr 0.002 --out build/weights/plain
	$(TRAIN) --start build/weights/plain --labels --drop-label 0.2 --steps 4000 --lr 0.001 --out build/weights/labels
	$(TRAIN) --start build/weights/labels --labels --drop-label 0.5 --steps 3000 --lr 0.0008 --seed 16 --out build/weights/more
	$(BIN)/python tools/distill.py --plain build/weights/plain --labelled build/weights/more --out labdiff/assets --download
	$(TRAIN) --schedule linear --labels --drop-label 0.2 --steps 20000 --lr 0.002 --snapshots 100 400 1500 --out build/weights/early
	cp build/weights/early/unet_000100.safetensors build/weights/early/unet_000400.safetensors \
		build/weights/early/unet_001500.safetensors labdiff/assets

bench: .venv/test-is-ready .venv/bench-is-ready  ## measure everything beside its peers: three hours on two idle cores
	$(BIN)/python benchmarks/run.py $(BENCH_ARGS)

clean:  ## what was set up and built; what you made (work/, weights/, results/) stays
	rm -rf .venv build *.egg-info

.venv/%-is-ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "labdiff needs Python 3.10 or newer: make PYTHON=/path/to/python3 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "This Python can't make a virtual environment. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing labdiff[$*] into .venv, once: about $(if $(CPU),1.5,6) GB, most of it PyTorch."
	$(if $(CPU),$(BIN)/python -m pip install uv)
	$(BIN)/python $(INSTALL) '.[$*]'
	@touch $@
