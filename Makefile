# make demo   trains FedAvg, the paper's Astraea and Astraea as recommended on
#             scikit-learn's handwritten digits, prints the comparison and draws
#             the plots under runs/demo/
# make test   runs the tests, a process per core (four at the most)
# make benchmark  times rounds against TFF's FedAvg and a plain loop, as ratios
# All create .venv first; it is made again only when what it is made from changes.

SUPPORTED := import sys; sys.exit(sys.version_info[:2] not in ((3, 10), (3, 11)))
PYTHON ?= $(firstword $(foreach name,python3.11 python3.10 python3,$(shell \
	$(name) -c '$(SUPPORTED)' 2>/dev/null && command -v $(name))))
VENV := .venv
READY := $(VENV)/ready
DEMO := runs/demo
# A checkpoint costs about as much CPU time as a round of the demo.
TRAIN := $(VENV)/bin/python scripts/train.py --flagfile=scripts/flags/demo.flags \
	--rounds_per_checkpoint=20

# The methods train side by side, as one alone leaves cores idle while it is built.
METHODS := fedavg paper recommended

.PHONY: demo test benchmark clean $(METHODS:%=demo-%)

demo: $(READY)
	$(MAKE) --no-print-directory --jobs=3 $(METHODS:%=demo-%)
	$(VENV)/bin/python scripts/compare.py --output_dir=$(DEMO) --target_accuracy=0.8 \
		$(METHODS:%=$(DEMO)/%)

# A line of the terminal for each one's bars.
demo-fedavg: export TQDM_POSITION := 0
demo-paper: export TQDM_POSITION := 1
demo-recommended: export TQDM_POSITION := 2
demo-paper: RATE := --client_learning_rate=3e-3
$(METHODS:%=demo-%): demo-%: $(READY)
	$(TRAIN) --flagfile=scripts/flags/$*.flags $(RATE) --output_dir=$(DEMO)/$*

test: $(READY)
	$(VENV)/bin/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=worksteal

benchmark: $(READY)
	$(VENV)/bin/python scripts/benchmark.py --output_dir=runs/benchmark

$(READY): requirements.txt setup.cfg pyproject.toml
	@test -n "$(PYTHON)" && "$(PYTHON)" -c '$(SUPPORTED)' 2>/dev/null || { \
		echo "astraea_tff needs Python 3.11 or 3.10, as TensorFlow Federated 0.87 does; install one, or name it: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; }
	rm -rf $(VENV)
	"$(PYTHON)" -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.txt
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

clean:
	rm -rf $(VENV) build dist runs *.egg-info
