"""The engine: recipe, samples and policy in; verl trains, and metrics, rollouts and checkpoints lie in the run folder.

    RUN/verl/train.sh            the command, as a person could give it
    RUN/verl/train.parquet       the prompts
    RUN/verl/source/             our judge, for verl's processes
    RUN/verl/log.txt             what verl says
    RUN/verl/metrics-K.jsonl     what verl logs, from its K-th start on
    RUN/verl/rollouts/N.jsonl    what verl dumps of step N
    RUN/verl/checkpoints/        verl's own

verl has no way to stop after a step or to save when asked, so a stop loses the steps since its last checkpoint; the
run's metrics and rollouts are cut back to it. The run folder must lie where all nodes see it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polymath.engines.verl.checkpoints import forget_after, import_checkpoint, newest_of_verl, whole_of_verl
from polymath.engines.verl.dataset import chat_template_for, count_rows, write_dataset
from polymath.engines.verl.environment import Environment, find_environment
from polymath.engines.verl.metrics import NOT_AGAIN, describe_dump, judge_dump, row_of
from polymath.engines.verl.overrides import Places, overrides_of, script_of
from polymath.engines.verl.process import Lines, last_words, listening, running
from polymath.engines.verl.refusals import check_recipe
from polymath.engines.verl.reward import compute_score
from polymath.engines.verl.source import INSIDE, lay_source
from polymath.engines.verl.validate import ask_verl, check_answer
from polymath.errors import RecipeError, SampleError, Stopped, TrainingError
from polymath.progress import ProgressLine
from polymath.prompts import Prompt, load_template, render_all
from polymath.recipe import Recipe
from polymath.rewards import RewardFunction
from polymath.rollouts.policy import TrainablePolicy
from polymath.runs import RunFolder, read_lines, write_lines, write_text
from polymath.training.checkpoints import checkpoint_steps, is_whole, newest_checkpoint, prune_checkpoints
from polymath.training.controllers import warnings
from polymath.training.credit import Weighed
from polymath.training.replay import to_rows
from polymath.types import Sample

FOLDER = "verl"
_POLL_S = 0.5
# verl dumps rollouts in the background; a row that has waited so long for its own is written without.
_DUMP_S = 60.0


def train(
    recipe: Recipe,
    samples: Sequence[Sample],
    policy: TrainablePolicy,
    run: RunFolder,
    *,
    rewards: Mapping[str, RewardFunction] | None = None,
    reference: TrainablePolicy | None = None,
    stage_places: Sequence[Sequence[int]] | None = None,
    demonstrations: Sequence[Weighed] = (),
    after_step: Callable[[int], None] = lambda step: None,
    on_row: Callable[[Mapping[str, Any]], None] = lambda row: None,
    until: int | None = None,
) -> None:
    """Let verl improve the policy on its samples, to the recipe's last step or to `until`; then it has the weights.

    Continues from verl's newest whole checkpoint. `reference` and `demonstrations` are those of every engine: verl
    makes its own reference. `on_row` is called with each row of metrics.jsonl, `after_step` after the training, for
    every checkpoint, with its weights in `policy`. Raises RecipeError for what verl has no counterpart for, Stopped
    after a stop, TrainingError where verl fails.
    """
    check_recipe(recipe, rewards)
    if not samples:
        raise SampleError("samples", "there are none", "give sample.use, or a pool with at least one row")
    last = recipe.train.num_steps if until is None else min(until, recipe.train.num_steps)
    if last < recipe.train.num_steps and recipe.optimizer.schedule != "constant":
        remedy = 'train to the end, or use schedule = "constant"'
        raise RecipeError("optimizer.schedule", "verl's falls to 0 where the training halts", remedy)
    environment = find_environment(recipe.engine.python)
    work = Work(recipe, samples, policy, run, environment, on_row)
    step = work.restore()
    if step < last:
        with _aside(policy, reference):
            work.prepare(step, last)
            work.launch(step, last)
    evaluate_checkpoints(recipe, policy, run, after_step)


def evaluate_checkpoints(recipe: Recipe, policy: Any, run: RunFolder, after_step: Callable[[int], None]) -> None:
    """Call `after_step` for every checkpoint there is, with its weights in the policy, and keep what is to be kept."""
    found = newest_checkpoint(run)
    if found is None:
        return
    for step in checkpoint_steps(run):
        if _evaluates(recipe) and step < found[0] and is_whole(run.checkpoints / f"step-{step}"):
            policy.load_weights(run.checkpoints / f"step-{step}")
            after_step(step)
    policy.load_weights(found[1])
    after_step(found[0])
    prune_checkpoints(run, recipe.train.keep)


def _evaluates(recipe: Recipe) -> bool:
    return bool(recipe.evaluate.every or recipe.evaluate.dev)


@contextmanager
def _aside(*policies: Any) -> Iterator[None]:
    """Leave the GPU to verl: our own copies of the weights wait in the machine's memory."""
    import torch

    models = [policy.model for policy in policies if policy is not None]
    devices = [model.device for model in models]
    for model in models:
        model.to("cpu")
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        yield
    finally:
        for model, device in zip(models, devices, strict=True):
            model.to(device)


