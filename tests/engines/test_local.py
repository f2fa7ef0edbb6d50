"""The loop on a tiny real model: it learns, it resumes bit for bit, and it stops politely."""

import json
import os
import signal

import pytest
import torch

from polymath.engines.local import train
from polymath.errors import SampleError, Stopped
from polymath.prompts import Prompt
from polymath.recipe import make_recipe
from polymath.rewards import REWARDS
from polymath.runs import RunFolder
from polymath.testing import tiny_policy
from polymath.training.checkpoints import newest_checkpoint
from polymath.training.credit import Weighed
from polymath.types import Sample

SAMPLE = Sample(question="2+2?", answer="4", answer_type="number")
SAMPLES = [SAMPLE, Sample(question="3+3?", answer="6"), Sample(question="4+4?", answer="8")]
LOGGED = [
    "step",
    "reward",
    "reward_std",
    "frac_reward_zero_std",
    "learnable_fraction",
    "entropy",
    "kl",
    "grad_norm",
    "loss",
    "learning_rate",
    "completions/mean_length",
    "completions/clipped_ratio",
    "clip_ratio/low_mean",
    "clip_ratio/high_mean",
    "step_time",
    "boxed_frac",
    "undecided_frac",
    "ways/worked",
    "ways/direct",
    "time/rollout_s",
    "time/judge_s",
    "time/update_s",
    "memory/peak_bytes",
    "num_tokens",
    "tokens_per_s",
    "reward_parts/low",
]
VOLATILE = ("time/", "memory/", "step_time", "tokens_per_s")


def starts_with_low_byte(group):
    """A reward that a random byte model can be taught within seconds."""
    return [float(c.token_ids[0] < 130) for c in group.completions]


def recipe(**sections):
    table = {
        "rollout": {"num_groups": 2, "group_size": 8, "max_tokens": 4},
        "reward": {"name": "low"},
        "optimizer": {"learning_rate": 3e-3},
        "train": {"num_steps": 6, "save_every": 2, "keep": 3},
    }
    for name, values in sections.items():
        table[name] = {**table.get(name, {}), **values} if isinstance(values, dict) else values
    return make_recipe(table)


def run_training(path, settings, samples=(SAMPLE,), after_step=lambda step: None, reference=None):
    policy, folder = tiny_policy(), RunFolder(path)
    path.mkdir(exist_ok=True)
    train(
        settings,
        list(samples),
        policy,
        folder,
        rewards={"low": starts_with_low_byte},
        reference=reference,
        after_step=after_step,
    )
    return policy, folder


def stable(rows):
    return [{key: value for key, value in row.items() if not key.startswith(VOLATILE)} for row in rows]


def test_the_reward_rises_when_the_policy_can_earn_it(tmp_path):
    _, folder = run_training(
        tmp_path / "run", recipe(train={"num_steps": 30}, rollout={"num_groups": 4}, optimizer={"learning_rate": 1e-2})
    )
    rewards = [row["reward"] for row in folder.read_metrics()]
    assert sum(rewards[:5]) / 5 < 0.7
    assert sum(rewards[-5:]) / 5 > 0.9


def test_the_log_holds_the_published_names(tmp_path):
    _, folder = run_training(tmp_path / "run", recipe(kl={"coefficient": 0.1}), reference=tiny_policy())
    row = folder.read_metrics()[-1]
    for name in LOGGED:
        assert name in row, name
    assert row["frac_reward_zero_std"] + row["learnable_fraction"] == pytest.approx(1)
    assert row["kl"] > 0


def test_a_log_row_tells_how_responses_end_and_differ(tmp_path):
    _, folder = run_training(tmp_path / "run", recipe(train={"num_steps": 1}))
    row, said = folder.read_metrics()[0], folder.read_rollouts(1)
    ended = sum(one["finish"] == "eos" for one in said) / len(said)
    assert sum(value for name, value in row.items() if name.startswith("eos/")) == pytest.approx(ended)
    assert row["completions/distinct_frac"] == len({tuple(one["token_ids"]) for one in said}) / len(said)
    lengths = [len(one["token_ids"]) for one in said if one["verdict"]["outcome"] == "wrong"]
    assert row["completions/mean_length_wrong"] == pytest.approx(sum(lengths) / len(lengths))
    assert 0 < row["computed_frac"] <= 1


