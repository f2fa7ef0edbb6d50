"""Histories of every kind: ragged files, steps, dumps with their back-fill, our own runs, scores of others."""

import json

import pytest

from polymath.errors import SampleError
from polymath.recipe import make_recipe
from polymath.runs import RunFolder, write_lines
from polymath.samples.pools import read_pool
from polymath.selection.histories import back_fill, read_histories, read_scores, shared_denominator
from polymath.types import Sample
from tests.conftest import ROOT

DATA = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not (DATA / "acc_step_500.json").exists(), reason=f"no public data in {DATA}")


def write_json(path, value):
    path.write_text(json.dumps(value))
    return path


@pytest.fixture
def pool(tmp_path):
    path = tmp_path / "pool.jsonl"
    write_lines(path, [{"question": f"{n} + 1 = ?", "answer": str(n + 1)} for n in range(4)])
    return read_pool(path)


def test_a_ragged_file_is_read_in_its_own_order_and_its_rollouts_are_counted(tmp_path):
    found = read_histories(write_json(tmp_path / "acc.json", {"5": [0, 0.25, 1.0], "2": [0.5]}))
    assert list(found.curves.items()) == [(5, (0.0, 0.25, 1.0)), (2, (0.5,))]
    # Quarters: groups of four, four visits.
    assert (found.group_size, found.num_visits, found.num_rollouts) == (4, 4, 16)


def test_the_variant_with_steps_is_ordered_by_step_as_a_number(tmp_path):
    found = read_histories(write_json(tmp_path / "acc.json", {"0": {"10": 1.0, "9": 0.5, "100": 0.0}}))
    assert found.curves == {0: (0.5, 1.0, 0.0)}


@needs_data
def test_the_published_history_has_the_visits_that_500_steps_of_128_prompts_make():
    found = read_histories(DATA / "acc_step_500.json")
    assert (len(found.curves), found.num_visits, found.group_size) == (1209, 500 * 128, 8)
    assert found.num_rollouts == 500 * 128 * 8
    lengths = [len(curve) for curve in found.curves.values()]
    assert (min(lengths), max(lengths)) == (44, 57)
    assert list(found.curves)[:5] == [1033, 324, 1003, 89, 832]


BAD = [
    ({}, "no histories"),
    ([{"prompt": "a", "score": 1}], "--scores"),
    ({"one": [0.5]}, "no row of a pool"),
    ({"1": [1.5]}, "between 0 and 1"),
    ({"1": []}, "between 0 and 1"),
    ({"1": "0.5"}, "between 0 and 1"),
]


@pytest.mark.parametrize(("value", "words"), BAD)
def test_what_is_no_history_is_told(tmp_path, value, words):
    with pytest.raises(SampleError, match=words):
        read_histories(write_json(tmp_path / "acc.json", value))


@pytest.mark.parametrize(
    ("values", "size"), [([0, 0.125, 1], 8), ([0.5, 0.25], 4), ([1 / 3, 0.5], 6), ([0, 1], 1), ([0.1234567], 1)]
)
def test_the_group_size_is_the_least_that_makes_all_accuracies_whole(values, size):
    assert shared_denominator(values) == size


# arXiv 2502.11886's code: one pass from left to right, a hole takes the next epoch.
FILLED = [
    ([0.5, -1, 0.25], [0.5, 0.25, 0.25]),
    ([-1, 1.0, 0.5], [1.0, 1.0, 0.5]),
    ([-1, -1, 0.5], [-1, 0.5, 0.5]),
    ([0.5, 0.25, -1], [0.5, 0.25, -1]),
]


@pytest.mark.parametrize(("curve", "expected"), FILLED)
def test_a_hole_takes_the_next_epoch_and_two_in_a_row_stay(curve, expected):
    assert back_fill(curve) == expected


def write_dumps(folder, epochs, steps_per_epoch):
    """`epochs` is a list of {prompt: rewards}; each epoch is dealt over its steps."""
    folder.mkdir()
    for number, epoch in enumerate(epochs):
        rows = [{"prompt": prompt, "reward": reward} for prompt, rewards in epoch.items() for reward in rewards]
        for step in range(steps_per_epoch):
            path = folder / f"step_{number * steps_per_epoch + step + 1}.json"
            path.write_text(json.dumps(rows[step::steps_per_epoch] or [{"prompt": "pad", "reward": 0}]))
    return folder


def test_step_dumps_become_accuracies_by_epoch_joined_by_text_with_the_back_fill(tmp_path, pool):
    epochs = [
        {"0 + 1 = ?": [1, 1, -0.5, -1], " 1 + 1 = ? ": [1, 1], "2 + 1 = ?": [1]},
        {"0 + 1 = ?": [1, -0.5], "2 + 1 = ?": [-1]},
        {"0 + 1 = ?": [1, 1], "1 + 1 = ?": [1, -1], "foreign": [1]},
    ]
    found = read_histories(write_dumps(tmp_path / "dumps", epochs, 2), pool, steps_per_epoch=2)
    # Row 1 misses the second epoch and takes the third; row 2 misses the last and is dropped, as is "foreign".
    assert found.curves == {0: (0.5, 0.5, 1.0), 1: (1.0, 0.5, 0.5)}
    assert found.num_rollouts == 7 + 3 + 5
    assert "3 epochs of 2 steps" in found.notes


def test_only_whole_epochs_up_to_the_most_wanted_are_read(tmp_path, pool):
    epochs = [{"0 + 1 = ?": [1, 1]}, {"0 + 1 = ?": [-1, -1]}, {"0 + 1 = ?": [1, 1]}]
    folder = write_dumps(tmp_path / "dumps", epochs, 2)
    assert read_histories(folder, pool, steps_per_epoch=2, max_epochs=2).curves == {0: (1.0, 0.0)}
    (folder / "step_6.json").unlink()
    assert read_histories(folder, pool, steps_per_epoch=2).curves == {0: (1.0, 0.0)}
    with pytest.raises(SampleError, match="no whole epoch"):
        read_histories(folder, pool)


