"""What README and docs tell a user to type works as typed."""

import re

import pytest

import polymath as package
from polymath.recipe import read_recipe
from tests.conftest import ROOT, polymath

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md"]
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def blocks(language):
    return [(page, text) for page in PAGES for kind, text in BLOCK.findall(page.read_text()) if kind == language]


COMMANDS = sorted(
    {
        line.partition("#")[0].strip()
        for _, text in blocks("sh")
        for line in text.splitlines()
        if line.startswith("polymath ")
    }
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_has_the_options_it_is_shown_with(command):
    words = command.split()[1:]
    subcommand = words[:2] if words[0] in ("lab", "bench") else words[:1]
    shown = polymath(*subcommand, "--help").stdout
    for option in re.findall(r"--[a-z][a-z-]*", command):
        assert option in shown, f"{option} is not an option of {subcommand}"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_recipe_exists_and_takes_its_overrides(command):
    overrides = re.findall(r"--set (\S+)", command)
    for recipe in re.findall(r"recipes/\S+\.toml", command):
        read_recipe(ROOT / recipe, overrides)


def test_make_has_the_two_commands():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    documented = re.findall(r"^make ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert documented and set(documented) <= set(targets)


def test_the_documented_reward_trains(workplace, tmp_path):
    """The example of docs/api.md, on the tiny model."""
    (source,) = (text for _, text in blocks("python") if "def brief" in text)
    scope = {}
    example = source.partition("recipe =")[0]
    exec(compile(example, "docs/api.md", "exec"), scope)
    recipe = package.read_recipe(workplace / "tiny.toml", ["reward.name=brief", "evaluate.every=0"])
    run = package.train(recipe, rewards={"brief": scope["brief"]}, out=tmp_path / "run")
    rows = run.read_rollouts(1)
    assert all(row["reward"] == pytest.approx(-0.001 * len(row["text"])) for row in rows)
    assert "reward_parts/brief" in run.read_metrics()[0]


def test_the_api_evaluates_and_resumes(workplace, model_path, tmp_path):
    run = package.run(workplace / "tiny.toml", out=tmp_path / "run")
    assert package.run(resume=run.path).path == run.path
    summary = package.evaluate(str(model_path), suite=str(workplace / "suite.jsonl"), limit=5, out=tmp_path / "e")
    assert summary["num_problems"] == 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_inside_the_repository_leads_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
