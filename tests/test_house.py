"""The house stands: imports point upward, the vocabulary needs no torch, nothing dangerous is switched on."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "polymath"

# From the bottom of the vocabulary to the top of the stages; a room may import what stands before it.
ORDER = [
    "errors",
    "types",
    "seeds",
    "recipe",
    "grids",
    "runs",
    "trackers",
    "machine",
    "progress",
    "prompts",
    "disciplines",
    "llm",
    "judge",
    "ways",
    "rewards",
    "lab",
    "samples",
    "provenance",
    "rollouts",
    "evaluation",
    "exports",
    "training",
    "engines",
    "synthesis",
    "selection",
    "reporting",
    "jobs",
    "evaluating",
    "selecting",
    "auditing",
    "synthesizing",
    "doctoring",
    "exporting",
    "api",
    "chat",
    "cli",
    "__main__",
    "testing",
]
TORCH_FREE = ORDER[: ORDER.index("rollouts")]


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("polymath."):
            rooms.add(node.module.split(".")[1])
        elif isinstance(node, ast.ImportFrom) and node.module == "polymath":
            rooms.update(alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            rooms.update(alias.name.split(".")[1] for alias in node.names if alias.name.startswith("polymath."))
    return rooms


def test_every_room_is_in_the_plan():
    rooms = {room_of(path) for path in SOURCE.rglob("*.py")} - {"__init__"}
    assert rooms == set(ORDER)


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_upward(path):
    room = room_of(path)
    if room == "__init__":
        return
    for other in imported_rooms(path) - {room}:
        assert ORDER.index(other) < ORDER.index(room), f"{path.name} of {room} imports {other}, which stands below"


@pytest.mark.parametrize("module", [*TORCH_FREE, "reporting", "jobs", "evaluating", "exporting", "api", "chat", "cli"])
def test_the_vocabulary_and_the_report_need_no_torch(module):
    code = f"import sys, polymath.{module}; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_pickle_no_remote_code_no_eval(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec"}, f"{path}:{node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"load", "save"}:
            owner = node.func.value
            assert not (isinstance(owner, ast.Name) and owner.id in {"torch", "pickle"}), f"{path}:{node.lineno}"
        if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
            assert isinstance(node.value, ast.Constant) and node.value.value is False
