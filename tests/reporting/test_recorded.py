"""Recorded experiments: read with care, shown as recorded, with the numbers of the record and no others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polymath.errors import RunFolderError
from polymath.reporting.figures import inline
from polymath.reporting.page import render_report
from polymath.reporting.read import read_report
from polymath.reporting.record_tables import tables
from polymath.reporting.recorded import EXPERIMENTS, DrawsRecord, gain_matrix, parse_record, read_records
from polymath.reporting.study_figures import list_figures, save_figures
from polymath.reporting.study_figures.gain_matrix import diverging_colormap
from polymath.runs import RunFolder
from tests.reporting.synthetic import ATTACK, build_run_folder

LAB = (
    "algebra", "intermediate algebra", "prealgebra", "precalculus", "geometry", "number theory",
    "counting & probability", "physics", "chemistry", "biology", "computer science", "economics", "astronomy",
    "earth science",
)  # fmt: skip
FIGURES = [
    "arms.png",
    "draws.png",
    "gain-matrix.png",
    "probe.png",
    "curves.png",
    "rates.png",
    "pass-at-k.png",
    "ablation-terms.png",
]
Build = Callable[..., RunFolder]


def build_records() -> dict[str, dict[str, Any]]:
    """One realistic record of every experiment, seeded."""
    generator = np.random.default_rng(3)
    payloads = {
        "arms": _arms(generator),
        "draws": _draws(generator),
        "curves": _curves(generator),
        "rates": _rates(),
        "pass-at-k": _pass_at_k(),
        "ablation": {**_arms(generator), "grid": "terms", "settings": {"trained": {"kl.coefficient": "0.001"}}},
    }
    return {
        name: {
            "experiment": name,
            "title": f"The experiment {name} {ATTACK}",
            "commands": [f"polymath lab {name} --seeds 3", f"polymath lab record {name}"],
            "date": "2026-11-21",
            "machine": "two cores, 4 GB, Linux",
            "versions": "torch 2.13.0, numpy 2.3.0",
            "hashes": {"recipe": "0123456789abcdef" * 4, "code": "fedcba9876543210" * 4, "weights": "ab" * 32},
            "suite": "lab",
            "protocol": "greedy",
            **payload,
        }
        for name, payload in payloads.items()
    }


def write_records(run: RunFolder, records: dict[str, dict[str, Any]]) -> Path:
    """Lay records into the run folder, as a run from the lab's own weights does."""
    folder = run.path / "recorded"
    folder.mkdir()
    for name, record in records.items():
        (folder / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def _interval(mean: float, half: float = 0.03) -> dict[str, float]:
    return {"mean": mean, "low": mean - half, "high": mean + half}


def _arms(generator: np.random.Generator) -> dict[str, Any]:
    abouts = {
        "good": "A sample with much to learn from.",
        "poor": f"A sample that | teaches little. {ATTACK}",
        "random reward": "Reward is a coin.",
        "format only": "The box alone is rewarded.",
        "true label, no clipping at all": "The loss is not clipped.",
    }
    arms = []
    for (name, about), gain in zip(abouts.items(), (0.25, 0.06, -0.02, 0.13, 0.21), strict=True):
        strict, lenient = 0.3 + gain, 0.4 + 0.6 * gain
        arms.append({
            "name": name, "about": about, "strict": [strict - 0.02, strict, strict + 0.02],
            "lenient": list(lenient + generator.normal(0, 0.01, 3)),
            "held_out": None if name == "poor" else [strict - 0.1] * 3, "worked": [0.5, 0.6, 0.7],
            "reward": None if name == "random reward" else [0.9, 0.95, 1.0],
            "strict_interval": _interval(strict), "lenient_interval": _interval(lenient),
            "strict_gain": _interval(gain), "lenient_gain": _interval(0.6 * gain), "disciplines_up": 11,
            "num_disciplines": 14,
        })  # fmt: skip
    return {"seeds": [0, 1, 2], "base": {"strict": 0.3, "lenient": 0.4, "held_out": 0.2, "worked": 0.45}, "arms": arms}


def _draws(generator: np.random.Generator) -> dict[str, Any]:
    base = {name: 0.2 + 0.02 * place for place, name in enumerate(LAB)}
    draws = []
    for number in range(42):
        home = LAB[number % len(LAB)]
        gain = float(np.clip(generator.normal(0.1, 0.1), -0.15, 0.35)) - 0.2 * (home == "earth science")
        draws.append({
            "name": f"{home.split()[0]}-{number}", "discipline": home, "template": "falling stone", "level": number % 4,
            "answer_type": "choice" if number % 3 == 0 else "number", "strict": 0.33 + gain, "lenient": 0.4 + gain / 2,
            "reward": 0.9, "worked_after": 0.5 + gain,
            "probe": {
                "num": 64, "worked_frac": float(np.clip(0.4 + gain + generator.normal(0, 0.2), 0, 1)),
                "worked_right_frac": None if number % 5 == 0 else float(generator.random()),
                "direct_right_frac": float(np.clip(0.2 - gain + generator.normal(0, 0.08), 0, 1)),
                "right_frac": float(generator.random() ** 2),
            },
            "chosen": None,
            "disciplines": {
                name: base[name] + gain + 0.06 * (name == home) + float(generator.normal(0, 0.02)) for name in LAB
            },
        })  # fmt: skip
    draws.sort(key=lambda draw: draw["strict"])
    for place, chosen in ((0, "poor"), (2, "poor"), (3, "poor"), (-1, "good"), (-2, "good"), (-4, "good")):
        draws[place]["chosen"] = chosen
    correlations = [
        {"signal": "direct answers right", "rho": -0.62, "p": 0.0004, "n": 42},
        {"signal": "worked share", "rho": 0.31, "p": 0.041, "n": 42},
        {"signal": "lines of work", "rho": None, "p": None, "n": 42},
    ]
    rule = "Named good: three of the best five that train prompts alone would give; poor: three of the worst five."
    return {
        "rule": rule, "draws": draws, "base": {"strict": 0.33, "lenient": 0.4, "disciplines": base},
        "correlations": correlations,
    }  # fmt: skip


def _curves(generator: np.random.Generator) -> dict[str, Any]:
    arms = []
    for name, speed, saturation in (("good", 12, 40), ("poor", 6, 15), ("random reward", 1000, None)):
        steps = list(range(1, 121))
        done = [1 - float(np.exp(-step / speed)) for step in steps]
        tests = [0, 20, 40, 60, 80, 100, 120]
        strict = [0.3 + 0.25 * (1 - float(np.exp(-step / speed / 2))) for step in tests]
        ways = {
            "worked": [0.3 + 0.6 * d for d in done], "direct": [0.7 - 0.6 * d for d in done],
            "self_check": [0.05] * 120, "boxed": [0.6 + 0.39 * d for d in done],
        }  # fmt: skip
        arms.append({
            "name": name, "steps": tests, "strict": strict, "lenient": [0.1 + s for s in strict], "train_steps": steps,
            "reward": [float(np.clip(0.1 + 0.9 * d + generator.normal(0, 0.04), 0, 1)) for d in done],
            "ways": {k: [float(np.clip(x + generator.normal(0, 0.03), 0, 1)) for x in v] for k, v in ways.items()},
            "entropy": [1.0] * 120, "saturation_step": saturation,
            "strict_at_saturation": None if saturation is None else 0.5, "strict_last": 0.5 if saturation else 0.31,
        })  # fmt: skip
    arms[0]["strict_last"] = 0.55
    return {"arms": arms}


def _rates() -> dict[str, Any]:
    rows = zip((3e-3, 1e-4, 3e-4, 1e-3), (0.05, 0.4, 0.55, 0.3), (0.0, 0.7, 0.8, 0.1), strict=True)
    return {
        "arms": [
            {"learning_rate": rate, "strict": strict, "lenient": strict + 0.05, "reward": 0.9, "entropy": 0.4,
             "worked": worked, "boxed": 0.95, "truncated": 0.02, "worked_right": worked or None}
            for rate, strict, worked in rows
        ]
    }  # fmt: skip


def _pass_at_k() -> dict[str, Any]:
    ks = [1, 2, 4, 8, 16, 32, 64]
    models = [
        {"name": name, "pass_at_k": (at := [start + slope * place for place in range(7)]),
         "low": [value - 0.02 for value in at], "high": [value + 0.02 for value in at]}
        for name, start, slope in (
            ("base", 0.3, 0.09), ("good", 0.55, 0.045), ("poor", 0.36, 0.078), ("random reward", 0.31, 0.092)
        )
    ]  # fmt: skip
    crossovers = [{"model": "good", "k": 64}, {"model": "poor", "k": 32}, {"model": "random reward", "k": None}]
    return {"num_problems": 1120, "num_draws": 64, "k": ks, "models": models, "crossovers": crossovers}


@pytest.fixture(scope="module")
def records() -> dict[str, dict[str, Any]]:
    return build_records()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, records: dict[str, dict[str, Any]]) -> str:
    run = build_run_folder(tmp_path_factory.mktemp("recorded") / "run", with_arms=False)
    write_records(run, records)
    return render_report(read_report(run))


