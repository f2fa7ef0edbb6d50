"""polymath select and bench as a user calls them: what they print, what they leave on disk, how they refuse."""

import json
import math
import re
from dataclasses import asdict

import numpy as np
import pytest

from polymath.errors import RunFolderError, SampleError
from polymath.recipe import SampleSection
from polymath.runs import read_lines, write_lines, write_text
from polymath.samples.pools import read_pool
from polymath.samples.sources import load_samples
from polymath.selecting.choosing import Wanted, choose, read_skills, select
from polymath.selection.features_file import write_array, write_scores
from polymath.selection.probe import Probed
from tests.conftest import ROOT, polymath

DATA = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not (DATA / "acc_step_500.json").exists(), reason=f"no public data in {DATA}")

SUBJECTS = ("sums", "sums", "shapes", "shapes", "sums", "shapes")


@pytest.fixture
def pool(tmp_path):
    """Six problems in two subjects; row 4 is a copy of row 0."""
    path = tmp_path / "pool.jsonl"
    rows = [
        {"question": f"<b>{n}</b> & {n} + 1 = ?", "answer": str(n + 1), "subject": subject}
        for n, subject in zip((0, 1, 2, 3, 0, 5), SUBJECTS, strict=True)
    ]
    write_lines(path, rows)
    return path


@pytest.fixture
def history(tmp_path):
    """Spread falls from row 4 over 0 to 5; row 3 never varies."""
    path = tmp_path / "acc.json"
    curves = {
        "4": [0, 1, 1, 0],
        "0": [0, 1, 0.75, 0],
        "1": [0, 0.5, 0.5, 1],
        "2": [0.5, 0.75, 0.5, 0.5],
        "3": [0, 0, 0, 0],
    }
    path.write_text(json.dumps({**curves, "5": [0.25, 0.25, 0.5, 0.25]}))
    return path


