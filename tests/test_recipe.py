"""Recipes: what is refused, how a line of complaint reads, and that every shipped recipe loads."""

from pathlib import Path

import pytest

from polymath.errors import RecipeError
from polymath.recipe import Recipe, arm_recipe, first_difference, make_recipe, parse_override, read_recipe
from polymath.samples.sources import load_samples

RECIPES = sorted((Path(__file__).parent.parent / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_loads(path):
    """With every sample that it and its arms name; lab-draws gets its samples from `polymath lab draw`.

    Those that name a file of the user's are looked at in test_recipes_published.py.
    """
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    arms = [arm_recipe(recipe, name) for name in recipe.arms]
    sections = [whole.sample for whole in (recipe, *arms) if path.stem != "lab-draws"]
    ours = [one for one in sections if "@" not in (one.use or "") and (one.pool is None or one.pool.startswith("lab:"))]
    assert all(load_samples(section) for section in ours)


# table -> words that the one line must hold
REFUSED = [
    ({"rollout": {"num_grops": 16}}, ["rollout.num_grops", "did you mean num_groups"]),
    ({"rolout": {}}, ["rolout", "did you mean rollout"]),
    ({"rollout": {"num_groups": "many"}}, ["rollout.num_groups", "integer", "'many'"]),
    ({"rollout": {"group_size": 1}}, ["rollout.group_size", "2"]),
    ({"rollout": {"num_groups": 3}, "train": {"updates_per_step": 2}}, ["does not divide"]),
    ({"reward": {"name": "exact", "parts": {"exact": 1.0}}}, ["reward", "not both"]),
    ({"reward": {"parts": {"exact": float("nan")}}}, ["reward.parts.exact", "finite"]),
    ({"reward": {"name": "random", "option": {}}}, ["reward.option", "did you mean options"]),
    ({"reward": {"name": "random", "options": {"random": 0.3}}}, ["reward.options.random", "0.3"]),
    ({"reward": {"name": "random", "options": {"random": {"p": [0.3]}}}}, ["reward.options.random.p", "[0.3]"]),
    ({"sample": {"pool": "lab:3", "selecter": "hvs"}}, ["sample.selecter", "did you mean selector"]),
    ({"sample": {"pool": "lab:3", "selector": "hvs", "count": 0}}, ["sample.count", "1"]),
    ({"loss": {"name": "magic"}}, ["loss.name", "clip"]),
    ({"arms": {"a": {"rollout": {"nope": 1}}}}, ["arms.a", "rollout.nope"]),
    ({"arms": {"../a": {}}}, ["arms.../a", "letters"]),
    ({"name": "a/b"}, ["name"]),
]


@pytest.mark.parametrize(("table", "words"), REFUSED)
def test_a_wrong_recipe_is_refused_in_one_line(table, words):
    with pytest.raises(RecipeError) as caught:
        make_recipe(table, where="my.toml")
    line = str(caught.value)
    assert "\n" not in line and line.startswith("my.toml")
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("content", "word"), [(None, "no such recipe"), ("a = ", "is not TOML"), ("a = 1\na = 2\n", "is not TOML")]
)
def test_a_recipe_file_that_is_none_is_told(tmp_path, content, word):
    path = tmp_path / "my.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RecipeError, match=word):
        read_recipe(path)


def test_overrides_win_and_are_typed_as_toml(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text("[rollout]\nnum_groups = 4\ngroup_size = 4\n")
    recipe = read_recipe(path, ["rollout.num_groups=16", "model.path=some/dir", "reward.parts={exact=1.0, format=0.1}"])
    assert recipe.rollout.num_groups == 16
    assert recipe.rollout.group_size == 4
    assert recipe.model.path == "some/dir"
    assert recipe.reward.weights() == {"exact": 1.0, "format": 0.1}


def test_an_empty_table_clears_a_section():
    lab = next(path for path in RECIPES if path.stem == "lab")
    assert read_recipe(lab).arms
    assert read_recipe(lab, ["arms={}"]).arms == {}


def test_an_override_without_a_value_is_refused():
    with pytest.raises(RecipeError, match="key=value"):
        parse_override("rollout.num_groups")


def test_an_arm_is_the_recipe_with_its_overrides():
    recipe = make_recipe({"reward": {"parts": {"exact": 1.0}}, "arms": {"random": {"reward": {"name": "random"}}}})
    arm = arm_recipe(recipe, "random")
    assert arm.reward.weights() == {"random": 1.0}
    assert arm.arms == {}
    assert first_difference(arm, recipe) is not None


def test_options_of_a_reward_keep_their_types_on_disk_and_are_told_apart():
    options = {"random": {"p": 1}, "python": {"ignore_case": True}, "repetition": {"max_share": 0.5}}
    recipe = make_recipe({"reward": {"name": "random", "options": options}})
    again = make_recipe(recipe.model_dump(mode="json"))
    assert again == recipe and again.reward.options == options
    kinds = {name: type(value) for given in again.reward.options.values() for name, value in given.items()}
    assert kinds == {"p": int, "ignore_case": bool, "max_share": float}
    other = make_recipe({"reward": {"name": "random"}})
    assert first_difference(recipe, other) == "reward.options.random.p = 1 against None"


def test_a_choice_is_read_back_as_it_was_written():
    chosen = {"pool": "lab:9", "selector": "band", "probe": "p", "band": [0, 0.5], "per_subject": False}
    recipe = make_recipe({"sample": chosen})
    assert make_recipe(recipe.model_dump(mode="json")) == recipe
    assert recipe.sample.given() == chosen | {"band": (0.0, 0.5)}


def test_the_first_difference_is_named():
    left, right = Recipe(), make_recipe({"train": {"num_steps": 7}})
    assert first_difference(left, left) is None
    assert first_difference(left, right) == "train.num_steps = 140 against 7"


def test_every_number_of_the_schema_is_described():
    """A person who reads the schema learns the unit of every number that is not a plain constant of Adam."""
    definitions = Recipe.model_json_schema()["$defs"]
    for section, definition in definitions.items():
        for key, field in definition["properties"].items():
            if field.get("type") in ("number", "integer") and not key.startswith("beta"):
                assert "description" in field, f"{section}.{key}"
