"""Our source in, a folder out that verl's processes judge with: the vocabulary, the judge, the rewards, the hook.

It is laid in the run folder, so that every node that sees the run folder has the very judge that the run began with,
and nothing of ours is installed beside verl. Of our libraries it needs pydantic and math-verify alone.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from polymath.runs import telling_disk_errors

ROOMS = ("errors.py", "types.py", "judge", "rewards", "engines/verl/reward.py", "engines/verl/inside.py")
HOOK = Path("polymath/engines/verl/reward.py")
INSIDE = Path("polymath/engines/verl/inside.py")
# In place of the package's own, which knows all of its rooms.
BEGINNING = '"""The judge of polymath, laid here for the processes of verl."""\n'


def lay_source(folder: Path) -> Path:
    """Copy what verl's processes need under `folder`, once; returns the path of the reward file in it."""
    package = Path(__file__).resolve().parents[2]
    if not (folder / HOOK).exists():
        with telling_disk_errors(folder):
            temporary = folder.with_name(f".{folder.name}.tmp")
            shutil.rmtree(temporary, ignore_errors=True)
            for room in ROOMS:
                target = temporary / "polymath" / room
                target.parent.mkdir(parents=True, exist_ok=True)
                if (package / room).is_dir():
                    shutil.copytree(package / room, target, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copyfile(package / room, target)
            (temporary / "polymath" / "__init__.py").write_text(BEGINNING, encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)
    return folder / HOOK