def cells(markdown: str, title: str) -> dict[str, list[str]]:
    """The rows of the table under this title, without its head, by their first cell."""
    part = markdown[markdown.index(f"**{title}**") :].split("\n\n")[1]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in part.splitlines()]
    assert len({len(row) for row in rows}) == 1, "all rows have the same number of cells"
    return {row[0]: row[1:] for row in rows[2:]}


def test_a_folder_is_read_in_a_fixed_order(tmp_path: Path, records: dict[str, dict[str, Any]]) -> None:
    for name, record in reversed(records.items()):
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
    assert [record.experiment for record in read_records(tmp_path)] == list(EXPERIMENTS)


def test_an_absent_folder_has_no_records(tmp_path: Path) -> None:
    assert read_records(tmp_path / "recorded") == []


def test_what_a_record_says_beyond_the_known_is_ignored(records: dict[str, dict[str, Any]]) -> None:
    assert parse_record({**records["rates"], "metrics_sha256": "00"}).experiment == "rates"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda record: record.pop("hashes"), "hashes: Field required"),
        (lambda record: record.update(experiment="guesses"), "guesses"),
        (lambda record: record["arms"][0]["strict"].pop(), "a list of 2 values where 3 belong"),
        (lambda record: record["base"].update(strict=float("nan")), "finite"),
    ],
)
def test_a_file_that_is_no_record_is_refused_with_its_place(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], told: str
) -> None:
    record = build_records()["arms"]
    change(record)
    (tmp_path / "arms.json").write_text(json.dumps(record))
    with pytest.raises(RunFolderError, match=told) as caught:
        read_records(tmp_path)
    assert "arms.json" in str(caught.value)


