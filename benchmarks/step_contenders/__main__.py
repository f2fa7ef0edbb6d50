"""Three trainers that take the same step, each in a process of its own: what one_shot_step.py measures.

In: a JSON object on the command line (`Setup`), then commands on standard input, one JSON object a line: `check` (loss
and gradient of given responses at the first weights), `step`, `quit`. Out: one JSON object for each. A contender loads
the model as we do, in float32, and runs its own whole step: rollouts, rewards, gradients, AdamW.

tasks.py      what they are told, and what they train
gate.py       where they wait, and what is measured
ours.py       our engine
with_trl.py   TRL's GRPOTrainer
plain.py      a loop on transformers
padded.py     what the last two share
"""

from __future__ import annotations

import json
import sys

from tasks import Setup, load_task


def main() -> None:
    """Load, and serve until told to quit. A contender is imported alone: its libraries are part of its memory."""
    setup = Setup(**json.loads(sys.argv[1]))
    task = load_task(setup)
    if setup.contender == "ours":
        from ours import serve
    elif setup.contender == "trl":
        from with_trl import serve
    elif setup.contender == "plain":
        from plain import serve
    else:
        raise SystemExit(f"there is no contender {setup.contender}")
    serve(setup, task)


if __name__ == "__main__":
    main()