def test_step_dumps_need_the_pool_that_they_are_of(tmp_path):
    with pytest.raises(SampleError, match="name the pool"):
        read_histories(write_dumps(tmp_path / "dumps", [{"a": [1]}], 1))


def write_run(path, pool, outcomes_of_step):
    """A run over the rows of the pool with groups of two; a step is a list of outcome pairs, group by group."""
    run = RunFolder(path)
    recipe = make_recipe({"sample": {"pool": "made"}, "rollout": {"num_groups": 3, "group_size": 2}})
    run.write_info(status="complete", recipe=recipe.model_dump(mode="json"))
    run.write_samples(row.sample for row in pool.rows)
    place = 0
    for step, groups in enumerate(outcomes_of_step, 1):
        rows = []
        for group, outcomes in enumerate(groups):
            sample = pool.rows[place % len(pool.rows)].sample
            place += 1
            rows += [{"sample_id": sample.id, "group": group, "verdict": {"outcome": one}} for one in outcomes]
        write_lines(run.rollouts_path(step), rows)
    return run.path


R, W, U = "right", "wrong", "undecided"


def test_a_run_of_ours_on_a_pool_leaves_a_history_of_each_row(tmp_path, pool):
    """Three groups a step over four rows: rows 0 1 2, then 3 0 1, then 2 3 0."""
    steps = [[(R, W), (W, W), (R, R)], [(W, R), (R, R), (U, R)], [(W, W), (U, U), (W, W)]]
    found = read_histories(write_run(tmp_path / "run", pool, steps), pool)
    assert found.curves == {0: (0.5, 1.0, 0.0), 1: (0.0, 1.0), 2: (1.0, 0.0), 3: (0.5,)}
    assert found.num_rollouts == 18
    assert "3 undecided verdicts left out" in found.notes


def test_rows_that_hold_the_same_sample_keep_histories_of_their_own(tmp_path):
    path = tmp_path / "twins.jsonl"
    write_lines(path, [{"question": "2+2?", "answer": "4"}] * 2)
    twins = read_pool(path)
    found = read_histories(write_run(tmp_path / "run", twins, [[(R, R), (W, W), (R, W)]]), twins)
    # Row 0 has the first and the third group of the step, row 1 the second.
    assert found.curves == {0: (0.75,), 1: (0.0,)}


def test_a_run_numbers_rows_by_the_pool_where_some_were_set_aside(tmp_path):
    path = tmp_path / "pool.jsonl"
    write_lines(path, [{"question": "a?", "answer": ""}, {"question": "2+2?", "answer": "4"}])
    holed = read_pool(path)
    run = write_run(tmp_path / "run", holed, [[(R, W)] * 3])
    assert read_histories(run, holed).curves == {1: (0.5,)}
    assert read_histories(run).curves == {0: (0.5,)}


def test_a_run_on_another_pool_is_told(tmp_path, pool):
    other = tmp_path / "other.jsonl"
    write_lines(other, [Sample(question="far?", answer="9").model_dump(mode="json", exclude_defaults=True)])
    run = write_run(tmp_path / "run", read_pool(other), [[(R, W)] * 3])
    with pytest.raises(SampleError, match="lacks"):
        read_histories(run, pool)


def test_scores_of_others_are_joined_by_text_whatever_its_spaces(tmp_path, pool):
    rows = [{"prompt": "1+1 =?\n", "score": 0.6}, {"prompt": "0 + 1 = ?", "score": -1.5}, {"prompt": "far", "score": 1}]
    found = read_scores(write_json(tmp_path / "scores.json", rows), pool)
    assert list(found.by_index.items()) == [(1, 0.6), (0, -1.5)]
    assert found.notes == ("1 scored prompts are not in the pool", "2 pool rows have no score")


def test_scores_may_name_rows(tmp_path, pool):
    rows = [{"index": 3, "score": 0.5}]
    assert read_scores(write_json(tmp_path / "scores.json", rows), pool).by_index == {3: 0.5}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"prompt": "far", "score": 1}], "no prompt of it"),
        ([{"prompt": "0 + 1 = ?"}], "no score"),
        ([{"prompt": "0 + 1 = ?", "score": 1}, {"prompt": "0+1=?", "score": 2}], "second score"),
        ([{"text": "0 + 1 = ?", "score": 1}], "no prompt"),
    ],
)
def test_scores_that_cannot_be_joined_are_told(tmp_path, pool, rows, words):
    with pytest.raises(SampleError, match=words):
        read_scores(write_json(tmp_path / "scores.json", rows), pool)


def test_the_trainer_itself_leaves_a_history_of_a_pool(workplace, tmp_path, pool):
    """The tiny model on four rows, three groups a step: rows 0 1 2, then 3 0 1 (rollouts/groups.py)."""
    import polymath as package

    overrides = ["sample={}", f"sample.pool={pool.source}", "rollout.num_groups=3", "train.num_steps=2"]
    run = package.train(package.read_recipe(workplace / "tiny.toml", overrides), out=tmp_path / "run")
    found = read_histories(run.path, pool)
    assert {index: len(curve) for index, curve in found.curves.items()} == {0: 2, 1: 2, 2: 1, 3: 1}
    assert found.num_rollouts == 2 * 3 * 4
    rows = run.read_rollouts(1)
    right = [row["verdict"]["outcome"] == "right" for row in rows if row["group"] == 1]
    assert found.curves[1][0] == sum(right) / 4