def test_a_torn_file_and_a_second_record_are_refused(tmp_path: Path, records: dict[str, dict[str, Any]]) -> None:
    (tmp_path / "rates.json").write_text(json.dumps(records["rates"])[:100])
    with pytest.raises(RunFolderError, match=r"rates\.json: is no record that can be read"):
        read_records(tmp_path)
    for name in ("rates.json", "rates-2.json"):
        (tmp_path / name).write_text(json.dumps(records["rates"]))
    with pytest.raises(RunFolderError, match="second record of rates"):
        read_records(tmp_path)


def test_the_table_of_arms_shows_the_numbers_of_the_record(records: dict[str, dict[str, Any]]) -> None:
    text = tables(parse_record(records["arms"]))
    scores, details = cells(text, "Arms against the base model"), cells(text, "What the arms are")
    assert scores["base"] == ["30.0%", "", "40.0%", "", "", ""]
    assert scores["good"] == ["55.0%", "+25.0 (+22.0 to +28.0)", "55.0%", "+15.0 (+12.0 to +18.0)", "11 of 14", ""]
    assert scores["random reward"][1] == "−2.0 (−5.0 to +1.0)"
    assert details["good"] == [
        "A sample with much to learn from.", "53.0 · 55.0 · 57.0", "45.0%", "60.0%", "0.95",
    ]  # fmt: skip
    assert details["random reward"][-1] == "–", "an arm that was not trained has no reward"
    assert list(scores) == ["base", *(arm["name"] for arm in records["arms"]["arms"])], "arms keep their order"