# One table for each way in which a step can depend on those before it.
WAYS = {
    "one update": {},
    "two updates": {"train": {"updates_per_step": 2}},
    "two updates, truncated sampling": {"train": {"updates_per_step": 2}, "rollout": {"top_p": 0.9}},
    "dropped groups": {"filter": {"name": "drop_unanimous", "max_rounds": 2}, "optimizer": {"learning_rate": 1e-2}},
    "replayed groups": {"filter": {"name": "replay"}, "optimizer": {"learning_rate": 1e-2}},
    "prioritised samples": {"rollout": {"order": "prioritised"}},
    "familiar samples": {"rollout": {"order": "familiar", "candidates": 2}},
    "adaptive entropy": {"entropy": {"target": 4.0, "delta": 0.1, "maximum": 1.0}},
    "following reference": {"kl": {"coefficient": 0.1, "reference": "ema", "ema_alpha": 0.3, "ema_every": 2}},
    "divergence in the reward": {"kl": {"coefficient": 0.1, "place": "reward", "estimator": "k1"}},
    "tokens held": {"loss": {"name": "kl_cov", "cov_fraction": 0.2}, "train": {"updates_per_step": 2}},
    "tokens left out": {"loss": {"name": "clip_cov", "cov_fraction": 0.2, "cov_low": 0.0}},
    "uncertain tokens": {"advantage": {"name": "rl_zvp", "weight": "relative_entropy"}},
    "a critic": {
        "advantage": {"name": "gae"},
        "critic": {"learning_rate": 1e-2, "warmup_steps": 1},
        "train": {"updates_per_step": 2},
    },
    "a critic that charges tokens, activations computed anew": {
        "advantage": {"name": "gae"},
        "critic": {"learning_rate": 1e-2},
        "kl": {"coefficient": 0.1, "place": "reward", "estimator": "k1"},
        "train": {"gradient_checkpointing": True},
    },
    "repetitions penalised": {"rollout": {"repetition_penalty": 1.3}, "train": {"updates_per_step": 2}},
    "stages": {
        "stages": [
            {"steps": 3, "overrides": {"rollout": {"max_tokens": 3}}},
            {"steps": 3, "reset_optimizer": True, "overrides": {"optimizer": {"learning_rate": 1e-3}}},
        ]
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_a_run_killed_after_any_step_ends_with_the_same_bits(tmp_path, way):
    """Killed before the checkpoint of a step, resumed in a fresh policy: weights, metrics and rollouts agree."""
    settings, samples = recipe(**WAYS[way]), SAMPLES if "samples" in way else SAMPLES[:1]

    def begin(path, **options):
        reference = tiny_policy().frozen_copy() if settings.kl.coefficient else None
        return run_training(path, settings, samples=samples, reference=reference, **options)

    whole, whole_folder = begin(tmp_path / "whole")

    class Killed(Exception):
        pass

    for kill_after in (1, 3, 4):
        path = tmp_path / f"killed-{kill_after}"

        def kill(step, kill_after=kill_after):
            if step == kill_after:
                raise Killed

        with pytest.raises(Killed):
            begin(path, after_step=kill)
        resumed, folder = begin(path)
        for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
            assert torch.equal(one, other)
        assert stable(folder.read_metrics()) == stable(whole_folder.read_metrics())
        for step in range(1, 7):
            assert folder.rollouts_path(step).read_text() == whole_folder.rollouts_path(step).read_text()


def test_stored_rollouts_are_replayed_and_not_judged_again(tmp_path):
    settings = recipe(train={"num_steps": 1})
    _, folder = run_training(tmp_path / "run", settings)
    rows = folder.read_rollouts(1)
    for row in rows:
        row["verdict"]["detail"] = "paid once"
    folder.rollouts_path(1).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "run" / "checkpoints").rename(tmp_path / "gone")
    run_training(tmp_path / "run", settings)
    assert all(row["verdict"]["detail"] == "paid once" for row in folder.read_rollouts(1))
    assert "time/rollout_s" not in folder.read_metrics()[0]


def test_ctrl_c_finishes_the_step_saves_and_says_so(tmp_path):
    def interrupt(step):
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Stopped, match="after step 3 of 6"):
        run_training(tmp_path / "run", recipe(train={"save_every": 100}), after_step=interrupt)
    assert newest_checkpoint(RunFolder(tmp_path / "run"))[0] == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_does_not_wait(tmp_path):
    def insist(step):
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_training(tmp_path / "run", recipe(), after_step=insist)
    assert newest_checkpoint(RunFolder(tmp_path / "run"))[0] == 2


