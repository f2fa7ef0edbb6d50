"""An order as a folder for verl: rows.parquet, the source of our judge, run.sh with every Hydra override.

The mapping is that of the engine (engines/verl), which also launches verl, reads its metrics and merges its
checkpoints: this folder is for who launches it himself. Nodes must see the folder under the same path.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from polymath.exporting.order import Order
from polymath.exporting.pages import facts, fill
from polymath.prompts import render_all

HERE = "@HERE@"  # becomes the folder that run.sh lies in, wherever that is
CHARACTERS_A_TOKEN = 2  # so many at least, and so a prompt is hardly ever too long for data.max_prompt_length


def verl_files(order: Order) -> dict[str, str | bytes]:
    """Contents by path in the folder. Raises RecipeError for a recipe that verl has no counterpart for."""
    # The engines need torch.
    from polymath.engines.verl.dataset import PASS_THROUGH, count_rows, write_dataset
    from polymath.engines.verl.overrides import Places, overrides_of, script_of
    from polymath.engines.verl.source import HOOK, lay_source

    recipe, prompts = order.recipe, render_all(order.samples, order.template)
    here = Path(HERE)
    places = Places(
        model=f"{HERE}MODEL",
        data=here / "rows.parquet",
        reward=here / "source" / HOOK,
        checkpoints=here / "checkpoints",
        rollouts=here / "rollouts",
        max_prompt_tokens=max(256, max(len(prompt.text) for prompt in prompts) // CHARACTERS_A_TOKEN),
        chat_template=None if order.template.is_chat else PASS_THROUGH,
    )
    script = script_of(overrides_of(recipe, places)).replace(f"{HERE}MODEL", "'\"$MODEL\"'")
    begin = 'set -e\ncd "$(dirname "$0")"\nMODEL="${MODEL:?name a model directory or hub id}"'
    script = script.replace("set -e", begin, 1).replace(HERE, "'\"$PWD\"'")
    num_rows = count_rows(len(prompts), recipe.rollout.num_groups, recipe.train.num_steps)
    found: dict[str, str | bytes] = {
        "run.sh": script,
        "README.md": fill("verl_readme.md.j2", **facts(order) | {"num_rows": num_rows}),
    }
    with tempfile.TemporaryDirectory() as folder:
        data, source = Path(folder) / "rows.parquet", Path(folder) / "source"
        write_dataset(data, order.samples, prompts, num_rows=num_rows)
        lay_source(source)
        found["rows.parquet"] = data.read_bytes()
        for path in sorted(source.rglob("*")):
            if path.is_file():
                found[str(path.relative_to(folder))] = path.read_bytes()
    return found
