"""The lab's base model and a trained one answer the same problems side by side.

Lines in (a problem, or a command such as `:random`); two columns of answers out, or one JSON object a line.
Where the reference is known, the house's judge gives its strict verdict; on a problem of the user's own it is
silent. torch is imported when the models are loaded.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from polymath.errors import ModelError, PromptError, RecipeError, RunFolderError, UserError
from polymath.judge import judge
from polymath.machine import choose_threads
from polymath.prompts import Prompt, Template, load_template, render
from polymath.runs import RunFolder
from polymath.seeds import child_seed
from polymath.types import Completion, Sample, Verdict

if TYPE_CHECKING:
    from polymath.rollouts.policy import Policy, Sampling

COMMANDS = {
    ":random [DISCIPLINE]": "a fresh dev problem of the world; so is an empty line",
    ":sample": "the sample that the run was trained on",
    ":held-out": "a problem of a kind that the base model never read",
    ":help": "these lines",
    ":quit": "leave; Ctrl-D and Ctrl-C too",
}
STYLE_OF_OUTCOME = {"right": "green", "wrong": "red", "undecided": "yellow"}

Show = Callable[[RenderableType], None]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained model, and the run that made it where that is known."""

    path: Path
    run: RunFolder | None = None

    @property
    def label(self) -> str:
        """`trained, step 50` for a checkpoint of a run."""
        return f"trained, {self.path.resolve().name.replace('-', ' ')}" if self.run else "trained"


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One problem with what both models said. Verdicts are None where there is no reference."""

    sample: Sample
    base: Sequence[Completion]
    trained: Sequence[Completion]
    base_verdicts: Sequence[Verdict] | None
    trained_verdicts: Sequence[Verdict] | None

    def to_row(self) -> dict[str, Any]:
        """What `--json` prints."""
        has_reference = self.base_verdicts is not None
        return {
            "problem": _problem_text(self.sample),
            "base": [completion.text for completion in self.base],
            "trained": [completion.text for completion in self.trained],
            "reference": self.sample.answer if has_reference else None,
            "base_right": _corrects(self.base_verdicts),
            "trained_right": _corrects(self.trained_verdicts),
        }


@dataclass(kw_only=True)
class Session:
    """Two policies and everything that a line may ask of them. `num_asked` makes each turn's draws its own."""

    base: Policy
    trained: Policy
    sampling: Sampling
    template: Template
    num_samples: int = 1
    seed: int = 0
    label: str = "trained"
    run_samples: Sequence[Sample] = ()
    known_words: Container[str] | None = None
    check_fit: Callable[[Prompt], None] = lambda prompt: None
    num_asked: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._rng = Random(f"lab/chat/{self.seed}")

    def problem_of(self, line: str) -> tuple[Sample, bool]:
        """The problem that a line asks for, and whether its reference is known. Raises PromptError."""
        if not line:
            return self._draw(None), True
        if not line.startswith(":"):
            return Sample(question=line, answer=""), False
        command, _, rest = line.partition(" ")
        if command == ":random":
            return self._draw(rest.strip() or None), True
        if command == ":held-out":
            return self._draw_held_out(), True
        if command == ":sample":
            if not self.run_samples:
                raise PromptError(command, "no run folder is known for this model", "name a run folder as MODEL")
            return _with_true_answer(self._rng.choice(self.run_samples)), True
        raise PromptError(command, "is no command", f"use {', '.join(COMMANDS)}")

    def ask(self, sample: Sample, has_reference: bool) -> Exchange:
        """Both models' answers to one problem, drawn with the same seed. Raises PromptError when it is too long."""
        prompt = render(sample, self.template)
        self.check_fit(prompt)
        self.num_asked += 1
        seed = child_seed(self.seed, "chat", self.num_asked)
        base, trained = (
            policy.sample([prompt], self.num_samples, self.sampling, seed)[0] for policy in (self.base, self.trained)
        )
        return Exchange(
            sample=sample,
            base=base,
            trained=trained,
            base_verdicts=_judge_all(base, sample) if has_reference else None,
            trained_verdicts=_judge_all(trained, sample) if has_reference else None,
        )

    def _draw(self, discipline: str | None) -> Sample:
        from polymath.lab.templates import TEMPLATES
        from polymath.lab.world import DISCIPLINES, stream

        chosen = _find_discipline(discipline) if discipline else self._rng.choice(DISCIPLINES)
        templates = [template for template in TEMPLATES if template.discipline == chosen]
        return next(stream(self._rng.choice(templates), self._rng, "dev"))

    def _draw_held_out(self) -> Sample:
        from polymath.lab.templates import HELD_OUT
        from polymath.lab.world import stream

        return next(stream(self._rng.choice(HELD_OUT), self._rng, "dev"))