def test_the_markdown_says_where_a_record_comes_from(records: dict[str, dict[str, Any]]) -> None:
    text = tables(parse_record({**records["rates"], "title": "Rates"}))
    assert text.startswith("## Rates\n\nRecorded 2026-11-21, tested on lab, greedy. Machine: two cores, 4 GB, Linux. ")
    assert "sha256: recipe `0123456789ab`, code `fedcba987654`, weights `abababababab`. Made with:\n\n" in text
    assert "\n\n    polymath lab rates --seeds 3\n    polymath lab record rates\n\n" in text


def test_markdown_cells_cannot_break_their_table(records: dict[str, dict[str, Any]]) -> None:
    text = tables(parse_record(records["arms"]))
    assert "A sample that \\| teaches little. &lt;script>" in text
    assert "<" not in text
    assert not text.endswith("\n")


def test_the_table_of_draws_lists_every_sample_best_first(records: dict[str, dict[str, Any]]) -> None:
    text = tables(parse_record(records["draws"]))
    rows = cells(text, "All 42 samples, best first")
    strict = [float(row[5].removesuffix("%")) for name, row in rows.items() if name != "base"]
    assert len(strict) == 42 and strict == sorted(strict, reverse=True)
    assert rows["base"][5:7] == ["33.0%", "40.0%"]
    correlations = cells(text, "What could be known before training")
    assert correlations["direct answers right"] == ["−0.62", "&lt; 0.001", "42"]
    assert correlations["worked share"] == ["+0.31", "0.041", "42"]
    assert correlations["lines of work"] == ["–", "–", "42"]


def test_the_gain_matrix_is_the_mean_over_the_samples_of_a_discipline() -> None:
    record = build_records()["draws"]
    record["base"]["disciplines"] = {"algebra": 0.2, "physics": 0.5}
    record["draws"] = record["draws"][:3]
    for draw, home, algebra, physics in zip(
        record["draws"], ("physics", "physics", "algebra"), (0.3, 0.5, 0.9), (0.4, 0.5, 0.5), strict=True
    ):
        draw.update(discipline=home, disciplines={"algebra": algebra, "physics": physics})
    parsed = parse_record(record)
    assert isinstance(parsed, DrawsRecord)
    matrix = gain_matrix(parsed)
    assert list(matrix) == ["algebra", "physics"]
    count, gains = matrix["physics"]
    assert count == 2
    # (0.3 + 0.5) / 2 - 0.2 and (0.4 + 0.5) / 2 - 0.5
    assert gains == pytest.approx({"algebra": 0.2, "physics": -0.05})
    assert cells(tables(parsed), "Gain over base in points, strict")["physics"] == ["2", "+20.0", "−5.0"]


def test_the_table_of_curves_tells_the_gain_after_saturation(records: dict[str, dict[str, Any]]) -> None:
    rows = cells(tables(parse_record(records["curves"])), "Before and after saturation")
    assert rows["good"] == ["40", "50.0%", "55.0%", "+5.0"]
    assert rows["random reward"] == ["–", "–", "31.0%", "–"]


def test_the_table_of_rates_is_sorted_by_rate(records: dict[str, dict[str, Any]]) -> None:
    rows = cells(tables(parse_record(records["rates"])), "By learning rate")
    assert list(rows) == ["1e-4", "3e-4", "1e-3", "3e-3"]
    assert rows["3e-4"] == ["55.0%", "60.0%", "0.90", "0.40", "80.0%", "80.0%", "95.0%", "2.0%"]
    assert rows["3e-3"][5] == "–", "no worked answer, so none of them can be right"


