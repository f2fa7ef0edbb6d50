"""The stages as functions: what a notebook calls, on the lab's model and without any."""

import json

import pytest

from polymath import api
from polymath.errors import RecipeError, RunFolderError, SampleError
from polymath.runs import read_lines, write_lines
from polymath.selection.probe import read_probe


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    path = tmp_path_factory.mktemp("api") / "pool.csv"
    path.write_text("ask,gold,subject\n1+1?,2,sums\n2+2?,4,sums\n9-4?,5,differences\n")
    return path


COLUMNS = {"question": "ask", "answer": "gold", "subject": "subject"}


def test_a_pool_is_probed_and_chosen_from(pool, tmp_path):
    probed = api.probe(
        pool, "lab", tmp_path / "p", num_draws=4, columns=COLUMNS, limit=2, max_tokens=8, use_cache=False
    )
    assert (probed["num_rows"], probed["num_responses"]) == (2, 8)
    rates = {index: one.pass_rate for index, one in read_probe(tmp_path / "p" / "probe.jsonl").items()}
    chosen = api.select(pool, "pass_rate", probe=str(tmp_path / "p"), columns=COLUMNS, out=tmp_path / "s", count=2)
    assert {row["index"]: row["score"] for row in chosen["ranking"]} == rates and len(chosen["chosen"]) == 2
    assert chosen["ranking"] == read_lines(tmp_path / "s" / "ranking.jsonl")


def test_none_is_no_setting_and_one_that_would_be_passed_over_is_refused(pool, tmp_path):
    given = {"columns": COLUMNS, "out": tmp_path / "s"}
    assert api.select(pool, "random", threshold=None, band=None, seed=2, **given)["num_unranked"] == 0
    with pytest.raises(RecipeError, match="--threshold: has no meaning with --by random"):
        api.select(pool, "random", threshold=0.6, **given)
    with pytest.raises(SampleError, match="no band"):
        api.select(pool, "band", band=(0.5, 0.5), **given)


def test_an_audit_gives_its_findings_and_a_page_where_one_is_wanted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (audit,), page = api.audit("flawed-leaking")
    assert not audit.is_sound and page is None and list(tmp_path.iterdir()) == []
    (audit,), page = api.audit("crate", out=tmp_path / "a")
    assert audit.is_sound and page == tmp_path / "a" / "audit.html" and page.is_file()


def test_a_file_of_samples_is_audited_as_far_as_is_wished(tmp_path):
    write_lines(tmp_path / "few.jsonl", [{"question": f"{n}+1?", "answer": str(n + 1)} for n in range(4)])
    assert len(api.audit(tmp_path / "few.jsonl", limit=3)[0]) == 3


def test_skills_by_rules_need_no_model(tmp_path):
    summary = api.skills("library", tmp_path / "skills", limit=5)
    assert summary["by"] == "rules" and len(read_lines(tmp_path / "skills" / "skills.jsonl")) == 5


def test_a_tournament_and_a_synthesis_are_refused_as_by_the_command(tmp_path):
    with pytest.raises(RecipeError, match="no 'slurm'; use one of local, ray"):
        api.tournament({"sample": {}}, out=tmp_path / "cup", pool="lab:3", executor="slurm")
    with pytest.raises(RunFolderError, match="does not say what to continue"):
        api.synthesize(tmp_path / "plan.toml", resume=True)
    with pytest.raises(RunFolderError, match=r"no tournament\.json"):
        api.tournament(out=tmp_path / "cup", resume=True)
    assert json.dumps(sorted(tmp_path.iterdir())) == "[]"