def chat(
    model: str | None,
    *,
    num_samples: int = 1,
    temperature: float = 0.0,
    max_tokens: int = 96,
    seed: int = 0,
    as_json: bool = False,
) -> None:
    """Answer the lines of stdin until they end. Raises UserError where the model or an option cannot be used.

    On a terminal a line that cannot be answered is told and the next one read; elsewhere it is raised.
    """
    if num_samples > 1 and temperature == 0:
        raise RecipeError("--samples", "greedy draws are all alike", "add --temperature 1")
    trained = find_trained(model)
    out, err = Console(highlight=False), Console(highlight=False, stderr=True)
    is_dialogue = sys.stdin.isatty()
    for line in _introduce(trained):
        err.print(Text(line, style="dim"))
    session = _open_session(trained, num_samples=num_samples, temperature=temperature, max_tokens=max_tokens, seed=seed)
    if is_dialogue:
        err.print(Text("type a problem, or :help; an empty line draws one", style="dim"))
    try:
        for line in _lines(is_dialogue, has_screen=sys.stdout.isatty() and not as_json):
            if line == ":quit":
                return
            try:
                reply(session, line, out.print, err.print, as_json=as_json, is_typed=is_dialogue)
            except UserError as error:
                if not is_dialogue:
                    raise
                err.print(Text(str(error), style="yellow"))
    except KeyboardInterrupt:
        if not is_dialogue:
            raise
        err.print()


def reply(session: Session, line: str, show: Show, tell: Show, *, as_json: bool, is_typed: bool = True) -> None:
    """Answer one line: problem and answers are shown, remarks too, which JSON keeps apart.

    A problem that the user has just typed is not shown again. Raises PromptError.
    """
    remark = tell if as_json else show
    if line == ":help":
        width = max(map(len, COMMANDS))
        for command, meaning in COMMANDS.items():
            remark(Text(f"{command:{width}}  {meaning}"))
        return
    sample, has_reference = session.problem_of(line)
    if not as_json and (has_reference or not is_typed):
        show(_problem(sample, has_reference))
    if unknown := unknown_words(sample.question, session.known_words):
        words = ", ".join(f'"{printable(word)}"' for word in unknown)
        noun = "word" if len(unknown) == 1 else "words"
        remark(Text(f"the tiny model has never read the {noun} {words} (it reads only its world)", style="dim"))
    exchange = session.ask(sample, has_reference)
    if as_json:
        print(json.dumps(exchange.to_row(), ensure_ascii=False), flush=True)
    else:
        show(_answers(exchange, session))


def find_trained(model: str | None) -> Trained:
    """The checkpoint that MODEL names: itself, a run folder's newest, or that of the newest lab run in ./runs."""
    if model is None:
        return _newest_lab_run(Path("runs"))
    path = Path(model)
    if not path.is_dir():
        raise ModelError(path, "no such directory", "name a checkpoint directory or a run folder")
    if (path / "run.json").is_file():
        return _newest_of(RunFolder(path))
    if not (path / "config.json").is_file():
        raise ModelError(path, "has neither run.json nor config.json", "name a run folder or one of its checkpoints")
    home = path.resolve().parent
    is_of_run = home.name == "checkpoints" and (home.parent / "run.json").is_file()
    return Trained(path=path, run=RunFolder(home.parent) if is_of_run else None)


def unknown_words(question: str, known: Container[str] | None) -> list[str]:
    """Words and characters outside ASCII that the vocabulary `known` does not hold whole, once each, in order.

    The lab's vocabulary holds a word with the space before it. None holds whatever comes.
    """
    if known is None:
        return []
    found = re.findall(r"[^\W\d_]+|[^\x00-\x7f]", question)
    return [word for word in dict.fromkeys(found) if f" {word}" not in known and not (word in known and len(word) > 1)]


