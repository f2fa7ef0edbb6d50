"""Ways of answering, as a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.ways import WAYS, ways_of

TABLE = [
    ("", {"direct"}),
    (" The answer is 75.", {"direct"}),
    (r"\boxed{}", {"direct"}),
    ("The well-known speed is v = 3", {"direct"}),
    ("The final answer is 4. Yes. It is.", {"direct"}),
    (" 12*7=84. 84-9=75. The answer is \\boxed{75}.", {"worked", "boxed"}),
    ("3 + 4 = 7", {"worked"}),
    (r"$3 \times 4 = 12$", {"worked"}),
    (r"$3 \cdot x = 12$", {"worked"}),
    (r"\frac{3}{4} = 0.75", {"worked"}),
    ("First we add them. Then we go home. Then it is done. So the answer is 4", {"worked"}),
    ("```\n1\n```", {"code"}),
    ("print(3)", {"code"}),
    ("def f(x):\n    return 3 * 4 == 12", {"code"}),
    (r"Wait, let me check: \boxed{4}", {"direct", "boxed", "self_check"}),
    ("I double-check it", {"direct", "self_check"}),
    ("The waiter brings 4", {"direct"}),
]


@pytest.mark.parametrize(("response", "ways"), TABLE)
def test_the_ways_of_a_response_follow_the_stated_rules(response: str, ways: set[str]) -> None:
    assert ways_of(response) == ways


@given(st.text())
def test_every_text_has_a_known_way_and_direct_excludes_the_others(response: str) -> None:
    ways = ways_of(response)
    assert ways <= set(WAYS)
    assert ("direct" in ways) != bool(ways & {"worked", "code"})
