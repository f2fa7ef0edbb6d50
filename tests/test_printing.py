"""What commands print of a result that is a card, a table of arms, or plain."""

import json

from polymath.cli.options import print_result
from polymath.lab import model_dir


def test_a_card_and_a_table_of_arms_are_printed_for_people(capsys):
    card = json.loads((model_dir() / "card.json").read_text())
    print_result({"model": "DIR", **card["base_scores"], "arms": {"good": {"mean": 0.5, "low": None}}}, as_json=False)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["model", "DIR"] in lines
    assert ["ways", "worked", f"{card['base_scores']['ways']['worked']:.3g}"] in lines
    assert ["arms", "good", "mean", "0.5"] in lines