def test_a_choice_is_printed_and_written_and_can_be_trained_on(pool, history, tmp_path):
    done = polymath(
        "select", pool, "--by", "hvs", "--history", history, "--count", 2, "--out", tmp_path / "s", "--json"
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["selector"] == "hvs"
    assert [row["index"] for row in shown["ranking"]][:3] == [4, 0, 1]
    assert set(shown["ranking"][0]) == {"rank", "id", "index", "score"}
    assert shown["ranking"] == read_lines(tmp_path / "s" / "ranking.jsonl")
    # Row 0 is the same sample as row 4, so the second one is row 1.
    chosen = [load_samples(SampleSection(use=file))[0] for file in shown["chosen"]]
    samples = read_pool(pool).by_index
    assert [sample.id for sample in chosen] == [samples[4].id, samples[1].id]
    assert chosen[0].meta["selected"]["rank"] == 1
    # 24 visits in quarters.
    assert "24 visits of 4 rollouts, 96 rollouts of 6 rows" in shown["cost"]


def test_the_page_stands_alone_shows_the_choice_and_escapes_the_pool(pool, history, tmp_path):
    result = select(Wanted(pool=str(pool), by="hvs", history=history), tmp_path / "s")
    page = (tmp_path / "s" / "selection.html").read_text()
    assert not re.search(r"https?:|@import|<link|<script|<img|src=", page)
    assert "&lt;b&gt;0&lt;/b&gt; &amp; 0 + 1" in page and "<b>0</b>" not in page
    assert page.count("<svg") == 5
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert result["cost"] in page and result["caveat"] in page
    assert "Agreement with hvs" in page


def test_the_same_choice_gives_the_same_bytes_and_an_earlier_one_is_replaced(pool, history, tmp_path):
    wanted = Wanted(pool=str(pool), by="hvs", history=history, count=3)
    select(wanted, tmp_path / "s")
    before = {path.name: path.read_bytes() for path in (tmp_path / "s").rglob("*") if path.is_file()}
    select(wanted, tmp_path / "s")
    assert {path.name: path.read_bytes() for path in (tmp_path / "s").rglob("*") if path.is_file()} == before
    select(Wanted(pool=str(pool), by="hvs", history=history, count=1), tmp_path / "s")
    assert len(list((tmp_path / "s" / "chosen").iterdir())) == 1


def test_the_polymath_rule_chooses_the_lowest_kept_score_of_each_subject(pool, tmp_path):
    scores = [0.9, 0.61, 0.8, 0.2, 0.9, 0.6]
    path = tmp_path / "scores.jsonl"
    write_lines(path, [{"index": index, "score": score} for index, score in enumerate(scores)])
    chosen = choose(Wanted(pool=str(pool), by="polymath", scores=path)).chosen
    assert [(row.index, row.score) for row in chosen] == [(5, 0.6), (1, 0.61)]
    overall = choose(Wanted(pool=str(pool), by="polymath", scores=path, per_subject=False)).chosen
    assert [row.index for row in overall] == [5]
    lim = choose(Wanted(pool=str(pool), by="lim", scores=path, threshold=0.8))
    assert [row.index for row in lim.ranking.rows] == [0, 4, 2]


def write_probe(path, pool, right):
    rows = [
        Probed(index=row.index, id=row.sample.id, num_draws=8, right=k, lenient_right=k, undecided=0, truncated=0,
               ways={"worked": 4, "direct": 4}, right_ways={"worked": min(k, 4)}, wrong={}, mean_tokens=5.0)
        for row, k in zip(read_pool(pool).rows, right, strict=True)
    ]  # fmt: skip
    write_lines(path, [asdict(one) for one in rows])
    return path


def test_a_probe_chooses_without_training(pool, tmp_path):
    path = write_probe(tmp_path / "probe.jsonl", pool, [1, 4, 8, 0, 1, 6])
    found = choose(Wanted(pool=str(pool), by="learnability", probe=path))
    assert found.chosen[0].index == 1
    assert found.cost == "the probe is 48 responses of the base model and no training"
    # Row 2 is right eight times and worked four; row 5 six and four; the others are worked whenever right.
    low = choose(Wanted(pool=str(pool), by="shortcut", probe=path))
    assert [row.score for row in low.ranking.rows] == pytest.approx([0, 0, 0, 1 / 3, 0.5])


def test_evidence_of_another_pool_is_told(pool, history, tmp_path):
    other = tmp_path / "other.jsonl"
    write_lines(other, [{"question": "far?", "answer": "1"}])
    with pytest.raises(SampleError, match="another sample"):
        choose(Wanted(pool=str(other), by="vcrl", probe=write_probe(tmp_path / "p.jsonl", pool, [1] * 6)))
    history.write_text(json.dumps({"77": [0.5]}))
    with pytest.raises(SampleError, match="has no row of"):
        choose(Wanted(pool=str(other), by="hvs", history=history))


def test_skills_are_joined_by_id_and_counted(pool, tmp_path):
    samples = read_pool(pool)
    path = tmp_path / "skills.jsonl"
    rows = [{"id": row.sample.id, "skills": {"algebra": ["a", "b"][: row.index]}} for row in samples.rows[:3]]
    write_lines(path, rows)
    assert read_skills(path, samples) == {
        0: {"algebra": 0},
        4: {"algebra": 0},
        1: {"algebra": 1},
        2: {"algebra": 2},
    }


def test_a_chosen_row_near_a_benchmark_is_warned_of(pool, history, tmp_path):
    suite = tmp_path / "suite.jsonl"
    write_lines(suite, [{"question": "<b>0</b> & 0 + 1 = ?", "answer": "1"}])
    notes = choose(Wanted(pool=str(pool), by="hvs", history=history, against=str(suite))).notes
    assert "row 4 is chosen and near problem 0 of suite (Jaccard index 1.00)" in notes


def test_a_folder_of_something_else_is_left_alone(pool, history, tmp_path):
    other = tmp_path / "mine"
    write_lines(other / "chosen" / "notes.json", [{"mine": 1}])
    done = polymath("select", pool, "--by", "hvs", "--history", history, "--out", other)
    assert done.returncode == 2 and "holds no selection" in done.stderr and done.stderr.count("\n") == 1
    assert [path.name for path in other.rglob("*")] == ["chosen", "notes.json"]
    write_lines(tmp_path / "file", [])
    wanted = Wanted(pool=str(pool), by="hvs", history=history)
    with pytest.raises(RunFolderError, match="is a file"):
        select(wanted, tmp_path / "file")
    write_lines(other / "ranking.jsonl", [])
    write_text(other / "tournament.json", "{}")
    with pytest.raises(RunFolderError, match="holds no selection"):
        select(wanted, other)
    (tmp_path / "empty").mkdir()
    assert select(wanted, tmp_path / "empty")["chosen"]


def test_a_category_that_nobody_named_is_told_with_those_that_are_known(pool, tmp_path):
    path = tmp_path / "skills.jsonl"
    skills = [{"algebra": ["a"], "geometry": []}, {"algebra": [], "geometry": ["b", "c"]}]
    write_lines(path, [{"index": index, "skills": one} for index, one in enumerate(skills)])
    wanted = {"pool": str(pool), "by": "skills", "skills": path}
    with pytest.raises(SampleError, match=r"no row has skills of 'algebr'; use one of algebra, geometry"):
        choose(Wanted(**wanted, category="algebr"))
    assert choose(Wanted(**wanted, category="geometry")).chosen[0].index == 1
    done = polymath("select", pool, "--by", "skills", "--skills", path, "--category", "x", "--out", tmp_path / "s")
    assert done.returncode == 2 and "algebra, geometry" in done.stderr and done.stderr.count("\n") == 1


def write_features(folder, pool, states):
    """Hidden states (start, end) of the pool's rows, and SHIFT's scores of them."""
    rows = [{"index": row.index, "id": row.sample.id} for row in read_pool(pool).rows]
    folder.mkdir()
    write_array(folder / "hidden.npy", np.array(states, dtype=np.float32))
    write_lines(folder / "hidden.jsonl", rows)
    distances = [math.log(1 + math.dist(start, end)) for start, end in states]
    write_scores(folder, "shift", rows, distances)
    return folder


def test_several_samples_are_chosen_in_the_order_of_shift_itself(pool, tmp_path):
    """The farthest first; then the near duplicate of it, second by score, comes after what lies elsewhere.

    Rows 0 and 4 are one sample. Scores fall 4 = 0 > 1 > 2 > 5 > 3; row 1 lies beside row 0, row 2 opposite.
    """
    states = [
        ((1, 0), (5, 0)),
        ((1, 0), (4.9, 0)),
        ((0, 1), (0, -2)),
        ((1, 0), (1, 0.1)),
        ((1, 0), (5, 0)),
        ((1, 0), (1.5, 0)),
    ]
    features = write_features(tmp_path / "f", pool, states)
    wanted = {"pool": str(pool), "by": "shift", "features": features}
    one = choose(Wanted(**wanted))
    assert [row.index for row in one.chosen] == [0] and [row.index for row in one.ranking.rows][:4] == [0, 4, 1, 2]
    both = choose(Wanted(**wanted, count=2))
    assert [row.index for row in both.chosen] == [0, 2] and any("unlike those before" in note for note in both.notes)
    # All five distinct samples, each once.
    assert sorted(row.index for row in choose(Wanted(**wanted, count=6)).chosen) == [0, 1, 2, 3, 5]
    # Rows 0 and 1 are sums, 2, 3 and 5 shapes: of each subject two, its farthest first.
    apart = [row.index for row in choose(Wanted(**wanted, count=2, per_subject=True)).chosen]
    assert apart[:3] == [0, 1, 2] and len(apart) == 4


def test_features_of_the_other_kind_are_told_with_what_makes_these(pool, tmp_path):
    features = write_features(tmp_path / "f", pool, [((0, 1), (1, n)) for n in range(6)])
    for selector, told in {
        "grad_align": "polymath features --what gradients --validation SUITE",
        "learn_align": "polymath features --what gradients$",
        "hes": "polymath features --what hidden$",
    }.items():
        with pytest.raises(SampleError, match=told):
            choose(Wanted(pool=str(pool), by=selector, features=features))


# arguments -> words of the one line
REFUSED = [
    (["--by", "nope"], "no selector 'nope'"),
    (["--by", "hvs"], "--history FILE"),
    (["--by", "band", "--band", "3,4"], "no band"),
    (["--by", "random", "--columns", "question"], "no list of FIELD=COLUMN"),
    (["--by", "random", "--band", ".5,.9"], "--band: has no meaning with --by random"),
    (["--by", "hvs", "--threshold", ".7"], "--threshold: has no meaning with --by hvs"),
    (["--by", "random", "--category", "algebra"], "--category: has no meaning without --skills"),
    (["--by", "random", "--steps-per-epoch", "4"], "--steps-per-epoch: has no meaning without --history"),
    (["--by", "random", "--data", "somewhere"], "--data: has no meaning without --against"),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSED)
def test_what_cannot_be_done_is_one_line(pool, arguments, words, tmp_path):
    done = polymath("select", pool, *arguments, "--out", tmp_path / "s")
    assert done.returncode == 2
    assert words in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "s").exists()


@needs_data
def test_the_published_bench_prints_that_nothing_is_significant():
    done = polymath("bench", "selectors", "--published", "--history", DATA / "acc_step_500.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("not significant") == 2
    assert re.search(r"hvs\s+\+0\.22\s+0\.4\d\s+1\.00\s+14", done.stdout)
    assert "512,000 rollouts" in done.stdout


def test_the_bench_needs_a_history():
    done = polymath("bench", "selectors")
    assert done.returncode == 2 and "--published --history" in done.stderr


@needs_data
def test_the_first_sample_of_the_one_shot_paper_is_chosen_from_its_own_files(tmp_path):
    wanted = Wanted(pool=str(DATA / "dsr_sub.parquet"), by="hvs", history=DATA / "acc_step_500.json")
    result = select(wanted, tmp_path / "s")
    (sample,) = load_samples(SampleSection(use=result["chosen"][0]))
    assert (sample.answer, sample.meta["selected"]["index"]) == ("12.8", 124)
    assert len(result["ranking"]) == 1209
    assert "2 ranked rows are set aside or not in the pool and keep their rank" in result["notes"]
