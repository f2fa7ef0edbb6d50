"""Audits on paper: the object of --json and the self-contained page."""

import re

from polymath.auditing import Audit, to_json
from polymath.auditing.page import render_page
from polymath.samples.findings import Finding
from polymath.types import Sample

MELONS = Sample(question="A farmer packs 8 crates with 9 melons each?", answer="72", answer_type="number")


def test_a_file_of_several_samples_is_sound_only_where_all_are_and_says_which_is_not():
    bad = Audit(sample=MELONS, findings=(Finding(check="label", ok=False, detail="no"),))
    good = Audit(sample=MELONS, findings=(Finding(check="label", ok=True, detail="yes"),))
    told = to_json([good, bad])
    assert told == {
        "sound": False,
        "findings": [
            {"check": "label", "ok": True, "detail": "sample 1: yes"},
            {"check": "label", "ok": False, "detail": "sample 2: no"},
        ],
    }


def test_the_page_is_self_contained_and_escapes_what_it_shows():
    sample = MELONS.model_copy(update={"question": "<script>alert(1)</script> 8 & 9", "solution": "8*9=72"})
    page = render_page([Audit(sample=sample, findings=(Finding(check="label", ok=None, detail="<b>"),))], "x")
    assert "<script" not in page and "&lt;script&gt;" in page and "&lt;b&gt;" in page
    assert not re.search(r"(?:src|href)=", page)
