"""polymath probe as a user meets it: a row a sample, counts that follow from the draws, kills, bad input."""

import json
import math
import subprocess
import time

import pytest

from polymath.lab.draws import draw_samples
from polymath.runs import read_lines, write_lines
from polymath.selection.probe import read_probe
from tests.conftest import ENVIRONMENT, POLYMATH, polymath

# The untrained lab is rarely right: 32 draws of six problems find some.
PROBE = ["--model", "lab", "--n", "32", "--max-tokens", "96"]
DRAWS = "pool--sample-32-t1.jsonl"
# Long enough to be hit in the middle.
LONG = ["probe", "lab:40", "--model", "lab", "--n", "4", "--max-tokens", "24", "--batch-size", "2"]
LONG_DRAWS, PARTIAL = "pool--sample-4-t1.jsonl", "pool--sample-4-t1.partial.jsonl"


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    out = tmp_path_factory.mktemp("probe") / "p"
    done = polymath("probe", "lab:6", *PROBE, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    return out, json.loads(done.stdout)


def test_every_row_of_the_pool_is_counted_from_its_draws(probed):
    out, _ = probed
    rows, draws = read_lines(out / "probe.jsonl"), read_lines(out / DRAWS)
    samples = draw_samples(6, seed=1_000_000)  # what the command reads as lab:6
    assert [(row["index"], row["id"]) for row in rows] == [(n, one.id) for n, one in enumerate(samples)]
    assert len(draws) == 192
    for row in rows:
        mine = [draw for draw in draws if draw["id"] == row["id"]]
        outcomes = [draw["strict"]["outcome"] for draw in mine]
        assert row["num_draws"] == len(mine) == 32
        assert row["right"] == outcomes.count("right")
        assert row["undecided"] == outcomes.count("undecided")
        assert sum(row["wrong"].values()) == outcomes.count("wrong")
        assert row["lenient_right"] == [draw["lenient"]["outcome"] for draw in mine].count("right")
        assert row["truncated"] == [draw["finish"] for draw in mine].count("length")
        assert row["mean_tokens"] == sum(draw["num_tokens"] for draw in mine) / 32 <= 96
        for way, count in row["ways"].items():
            assert count == sum(way in draw["ways"] for draw in mine)
            right = [draw for draw in mine if draw["strict"]["outcome"] == "right"]
            assert row["right_ways"].get(way, 0) == sum(way in draw["ways"] for draw in right)


def test_the_summary_is_the_sum_of_the_rows(probed):
    out, told = probed
    assert {
        *("pool", "num_rows", "num_set_aside", "num_draws", "num_responses", "num_tokens", "history_rollouts"),
        *("mean_pass_rate", "never_right", "always_right", "truncated_frac", "undecided", "mean_answer_entropy"),
        *("model", "weights_sha256", "prompt", "decoding", "seconds", "folder"),
    } <= set(told)
    assert told == json.loads((out / "probe.summary.json").read_text())
    draws = read_lines(out / DRAWS)
    right = [draw["strict"]["outcome"] for draw in draws].count("right")
    assert (told["num_rows"], told["num_draws"], told["num_responses"]) == (6, 32, 192)
    assert told["mean_pass_rate"] == pytest.approx(right / 192), "none of the lab's draws is undecided"
    assert told["undecided"] == 0 and 0 < right < 192
    assert told["num_tokens"] == sum(draw["num_tokens"] for draw in draws)
    # 500 steps of 128 prompts with 8 rollouts over 1,209 rows: 423.5 a row.
    assert told["history_rollouts"] == round(6 * 512_000 / 1209) == 2541
    entropies = []
    for row in read_lines(out / "probe.jsonl"):
        shares = [count / 32 for count in (row["right"], *row["wrong"].values()) if count]
        entropies.append(-sum(share * math.log(share) for share in shares))
    assert told["mean_answer_entropy"] == pytest.approx(sum(entropies) / 6)


def test_selectors_read_what_the_probe_wrote(probed, tmp_path):
    out, _ = probed
    done = polymath("select", "lab:6", "--by", "pass_rate", "--probe", out, "--out", tmp_path / "s", "--json")
    assert done.returncode == 0, done.stderr
    best = max(one.pass_rate for one in read_probe(out / "probe.jsonl").values())
    assert json.loads(done.stdout)["ranking"][0]["score"] == best


def own_cache(folder):
    """Answers that one probe has paid for are not the other's."""
    return {**ENVIRONMENT, "POLYMATH_CACHE": str(folder)}


def probe(out, cache, *more):
    done = polymath(*LONG, "--out", out, "--json", *more, environment=own_cache(cache))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_killed_probe_goes_on_and_ends_as_one_that_was_not_killed(tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "killed"
    expected = probe(whole, tmp_path / "cache-1")
    process = subprocess.Popen(
        [POLYMATH, *LONG, "--out", str(out)],
        env=own_cache(tmp_path / "cache-2"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (out / PARTIAL).exists() or (out / PARTIAL).read_bytes().count(b"\n") < 6:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "the probe did not get going"
        time.sleep(0.005)
    process.kill()
    process.communicate()
    kept = (out / PARTIAL).read_bytes().count(b"\n") - 1
    assert 5 <= kept < 40 and not (out / "probe.jsonl").exists()
    unasked = polymath(*LONG, "--out", out)
    assert unasked.returncode == 2 and f"{kept} problems answered" in unasked.stderr and "--resume" in unasked.stderr
    # A cache that is empty: what is not asked again can only be from the file.
    found = probe(out, tmp_path / "cache-3", "--resume")
    assert (out / "probe.jsonl").read_bytes() == (whole / "probe.jsonl").read_bytes()
    assert (out / LONG_DRAWS).read_bytes() == (whole / LONG_DRAWS).read_bytes()
    told = json.loads((out / LONG_DRAWS.replace(".jsonl", ".summary.json")).read_text())
    assert told["num_from_before"] == 4 * kept
    left_out = ("seconds", "folder")
    assert {**found, **dict.fromkeys(left_out)} == {**expected, **dict.fromkeys(left_out)}


def test_a_finished_probe_asks_nobody(tmp_path, probed):
    out, told = probed
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    again = polymath("probe", "lab:6", *PROBE, "--out", out, "--json")
    assert json.loads(again.stdout) == told
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("pool", "arguments", "words"),
    [
        ("nowhere.jsonl", PROBE, "nowhere.jsonl"),
        ("lab:2", ["--model", "/no/such/model"], "name a model directory or a hub id"),
        ("lab:2", [*PROBE, "--template", "nope"], "nope"),
        ("lab:2", [*PROBE, "--columns", "question"], "no list of FIELD=COLUMN"),
        ("lab:2", [*PROBE, "--max-tokens", "100000"], "100000"),
    ],
)
def test_bad_input_is_one_line(pool, arguments, words, tmp_path):
    done = polymath("probe", pool, *arguments, "--out", tmp_path / "p", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    # A progress line may stand before it: that the model is looked for on the hub.
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("polymath: ")]
    assert words in line and done.stderr.endswith(f"{line}\n") and "Traceback" not in done.stderr


def test_a_pool_without_a_sound_row_is_one_line(tmp_path):
    write_lines(tmp_path / "pool.jsonl", [{"question": "1+1?", "answer": ""}])
    done = polymath("probe", tmp_path / "pool.jsonl", *PROBE, "--out", tmp_path / "p")
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
