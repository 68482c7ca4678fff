# `make archive` archives photographs, `make test` is what CI runs. Both install first when needed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SAMPLES := build/samples

# The user's own: make archive SOURCE=photos/ STORE=./store PRESET=standard
SOURCE ?= $(SAMPLES)
STORE ?= ./archive
PRESET ?= draft
ARCHIVE_FLAGS ?=

# A folder with the Kodak images, for the benchmarks.
IMAGES ?= kodak
SEVEN := kodim01 kodim05 kodim07 kodim13 kodim15 kodim19 kodim23
RD_FLAGS ?=
SCALE_FLAGS ?=
REPORT_FLAGS ?=
OTHER_TORCH ?=
# Another checkout, which bench-decode, structure and mutants put beside this one.
AGAINST ?=
DECODE_FLAGS ?=
PICTURES_FLAGS ?=
LARGE_FLAGS ?=
PRIOR_FLAGS ?=
# What the CPU's fits of kodim15 cost: GPU_FLAGS='--cost-draft 0.66 --cost-standard 0.625'
GPU_FLAGS ?=
# Of the images of bench-pipeline; Dask starts processes, which is to be seen beside fits of a usual length.
SIDE ?= 96
DASK_SIDE ?= 192
# The crop of bench-crops: left, top, right, bottom.
BOX := 200 100 456 356
# The results on seven of IMAGES that `make fig4` puts side by side.
SIDE_BY_SIDE := baselines mlp_standard cnn_draft

# For one fault or some, and the other rows as they are: FAULTS_FLAGS='--only disk flow'
FAULTS_FLAGS ?=

.DEFAULT_GOAL := help
.PHONY: help install samples archive test coverage lock clean bench-rd bench-kodak24 bench-cnn bench-baselines bench-training fig4 fig5 bench-speed bench-pipeline bench-against bench-large bench-rates bench-budgets bench-targets bench-crops bench-scale bench-queries bench-portable bench-report bench-decode bench-pictures bench-gpu priors structure vectors mutants browser e2e faults

help:
	@echo 'make install         .venv with everything; the command line is .venv/bin/inr'
	@echo 'make archive         archive sample photographs into ./archive, or yours: SOURCE=photos/ STORE=./store'
	@echo 'make test            ruff, mypy and pytest: everything that CI runs'
	@echo 'make coverage        the tests once more, with the lines and branches that none of them reaches'
	@echo 'make browser         Debian'"'"'s Chromium, if it is missing, for the tests that look at pages; as root'
	@echo 'make e2e             the deployments with PostgreSQL, a Prefect server, pools and workers'
	@echo 'make faults          faults of the operating guide, done for real, and the table of what came of them'
	@echo 'make lock            resolve the dependencies anew and write constraints.txt'
	@echo 'make bench-rd        rate and distortion against JPEG: IMAGES=folder with the Kodak images'
	@echo 'make bench-kodak24   the same over every image of IMAGES at two λ'
	@echo 'make bench-cnn       family cnn on seven of IMAGES at three λ'
	@echo 'make bench-baselines JPEG, WebP, JPEG 2000, JPEG XL and AVIF on the same seven'
	@echo 'make bench-training  rate and PSNR over fits at four λ, the data of fig5'
	@echo 'make fig4            the codecs side by side, as tables and as the figure, from stored results'
	@echo 'make fig5            rate and PSNR over fits, from stored results'
	@echo 'make bench-speed     encode and decode times of kodim15 in IMAGES'
	@echo 'make bench-pipeline  what the flow costs over the fits of 50 images'
	@echo 'make bench-scale     10 000 small images: time beyond the fits, memory, Prefect'"'"'s database, reruns'
	@echo 'make bench-queries   inr query over a million rows, before and after inr compact'
	@echo 'make bench-portable  one archive, restored under other conditions: OTHER_TORCH=venv/bin/python'
	@echo 'make bench-crops     family cnn on six crops of IMAGES against AVIF'
	@echo 'make bench-against   cost, time at equal cost and decoding of family cnn: AGAINST=another checkout'
	@echo 'make bench-report    inr report over a catalogue of 10 000 rows, and how a browser takes it'
	@echo 'make bench-decode    inr decode as a process: AGAINST=another checkout, for runs in pairs'
	@echo 'make bench-large     time, memory and cost of a large photograph, LARGE=file, whole and in pieces'
	@echo 'make bench-pictures  what is no photograph, against AVIF and lossless WebP'
	@echo 'make bench-gpu       fits on a graphics card: checks, and times of steps, images and batches'
	@echo 'make priors          on a graphics card: photographs from packages, crops, and inr/cnn/priors.json: a new format'
	@echo 'make structure       rooms, arrows, long functions, tests over source: AGAINST=another checkout'
	@echo 'make bench-rates     seconds and bytes by preset, λ and size, for inr plan'
	@echo 'make bench-budgets   how well 20, 60 and 300 s for kodim15 in IMAGES are kept, and what one gets for them'
	@echo 'make bench-targets   how well targets are met for the middle of images in IMAGES, and what that takes'
	@echo 'make vectors         golden files anew that need no fit, and files that are to be refused, e.g. after new priors'
	@echo 'make mutants         faults of a decoder that the golden files find: AGAINST=another checkout'
	@echo 'make clean           remove .venv, build/ and caches; never an archive'

