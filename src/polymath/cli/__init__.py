"""One command per stage. Artifacts and results on stdout, everything else on stderr.

Exit codes: 0 ok, 1 the answer is no, 2 user error in one line, 130 stopped and saved.
`--help` answers without importing torch.
"""

from __future__ import annotations

import os
import sys

from polymath.cli import (
    ablate,
    audit,
    doctor,
    engine,
    evaluation,
    export,
    features,
    lab,
    probing,
    selection,
    skills,
    stages,
    synthesis,
    tournament,
)
from polymath.cli.options import app
from polymath.errors import Stopped, UserError

__all__ = [
    "ablate",
    "app",
    "audit",
    "doctor",
    "engine",
    "evaluation",
    "export",
    "features",
    "lab",
    "main",
    "probing",
    "selection",
    "skills",
    "stages",
    "synthesis",
    "tournament",
]


def main() -> None:
    """Entry point: turns our errors into one line and an exit code."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # forked workers would warn on stderr
    if int(os.environ.get("RANK", "0")) and int(os.environ.get("WORLD_SIZE", "1")) > 1:  # torchrun
        from polymath.engines.ranks import follow_rank_0
        from polymath.jobs import load_trainable

        follow_rank_0(load_trainable)
        return
    is_torn = False  # from the other ranks, in the middle of a task
    try:
        app(standalone_mode=True)
    except UserError as error:
        print(f"polymath: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except Stopped as stop:
        print(f"polymath: {stop}", file=sys.stderr)
        raise SystemExit(130) from None
    except KeyboardInterrupt:
        is_torn = True
        print("polymath: stopped", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        # The reader has seen enough. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    finally:
        if "polymath.rollouts.ranks" in sys.modules and not is_torn:
            from polymath.rollouts.ranks import leave

            leave()