def test_the_table_of_pass_at_k_says_where_the_base_catches_up(records: dict[str, dict[str, Any]]) -> None:
    text = tables(parse_record(records["pass-at-k"]))
    assert cells(text, "pass@k")["4"][0] == "48.0% (46.0% to 50.0%)"
    crossed = cells(text, "Where the base catches up")
    assert (crossed["good"], crossed["poor"], crossed["random reward"]) == (["64"], ["32"], ["not up to 64"])


def test_the_page_says_that_it_did_not_make_the_records(page: str, records: dict[str, dict[str, Any]]) -> None:
    section = page[page.index('<h2 id="recorded">') : page.index("<h2>Training</h2>")]
    assert section.count('<p class="stamp">recorded: not made by this run</p>') == len(records)
    assert section.count("<dd>2026-11-21</dd>") == section.count("two cores, 4 GB, Linux") == len(records)
    assert section.count("<code>0123456789ab</code>") == section.count("<code>fedcba987654</code>") == len(records)
    assert "0123456789abc" not in section
    for name in records:
        assert f"<code>polymath lab {name} --seeds 3</code>" in section
    assert "<td>+25.0 (+22.0 to +28.0)</td>" in section


def test_text_of_records_is_escaped_on_the_page(page: str) -> None:
    assert "<script" not in page
    assert page.count("The experiment arms &lt;script&gt;alert(1)&lt;/script&gt;") == 1


def test_ids_stay_unique_and_every_figure_has_words(page: str) -> None:
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]*)\)", page) + re.findall(r'href="#([^"]*)"', page)) <= set(ids)
    figures = re.findall(r"<figure[^>]*>", page)
    assert all(re.search(r'aria-label="[^"]{20,}"', figure) for figure in figures)
    assert not re.search(r"https?:|<img|data:", page)


def test_a_run_without_records_has_no_such_section(build: Build) -> None:
    run = build(num_steps=20, with_arms=False)
    page = render_report(read_report(run))
    assert "Recorded experiments" not in page and "not made by this run" not in page


def test_names_that_look_like_formulas_are_drawn_as_text() -> None:
    record = build_records()["pass-at-k"]
    record["models"][1]["name"] = "$x_{$ <b>"
    (figure,) = list_figures(parse_record(record))
    svg = inline(figure.draw(944), "pass")
    assert "$x_{$ &lt;b&gt;" in svg


def test_figures_are_the_same_bytes_every_time(tmp_path: Path, records: dict[str, dict[str, Any]]) -> None:
    parsed = [parse_record(record) for record in records.values()]
    first, second = save_figures(parsed, tmp_path / "one"), save_figures(parsed, tmp_path / "two")
    assert [path.name for path in first] == FIGURES
    for one, two in zip(first, second, strict=True):
        content = one.read_bytes()
        assert content == two.read_bytes()
        assert int.from_bytes(content[16:20]) == 1400
    matrix = list_figures(parsed[1])[1]
    assert inline(matrix.draw(944), "matrix") == inline(matrix.draw(944), "matrix")


@pytest.mark.parametrize("width", [944, 384])
def test_records_of_a_few_rows_can_be_drawn(width: int) -> None:
    records = build_records()
    for name, key in (("arms", "arms"), ("draws", "draws"), ("curves", "arms"), ("rates", "arms")):
        records[name][key] = records[name][key][:1]
    for record in records.values():
        for figure in list_figures(parse_record(record)):
            assert inline(figure.draw(width), "few").startswith("<svg")


def test_the_colours_of_gain_and_loss_are_equally_far_from_none() -> None:
    colors = diverging_colormap()
    loss, none, gain = (np.array(colors(place)[:3]) for place in (0.0, 0.5, 1.0))
    assert none.min() > 0.9
    assert loss[0] > 0.6 > loss[2] and gain[2] > 0.6 > gain[0], "orange and blue"
    # Rec. 709 luma of sRGB as a rough measure of lightness.
    weights = np.array([0.2126, 0.7152, 0.0722])
    assert abs(loss @ weights - gain @ weights) < 0.08