def test_several_samples_take_the_groups_in_turn(tmp_path):
    _, folder = run_training(tmp_path / "run", recipe(train={"num_steps": 3}), samples=SAMPLES)
    drawn = [[row["sample_id"] for row in folder.read_rollouts(step)[::8]] for step in (1, 2, 3)]
    ids = [sample.id for sample in SAMPLES]
    assert drawn == [[ids[0], ids[1]], [ids[2], ids[0]], [ids[1], ids[2]]]


def test_equal_prompts_keep_their_groups_apart(tmp_path):
    _, folder = run_training(tmp_path / "run", recipe(rollout={"num_groups": 4}, train={"num_steps": 1}))
    rows = folder.read_rollouts(1)
    assert [row["group"] for row in rows] == [group for group in range(4) for _ in range(8)]
    assert len({tuple(row["token_ids"]) for row in rows}) > 16


def test_no_sample_is_refused(tmp_path):
    with pytest.raises(SampleError, match="there are none"):
        run_training(tmp_path / "run", recipe(), samples=())


def test_the_controls_are_there():
    assert {"exact", "format", "random"} <= set(REWARDS)


def test_dropped_groups_are_drawn_again_but_not_for_ever(tmp_path):
    """Every response earns the same, so no group ever teaches: after the last round all is kept, and it is counted."""
    settings = recipe(
        reward={"name": "low"}, filter={"name": "drop_unanimous", "max_rounds": 3}, train={"num_steps": 1}
    )
    policy, folder = tiny_policy(), RunFolder(tmp_path)
    train(settings, [SAMPLE], policy, folder, rewards={"low": lambda group: [1.0] * len(group.completions)})
    rows, metrics = folder.read_rollouts(1), folder.read_metrics()[0]
    assert (len(rows), sum("dropped" in row for row in rows)) == (3 * 16, 2 * 16)
    assert metrics["filter/rounds"] == 3 and metrics["frac_reward_zero_std"] == 1
    assert metrics["num_tokens"] == sum(len(row["token_ids"]) for row in rows)


def test_groups_that_teach_are_kept_and_the_round_ends_with_enough_of_them(tmp_path):
    settings = recipe(filter={"name": "drop_unanimous"}, rollout={"group_size": 2}, train={"num_steps": 1})
    _, folder = run_training(tmp_path / "run", settings)
    kept: dict[int, list[float]] = {}
    for row in folder.read_rollouts(1):
        if "dropped" not in row:
            kept.setdefault(row["group"], []).append(row["reward"])
    assert len(kept) == 2 and all(len(set(rewards)) == 2 for rewards in kept.values())
    assert folder.read_metrics()[0]["learnable_fraction"] == 1


def test_groups_are_told_apart_by_accuracy_where_that_is_asked(tmp_path):
    """Every response earns another reward and none is right: by reward all groups teach, by accuracy none."""
    rounds = {}
    for metric in ("reward", "accuracy"):
        settings = recipe(
            reward={"name": "any"},
            filter={"name": "drop_unanimous", "max_rounds": 2, "metric": metric},
            rollout={"max_tokens": 2},
            train={"num_steps": 1},
        )
        folder = RunFolder(tmp_path / metric)
        rewards = {"any": lambda group: [float(place) for place in range(len(group.completions))]}
        train(settings, [SAMPLE], tiny_policy(), folder, rewards=rewards)
        assert folder.read_metrics()[0]["accuracy"] == 0
        rounds[metric] = folder.read_metrics()[0]["filter/rounds"]
    assert rounds == {"reward": 1, "accuracy": 2}


def test_a_divergence_in_the_reward_reaches_the_critic_token_by_token(tmp_path):
    """With lam 0 and a critic that knows nothing, the advantage of a token is what that token is charged."""

    def first_step(**kl):
        settings = recipe(
            advantage={"name": "gae"},
            critic={"lam": 0.0, "whiten": False, "learning_rate": 1e-9},
            reward={"name": "none"},
            kl={"place": "reward", "estimator": "k1", **kl},
            train={"num_steps": 1},
        )
        folder = RunFolder(tmp_path / str(kl))
        rewards = {"none": lambda group: [0.0] * len(group.completions)}
        train(settings, [SAMPLE], tiny_policy(1), folder, rewards=rewards, reference=tiny_policy(2).frozen_copy())
        return folder.read_metrics()[0]

    assert first_step(coefficient=0.0)["grad_norm"] == 0
    charged, twice = first_step(coefficient=0.5), first_step(coefficient=1.0)
    assert charged["kl_penalty"] != 0
    assert twice["kl_penalty"] == pytest.approx(2 * charged["kl_penalty"])
    assert twice["grad_norm"] == pytest.approx(2 * charged["grad_norm"], rel=1e-4)


