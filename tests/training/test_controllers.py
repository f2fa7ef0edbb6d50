"""What changes from step to step: the published sequence of coefficients, when training ends, and what is said."""

import pytest

from polymath.recipe import EntropySection, StopSection
from polymath.training.controllers import entropy_coefficient, reason_to_stop, unrewarded_steps, warnings


def rows(**columns):
    """A row a value; what a column lacks is a healthy step."""
    healthy = {
        "reward": 0.5,
        "accuracy": 0.5,
        "entropy": 0.5,
        "learnable_fraction": 1.0,
        "completions/mean_length": 20.0,
        "completions/clipped_ratio": 0.0,
    }
    num = max(len(values) for values in columns.values())
    return [{**healthy, **{name: values[place] for name, values in columns.items()}} for place in range(num)]


def test_the_adaptive_coefficient_follows_skywork():
    """Entropies .30 .19 .18 .25 .10 .10 at target .2 and delta 1e-4, as computed from the released controller."""
    settings = EntropySection(target=0.2, delta=1e-4, maximum=5e-3)
    entropies = [0.30, 0.19, 0.18, 0.25, 0.10, 0.10]
    found = [entropy_coefficient(settings, rows(entropy=entropies[:count])) for count in range(1, len(entropies) + 1)]
    assert found == pytest.approx([0, 1e-4, 2e-4, 0, 2e-4, 3e-4])


def test_the_coefficient_stays_between_nothing_and_its_maximum():
    settings = EntropySection(target=0.2, delta=0.4, maximum=1.0)
    assert entropy_coefficient(settings, rows(entropy=[0.1] * 9)) == 1.0
    assert entropy_coefficient(settings, rows(entropy=[0.9] * 9 + [0.1])) == pytest.approx(0.4)
    assert entropy_coefficient(settings, []) == 0.0


def test_without_a_target_the_coefficient_is_fixed():
    assert entropy_coefficient(EntropySection(coefficient=0.003), rows(entropy=[0.1, 0.2])) == 0.003


def test_training_ends_after_patience_steps_in_a_row_and_not_before():
    settings = StopSection(solved=0.99, patience=3)
    assert reason_to_stop(settings, rows(reward=[1.0, 1.0])) is None
    assert reason_to_stop(settings, rows(reward=[1.0, 0.9, 1.0, 1.0])) is None
    assert "0.99" in reason_to_stop(settings, rows(reward=[0.1, 1.0, 0.99, 1.0]))
    assert "entropy" in reason_to_stop(StopSection(entropy_below=0.01, patience=2), rows(entropy=[0.5, 0.0, 0.0]))
    assert reason_to_stop(StopSection(), rows(reward=[1.0] * 50, entropy=[0.0] * 50)) is None


def test_steps_without_a_right_rollout_are_counted_from_the_end():
    assert unrewarded_steps(rows(accuracy=[0.0, 0.1, 0.0, 0.0])) == 2
    assert unrewarded_steps([]) == 0


# What the last steps look like -> a word of what is said.
TOLD = [
    ({"accuracy": [0.0] * 10}, "no rollout of the first 10 steps"),
    ({"completions/clipped_ratio": [0.0, *[1.0] * 5]}, "cut off"),
    ({"sampler/k3_kl": [1e-9, *[5e-4] * 5]}, "away from the policy"),
    ({"sampler/k3_kl": [0.01, *[0.03] * 5]}, "away from the policy"),
    ({"entropy": [0.1, *[0.0] * 5], "learnable_fraction": [1.0, *[0.0] * 5]}, "collapsed"),
    ({"completions/mean_length": [20.0, *[3.0] * 5]}, "shrunk"),
]


@pytest.mark.parametrize(("columns", "said"), TOLD)
def test_a_person_is_told_once_what_went_wrong_and_what_to_do(columns, said):
    history = rows(**columns)
    told = [warnings(history[:count]) for count in range(1, len(history) + 1)]
    assert [len(lines) for lines in told] == [0] * (len(history) - 1) + [1]
    assert said in told[-1][0] and ":" in told[-1][0]
    assert warnings([*history, history[-1]]) == []


def test_a_healthy_run_is_left_in_peace():
    assert warnings(rows(entropy=[0.5] * 30)) == []


def test_a_distance_from_the_sampler_that_has_an_explanation_is_not_told():
    """What bfloat16 rounds, also after steps in which only a critic learned; and what top_p leaves out."""
    rounded = rows(accuracy=[0.5] * 8)
    for row in rounded[2:]:
        row["sampler/k3_kl"] = 5e-4
    assert not any(warnings(rounded[:count]) for count in range(1, 9))
    apart = rows(**{"sampler/k3_kl": [0.05] * 5})
    assert warnings(apart) and not warnings(apart, is_cut=True)