@dataclass
class Work:
    """One start of verl, and what is read of it while it trains."""

    recipe: Recipe
    samples: Sequence[Sample]
    policy: Any
    run: RunFolder
    environment: Environment
    on_row: Callable[[Mapping[str, Any]], None]
    rows: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[tuple[float, int, Mapping[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder = (self.run.path / FOLDER).absolute()
        self.checkpoints, self.dumps = self.folder / "checkpoints", self.folder / "rollouts"
        self.log = self.folder / "log.txt"
        self.attempt = 1 + len(list(self.folder.glob("metrics-*.jsonl")))
        self.metrics = self.folder / f"metrics-{self.attempt}.jsonl"
        settings = self.recipe.prompt
        self.template = load_template(settings.template, settings.file, is_chat=settings.chat)
        self.prompts: list[Prompt] = render_all(self.samples, self.template)

    def restore(self) -> int:
        """The number of steps behind us: those of verl's newest whole checkpoint, which is one of ours then, too."""
        found = newest_of_verl(self.checkpoints)
        step = 0
        if found is not None:
            step, folder = found
            if not is_whole(self.run.checkpoints / f"step-{step}"):
                import_checkpoint(self.run, step, folder, self.environment, self.policy)
        forget_after(self.run, step, self.dumps)
        self.rows = self.run.read_metrics()
        return step

    def prepare(self, step: int, last: int) -> None:
        """Write everything that verl reads, and ask verl what it makes of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        source = self.folder / "source"
        hook = lay_source(source)
        data = self.folder / "train.parquet"
        num_rows = count_rows(len(self.samples), self.recipe.rollout.num_groups, self.recipe.train.num_steps)
        write_dataset(data, self.samples, self.prompts, num_rows=num_rows)
        lengths = [len(self.policy.encode(prompt)) for prompt in self.prompts]
        places = Places(
            model=str(_model_dir(self.recipe.model.path)),
            data=data,
            reward=hook,
            checkpoints=self.checkpoints,
            rollouts=self.dumps,
            metrics=self.metrics,
            max_prompt_tokens=max(lengths),
            chat_template=chat_template_for(self.policy.tokenizer, self.prompts),
            resume_from=self.checkpoints / f"global_step_{step}" if step else None,
        )
        whole = self.recipe.train.model_copy(update={"num_steps": last})
        self.overrides = overrides_of(self.recipe.model_copy(update={"train": whole}), places)
        write_text(self.folder / "train.sh", script_of(self.overrides, str(self.environment.python)))
        self._ask(source / INSIDE)

    def _ask(self, inside: Path) -> None:
        """Compare tokens and scores with verl's; a score that is drawn, or counts tokens, is only asked for."""
        sample, reward = self.samples[0], self.recipe.reward
        texts = [f"So it is \\boxed{{{sample.answer}}}.", "I do not know."]
        given = {"sample": sample.model_dump_json(exclude_defaults=True)}
        scores = None
        if not NOT_AGAIN & set(reward.weights()):
            settings: Any = {"parts": reward.weights(), "options": reward.options}
            scores = [compute_score("", text, sample.answer, given, **settings)["score"] for text in texts]
        found = ask_verl(self.environment, inside, self.overrides, texts=texts)
        check_answer(found, tokens=self.policy.encode(self.prompts[0]), scores=scores)

    def launch(self, step: int, last: int) -> None:
        """Train, and read what verl logs, dumps and saves while it does."""
        environment = {**os.environ, "VERL_FILE_LOGGER_PATH": str(self.metrics), "PYTHONUNBUFFERED": "1"}
        command = [str(self.environment.python), "-m", "verl.trainer.main_ppo", *self.overrides]
        lines = Lines(self.metrics)
        print(f"verl {self.environment.versions['verl']} trains; its log is {self.log}", file=sys.stderr)
        with listening() as stop, ProgressLine("train", last, start=step) as line:
            with running(command, self.folder, self.log, environment) as process:
                while True:
                    # Looked at before the files, so that nothing it wrote at last is missed.
                    has_ended = process.poll() is not None
                    self._read(lines, line, has_ended=has_ended)
                    self._import()
                    if has_ended or stop.is_asked:
                        break
                    time.sleep(_POLL_S)
            self._read(lines, line, has_ended=True)
            self._import()
        saved = newest_of_verl(self.checkpoints)
        behind = saved[0] if saved else 0
        if behind >= last:
            return
        if stop.is_asked:
            forget_after(self.run, behind, self.dumps)
            raise Stopped(f"stopped; {behind} of {last} steps are saved")
        found = f"verl ended with code {process.returncode} after {behind} of {last} steps saved"
        raise TrainingError(self.log, f"{found} ({last_words(self.log)})", "mend it, then continue with --resume")

    def _read(self, lines: Lines, line: ProgressLine, *, has_ended: bool) -> None:
        """Take what verl has logged; a step is written once its rollouts are there."""
        now = time.monotonic()
        self.waiting += [(now, int(entry["step"]), entry["data"]) for entry in lines.new()]
        while self.waiting:
            came, step, data = self.waiting[0]
            is_late = has_ended or len(self.waiting) > 1 or now - came > _DUMP_S
            dumped = self._dumped(step)
            if dumped is None and not is_late:
                return
            self.waiting.pop(0)
            if self.rows and step <= self.rows[-1]["step"]:
                continue
            self._log(step, data, dumped)
            row = self.rows[-1]
            shown = {"reward": "reward", "learnable": "learnable_fraction", "tokens/s": "tokens_per_s"}
            line.advance(1, **{name: row[key] for name, key in shown.items() if key in row})

    def _dumped(self, step: int) -> list[dict[str, Any]] | None:
        """The rollouts of a step, once all of them are there."""
        path = self.dumps / f"{step}.jsonl"
        wanted = self.recipe.rollout.num_groups * self.recipe.rollout.group_size
        if not path.exists() or path.read_bytes().count(b"\n") < wanted:
            return None
        return read_lines(path)

    def _log(self, step: int, data: Mapping[str, Any], dumped: list[dict[str, Any]] | None) -> None:
        row = row_of(step, data, self.recipe)
        if dumped is None:
            print(f"step {step}: verl wrote down no rollouts, so no verdicts are counted", file=sys.stderr)
        else:
            collected = judge_dump(dumped, self.samples, self.prompts, self.recipe, self._count_tokens)
            write_lines(self.run.rollouts_path(step), to_rows(collected))
            row |= describe_dump(collected, self.recipe)
        self.run.append_metrics(row)
        self.rows.append(row)
        self.on_row(row)
        if all(set(known) >= WARNED for known in self.rows):
            for warning in warnings(self.rows):
                print(f"step {step}: {warning}", file=sys.stderr)
        if row.get("undecided_frac", 0) > 0 or row.get("verl/score_differs_frac", 0) > 0:
            lost, differ = row["undecided_frac"], row.get("verl/score_differs_frac", 0.0)
            told = f"{lost:.1%} of the rollouts are undecided, {differ:.1%} were scored otherwise in verl"
            print(f"step {step}: {told}; see {self.log}", file=sys.stderr)

    def _count_tokens(self, text: str) -> int:
        return len(self.policy.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _import(self) -> None:
        """Merge verl's whole checkpoints that are not ours yet, those of them that are to be kept."""
        known = max(checkpoint_steps(self.run), default=0)
        found = [(step, folder) for step, folder in whole_of_verl(self.checkpoints) if step > known]
        for step, folder in found if _evaluates(self.recipe) else found[-self.recipe.train.keep :]:
            import_checkpoint(self.run, step, folder, self.environment, self.policy)
        if found and not _evaluates(self.recipe):
            prune_checkpoints(self.run, self.recipe.train.keep)


# What the warnings of a run read.
WARNED = frozenset(
    {"accuracy", "completions/clipped_ratio", "completions/mean_length", "entropy", "learnable_fraction"}
)


def _model_dir(path: str) -> Path | str:
    """The model as verl finds it: a folder by its whole path, or a hub id as it is."""
    if path == "lab":
        from polymath.lab import model_dir

        return model_dir()
    return Path(path).absolute() if Path(path).is_dir() else path