def test_replayed_groups_stand_in_for_those_that_agree(tmp_path):
    """Mixed at first and all alike after: the later steps learn from the first one's groups, by its probabilities."""
    settings = recipe(filter={"name": "replay", "max_age": 3}, train={"num_steps": 5})

    def reward(group):
        return [float(index % 2) if group.step == 1 else 1.0 for index in range(len(group.completions))]

    folder = RunFolder(tmp_path)
    train(settings, [SAMPLE], tiny_policy(), folder, rewards={"low": reward})
    shares = [row["filter/replayed_frac"] for row in folder.read_metrics()]
    assert shares == [0, 1, 1, 1, 0]
    assert [row["grad_norm"] > 0 for row in folder.read_metrics()] == [True, True, True, True, False]
    assert "logprobs" in folder.read_rollouts(1)[0]


def test_training_ends_where_the_recipe_says_stop(tmp_path, capsys):
    settings = recipe(stop={"solved": 1.0, "patience": 2})
    folder = RunFolder(tmp_path)
    train(settings, [SAMPLE], tiny_policy(), folder, rewards={"low": lambda group: [1.0] * len(group.completions)})
    assert len(folder.read_metrics()) == 2 and newest_checkpoint(folder)[0] == 2
    assert "training ends, because the reward has been 1 or more in 2 steps" in capsys.readouterr().err
    again = tiny_policy()
    train(settings, [SAMPLE], again, folder, rewards={"low": lambda group: [1.0] * len(group.completions)})
    assert len(folder.read_metrics()) == 2


def test_entropy_alone_reads_no_reward_and_sharpens_the_policy(tmp_path):
    def fail(group):
        raise AssertionError("nobody asked")

    settings = recipe(
        loss={"name": "entropy"}, train={"num_steps": 8}, rollout={"num_groups": 8}, optimizer={"learning_rate": 1e-2}
    )
    folder = RunFolder(tmp_path)
    train(settings, [SAMPLE], tiny_policy(), folder, rewards={"low": fail})
    entropies = [row["entropy"] for row in folder.read_metrics()]
    assert entropies == sorted(entropies, reverse=True) and entropies[-1] < 0.9 * entropies[0]


def test_a_stage_changes_the_data_from_its_first_step(tmp_path):
    settings = recipe(stages=[{"steps": 2}, {"steps": 4, "overrides": {"rollout": {"max_tokens": 2}}}])
    folder = RunFolder(tmp_path)
    train(
        settings,
        SAMPLES[:2],
        tiny_policy(),
        folder,
        rewards={"low": starts_with_low_byte},
        stage_places=[[0], [1]],
    )
    ids = [{row["sample_id"] for row in folder.read_rollouts(step)} for step in range(1, 7)]
    assert ids == [{SAMPLES[0].id}] * 2 + [{SAMPLES[1].id}] * 4
    assert [max(len(row["token_ids"]) for row in folder.read_rollouts(step)) for step in (2, 3)] == [4, 2]


def test_a_rescue_teaches_what_the_policy_never_says(tmp_path):
    """A demonstration with a probability of about 1e-9: no reward ever comes, and the rescue brings it about."""
    demonstrated = (7, 8, 9)
    prompt = Prompt(text="2+2?")

    def rewarded(rescue):
        policy, folder = tiny_policy(), RunFolder(tmp_path / str(rescue["after"]))
        folder.path.mkdir()
        settings = recipe(rescue=rescue, train={"num_steps": 12}, optimizer={"learning_rate": 1e-2})
        demonstrations = [Weighed(prompt=prompt, token_ids=demonstrated, advantage=1.0)]
        train(
            settings,
            [SAMPLE],
            policy,
            folder,
            rewards={"low": lambda group: [float(c.token_ids[:3] == demonstrated) for c in group.completions]},
            demonstrations=demonstrations,
        )
        return policy.score(prompt, [demonstrated], temperature=1.0).logprob_BT.sum().exp().item()

    assert rewarded({"after": 0}) < 1e-4 < 1e-2 < rewarded({"after": 3, "steps": 2})