def printable(text: str) -> str:
    """The text with characters that would steer a terminal written as their escapes."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def _find_discipline(start: str) -> str:
    from polymath.lab.world import DISCIPLINES

    wanted = start.casefold()
    if wanted in DISCIPLINES:
        return wanted
    found = [discipline for discipline in DISCIPLINES if discipline.startswith(wanted)]
    if len(found) != 1:
        what = "there is no such discipline" if not found else f"may be {' or '.join(found)}"
        raise PromptError(f":random {start}", what, f"use one of {', '.join(DISCIPLINES)}")
    return found[0]


def _newest_lab_run(root: Path) -> Trained:
    remedy = "make one with `polymath run recipes/lab.toml`, or name a run folder or checkpoint as MODEL"
    runs = []
    for path in root.glob("*/run.json"):
        with suppress(UserError, KeyError, TypeError):  # a foreign folder, or one of another version, is no candidate
            info = RunFolder(path.parent).read_info()
            if info["status"] == "complete" and info["recipe"]["model"]["path"] == "lab":
                runs.append((str(info["created"]), path.parent))
    if not runs:
        raise RunFolderError(f"{root}/", "holds no complete run of the lab's model", remedy)
    return _newest_of(RunFolder(max(runs)[1]))


def _newest_of(run: RunFolder) -> Trained:
    from polymath.training.checkpoints import newest_checkpoint

    run.read_info()
    found = newest_checkpoint(run)
    if found is None:
        raise RunFolderError(run.path, "has no whole checkpoint", "continue it with --resume, or name another run")
    return Trained(path=found[1], run=run)


def _introduce(trained: Trained) -> Iterator[str]:
    """Which model is asked, and a warning where the base shown beside it is not the one it began from."""
    yield f"trained  {trained.path}"
    if trained.run is None:
        return
    from polymath.lab import model_dir
    from polymath.rollouts.local import hash_weights

    began = trained.run.read_info()["model"]
    if began["path"] != "lab":
        yield f"this run began from {began['path']}, not from the lab's model that is shown as base"
    elif began["sha256"] not in (None, hash_weights(model_dir())):
        yield "this run began from an earlier model of the lab, not from the one that is shown as base"


def _open_session(trained: Trained, *, num_samples: int, temperature: float, max_tokens: int, seed: int) -> Session:
    from polymath.jobs import load_policy
    from polymath.rollouts.policy import Sampling

    template = load_template("plain")
    if trained.run is not None:
        prompt = trained.run.read_recipe().prompt
        template = load_template(prompt.template, prompt.file, is_chat=prompt.chat)
    threads = choose_threads()
    base, policy = (
        load_policy(path, device="auto", dtype="float32", threads=threads) for path in ("lab", str(trained.path))
    )

    def check_fit(prompt: Prompt) -> None:
        for each in (base, policy):
            each.check_fit([prompt], max_tokens)

    return Session(
        base=base,
        trained=policy,
        sampling=Sampling(temperature=temperature, max_tokens=max_tokens),
        template=template,
        num_samples=num_samples,
        seed=seed,
        label=trained.label,
        run_samples=trained.run.read_samples() if trained.run else (),
        known_words=base.tokenizer.get_vocab(),
        check_fit=check_fit,
    )


def _lines(is_dialogue: bool, *, has_screen: bool) -> Iterator[str]:
    """The lines of stdin without surrounding blanks. Only a terminal on both sides gets prompt and history."""
    if is_dialogue and has_screen:
        with suppress(ImportError):  # not on every system; input() does without
            import readline  # noqa: F401
    while True:
        if is_dialogue and has_screen:
            try:
                line = input("problem> ")
            except EOFError:
                print()
                return
        else:
            if is_dialogue:
                print("problem> ", end="", file=sys.stderr, flush=True)
            try:
                line = sys.stdin.readline()
            except UnicodeDecodeError as error:
                raise PromptError("stdin", "is not UTF-8 text", "write one problem a line in UTF-8") from error
            if not line:
                return
        yield line.encode("utf-8", "replace").decode("utf-8").strip()


def _judge_all(completions: Sequence[Completion], sample: Sample) -> list[Verdict]:
    return [judge(completion.text, sample, is_truncated=completion.is_truncated) for completion in completions]


def _corrects(verdicts: Sequence[Verdict] | None) -> list[bool | None] | None:
    return None if verdicts is None else [verdict.correct for verdict in verdicts]


def _problem_text(sample: Sample) -> str:
    """The question with its options, as the models are given them."""
    return render(sample, Template(text="{question}")).text


def _problem(sample: Sample, has_reference: bool) -> RenderableType:
    text = Text(printable(_problem_text(sample)), style="bold")
    if not has_reference:
        return text
    facts = f"{' + '.join(sample.disciplines) or sample.discipline}, reference {sample.answer}"
    return Group(text, Text(printable(facts), style="dim"))


def _answers(exchange: Exchange, session: Session) -> RenderableType:
    table = Table(box=SIMPLE_HEAD, expand=True, padding=(0, 1), show_lines=session.num_samples > 1)
    for heading in ("base", session.label):
        table.add_column(Text(heading), ratio=1, overflow="fold")
    columns = (
        _cells(exchange.base, exchange.base_verdicts),
        _cells(exchange.trained, exchange.trained_verdicts),
    )
    for row in zip(*columns, strict=True):
        table.add_row(*row)
    return table


def _cells(completions: Sequence[Completion], verdicts: Sequence[Verdict] | None) -> Iterator[Text]:
    for place, completion in enumerate(completions):
        cell = Text(printable(completion.text).strip())
        if completion.is_truncated:
            cell.append(" … (out of tokens)", style="dim")
        if verdicts is not None:
            verdict = verdicts[place]
            reason = f" ({verdict.detail})" if verdict.detail else ""
            cell.append(f"\n{verdict.outcome}{reason}", style=STYLE_OF_OUTCOME[verdict.outcome])
        yield cell


def _with_true_answer(sample: Sample) -> Sample:
    """A control arm trains on an edited label; here the true one is the reference."""
    return sample.model_copy(update={"answer": sample.meta.get("true_answer", sample.answer)})