install: $(STAMP)

# The stamp makes a second `make install` free; pip's own check would cost seconds.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo 'Python 3.11 or later is needed; $(PYTHON) is:' "$$($(PYTHON) --version 2>&1)"; \
	  echo 'Name another one: make install PYTHON=python3.11'; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo 'The module venv is missing. On Debian: apt-get install python3-venv'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench,dask]'
	$(BIN)/python -c 'from inr.encoder import precompile; precompile()'
	@touch $@

samples: $(SAMPLES)/.made

$(SAMPLES)/.made: benchmarks/samples.py $(STAMP)
	$(BIN)/python -m benchmarks.samples $(SAMPLES)
	@touch $@

archive: $(STAMP) $(if $(filter $(SAMPLES),$(SOURCE)),$(SAMPLES)/.made)
	$(BIN)/inr archive '$(SOURCE)' '$(STORE)' --preset $(PRESET) $(ARCHIVE_FLAGS)

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2

# Apart from the tests: Python 3.11 now and then fails a thread that begins while tracing of another one does.
coverage: $(STAMP)
	$(BIN)/pytest -n 2 --cov --cov-report=term

# Without it the tests that look at pages are skipped, and in CI fail.
browser:
	@if command -v chromium && command -v chromedriver; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ]; then echo 'As root: apt-get install chromium chromium-driver'; exit 1; fi; \
	apt-get update && \
	DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium chromium-driver

# Wants Debian's postgresql.
e2e: $(STAMP)
	$(BIN)/pytest -m e2e tests/deployments tests/flows/test_hand_back.py

# In namespaces of its own: what it mounts is seen by nobody else, and nothing that it started outlives it.
faults: $(STAMP)
	unshare --map-root-user --mount --pid --fork --mount-proc --kill-child \
	  $(BIN)/python -m benchmarks.faults --out benchmarks/results/faults $(FAULTS_FLAGS)

# A fresh environment, so that nothing left over from an older one is locked.
# torch goes without its build tag (+cpu, +cu130): which build to take is the machine's business.
lock:
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,bench,dask]'
	{ echo '# Made by `make lock` with Python 3.11: versions that were resolved, installed and tested together.'; \
	  build/lock/bin/python -m pip freeze --exclude-editable | sed -e 's/+[a-z0-9.]*$$//' \
	  | grep -v -i -E '^(nvidia-|cuda-)'; } > constraints.txt
	rm -rf build/lock

bench-rd: $(STAMP)
	$(BIN)/python -m benchmarks.rd --images '$(IMAGES)' --names $(SEVEN) --lambdas 0.0015 0.006 0.01 0.025 \
	  --out benchmarks/results/rd_mlp_standard $(RD_FLAGS)

bench-kodak24: $(STAMP)
	$(BIN)/python -m benchmarks.rd --images '$(IMAGES)' --lambdas 0.006 0.025 --out benchmarks/results/rd_mlp_kodak24 $(RD_FLAGS)

bench-cnn: $(STAMP)
	$(BIN)/python -m benchmarks.rd --images '$(IMAGES)' --names $(SEVEN) --lambdas 0.004 0.001 0.0003 \
	  --model cnn --preset draft --out benchmarks/results/rd_cnn_draft $(RD_FLAGS)

bench-baselines: $(STAMP)
	$(BIN)/python -m benchmarks.rd --images '$(IMAGES)' --names $(SEVEN) --lambdas --baselines all \
	  --threads 1 --out benchmarks/results/rd_baselines

bench-training: $(STAMP)
	$(BIN)/python -m benchmarks.training --images '$(IMAGES)' --out benchmarks/results/fig5

fig4: $(STAMP)
	$(BIN)/python -m benchmarks.rd.side_by_side $(wildcard $(addprefix benchmarks/results/rd_,$(addsuffix .json,$(SIDE_BY_SIDE)))) \
	  --out benchmarks/results/rd_kodak7
	$(BIN)/python -m benchmarks.rd.figures fig4

