"""Do our advantages, losses and gradients equal those of TRL and of verl on the same inputs?

    python benchmarks/parity [--peer trl|verl] [--envs build]

Makes an environment for each peer (they want different versions of transformers; kept in --envs, several gigabytes),
runs their own functions and ours there on random inputs, prints what differs by how much, and exits 1 where anything
differs by more than 1e-5. Where a peer means something else by the same name, the table says what was converted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TOLERANCE = 1e-5
# torch first and by its exact version, so that pip chooses no other build. TRL lives with our own versions.
NEEDS: dict[str, list[list[str]]] = {
    "trl": [
        ["-c", "constraints.txt", "torch==2.13.0"],
        ["-c", "constraints.txt", "torch==2.13.0", "trl==1.16.0", "peft", "pydantic", "mpmath", "math-verify"],
    ],
    "verl": [["torch==2.13.0"], ["torch==2.13.0", "verl==0.9.1", "pydantic", "jinja2"]],
}
QUIET = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "RAY_DEDUP_LOGS": "0"}


def make_environment(peer: str, folder: Path) -> Path:
    """The Python of an environment with this peer in it; a finished one is used again."""
    python, is_made = folder / "bin" / "python", folder / "made"
    if not is_made.exists():
        print(f"making an environment for {peer} in {folder} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        for names in NEEDS[peer]:
            command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *names]
            subprocess.run(command, check=True, cwd=ROOT)
        is_made.touch()
    return python


def compare(peer: str, python: Path) -> list[dict[str, Any]]:
    """The rows that this peer's comparison writes."""
    environment = {**os.environ, **QUIET, "PYTHONPATH": str(ROOT / "src")}
    environment.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        subprocess.run([python, HERE / f"with_{peer}.py", out], check=True, env=environment, cwd=folder)
        rows: list[dict[str, Any]] = json.loads(out.read_text(encoding="utf-8"))
    return rows


def show(rows: list[dict[str, Any]]) -> bool:
    """Print the table; whether everything agrees."""

    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.1e}"

    width = max(len(row["what"]) for row in rows)
    print(f"{'what':{width}}  {'peer':11}  {'value':>8}  {'gradient':>8}  note")
    agree = True
    for row in rows:
        seen = [value for value in (row["value"], row["gradient"]) if value is not None]
        is_right = bool(seen) and max(seen) <= TOLERANCE
        agree &= is_right
        head = f"{row['what']:{width}}  {row['peer']:11}  {number(row['value']):>8}  {number(row['gradient']):>8}"
        print(f"{head}  {'' if is_right else 'DIFFERS. '}{row['note']}")
    return agree


def main() -> None:
    """Compare with one peer or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", choices=list(NEEDS), action="append")
    parser.add_argument("--envs", type=Path, default=ROOT / "build")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for peer in options.peer or list(NEEDS):
        rows += compare(peer, make_environment(peer, (options.envs / f"parity-{peer}").resolve()))
    is_right = show(rows)
    print(f"{len(rows)} comparisons; {'all within' if is_right else 'NOT all within'} {TOLERANCE:.0e}")
    sys.exit(0 if is_right else 1)


if __name__ == "__main__":
    main()