fig5: $(STAMP)
	$(BIN)/python -m benchmarks.rd.figures fig5

bench-speed: $(STAMP)
	$(BIN)/python -m benchmarks.rd --images '$(IMAGES)' --names kodim15 --lambdas 0.005 --decodes 9 \
	  --out benchmarks/results/speed_mlp

bench-crops: $(STAMP)
	$(BIN)/python -m benchmarks.rd --images '$(IMAGES)' --names kodim01 kodim05 kodim07 kodim13 kodim19 kodim23 \
	  --box $(BOX) --model cnn --lambdas 0.004 0.001 0.0003 --baselines 'AVIF 4:4:4' \
	  --out benchmarks/results/cnn_crops $(RD_FLAGS)

# AGAINST is another checkout; its last part is the title of the page.
bench-against: $(STAMP)
	$(BIN)/python -m benchmarks.against --checkout '$(AGAINST)' --images '$(IMAGES)' --out benchmarks/results/against

bench-rates: $(STAMP)
	$(BIN)/python -m benchmarks.rates --out tasks/plan/rates
	$(BIN)/python -m benchmarks.rates --short --out tasks/plan/rates

bench-targets: $(STAMP)
	$(BIN)/python -m benchmarks.targets --images '$(IMAGES)' --out benchmarks/results/targets

bench-budgets: $(STAMP)
	$(BIN)/python -m benchmarks.budgets --image '$(IMAGES)/kodim15.png' --out benchmarks/results/budgets

bench-report: $(STAMP)
	$(BIN)/python -m benchmarks.archive.report --out benchmarks/results/report $(REPORT_FLAGS)

bench-pipeline: $(STAMP)
	$(BIN)/python -m benchmarks.archive.overhead --side $(SIDE) --bare-runs 2 --out benchmarks/results/pipeline
	$(BIN)/python -m benchmarks.archive.overhead --side $(DASK_SIDE) --bare-runs 2 --runner dask \
	  --out benchmarks/results/pipeline_dask

bench-scale: $(STAMP)
	$(BIN)/python -m benchmarks.archive.overhead --n-images 1000 10000 --side 8 --steps 6 --rerun \
	  --out benchmarks/results/scale $(SCALE_FLAGS)

bench-queries: $(STAMP)
	$(BIN)/python -m benchmarks.archive.queries --out benchmarks/results/queries $(SCALE_FLAGS)

# OTHER_TORCH: the Python of an environment with another torch and all else that inr wants.
bench-portable: $(STAMP)
	$(BIN)/python -m benchmarks.archive.portable --python $(OTHER_TORCH) --out benchmarks/results/portable

bench-decode: $(STAMP)
	$(BIN)/python -m benchmarks.decode_process $(addprefix --against ,$(AGAINST)) \
	  --out benchmarks/results/decode_process $(DECODE_FLAGS)

# LARGE is a photograph of a dozen megapixels or so.
bench-large: $(STAMP)
	$(BIN)/python -m benchmarks.archive.large --images '$(LARGE)' --out benchmarks/results/large $(LARGE_FLAGS)

bench-pictures: $(STAMP)
	$(BIN)/python -m benchmarks.pictures --out benchmarks/results/pictures $(PICTURES_FLAGS)

bench-gpu: $(STAMP)
	$(BIN)/python -m benchmarks.gpu --images '$(IMAGES)' --curve $(SEVEN) --lambdas 0.004 0.0003 --files build/gpu \
	  --out benchmarks/results/gpu $(GPU_FLAGS)
	$(BIN)/python -m benchmarks.rd --images '$(IMAGES)' --names $(SEVEN) --lambdas 0.004 0.001 0.0003 --model cnn \
	  --preset standard --made build/gpu --baselines 'AVIF 4:4:4' --out benchmarks/results/rd_cnn_standard

priors: $(STAMP)
	$(BIN)/python -m benchmarks.photographs fetch build/photographs
	$(BIN)/python -m benchmarks.photographs cut build/photographs build/crops
	$(BIN)/python -m benchmarks.prior make build/crops --out inr/cnn/priors.json $(PRIOR_FLAGS)

structure: $(STAMP)
	$(BIN)/python -m benchmarks.structure $(addprefix --against ,$(AGAINST)) --out benchmarks/results/structure

vectors: $(STAMP)
	$(BIN)/python -m tests.vectors.make

# Twenty minutes or so. AGAINST is a checkout of before, e.g. by git archive REV | tar -x -C build/before
mutants: $(STAMP)
	$(BIN)/python -m tests.vectors.mutants $(addprefix --against ,$(AGAINST)) --out benchmarks/results/mutants

clean:
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage *.egg-info
