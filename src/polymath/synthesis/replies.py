"""Every request and its reply on disk, so that nothing is paid for twice and a run can be replayed offline.

    replies.jsonl    one object a reply, appended and synced as it comes: what was asked of which model with which
                     decoding, what came back, when, how many tokens, what it cost. Never a key.

A reply is found again by the id of its request and by `key`, a hash of everything that was asked: a changed plan asks
anew only what is different. Addresses are stored for people and are not part of the key, so that a server may move.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from polymath.errors import RunFolderError
from polymath.evaluation.unfinished import append_rows, locked_file
from polymath.llm import Endpoint, Reply, Request, Usage, usage_of
from polymath.runs import telling_disk_errors


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request with a name of its own. `name` is the endpoint's name in the plan."""

    id: str
    name: str
    endpoint: Endpoint
    request: Request

    @property
    def key(self) -> str:
        """A hash of what is asked of whom; equal for equal questions under the same id."""
        asked = [self.id, self.name, self.endpoint.model, asdict(self.request)]
        return hashlib.sha256(json.dumps(asked, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:16]


class Replies:
    """The replies that are known, and the file they grow into: `with Replies(path) as replies`.

    One opener at a time may grow a file; `read` only looks. `add` may be called from several threads. Raises
    RunFolderError, on entering, for a file that another process grows or that holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.usage = Usage()
        self._rows: dict[tuple[str, str], dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._file: TextIO | None = None
        self._open = ExitStack()

    @classmethod
    def read(cls, path: Path) -> Replies:
        """The whole replies of a file, to look at; nothing can be added. Raises RunFolderError."""
        replies = cls(path)
        replies._read()
        return replies

    def __enter__(self) -> Replies:
        """Ready to grow; a last line that a kill has torn is cut off."""
        with ExitStack() as opening:
            file = opening.enter_context(locked_file(self.path))
            # Read under the lock: what another process paid for before it let go is not wiped, nor paid for again.
            kept_bytes = self._read()
            with telling_disk_errors(self.path):
                file.truncate(kept_bytes)
            self._file = file
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._file = None
            self._open.close()

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, ask: Ask) -> Reply | None:
        """The reply to this very request, where there is one."""
        row = self._rows.get((ask.id, ask.key))
        return None if row is None else reply_of(row)

    def row(self, ask: Ask) -> dict[str, Any] | None:
        """Everything that is stored of this request and its reply."""
        return self._rows.get((ask.id, ask.key))

    def add(self, ask: Ask, reply: Reply) -> None:
        """Store a reply; it is on disk when this returns. After the file is closed, nothing is stored."""
        self.copy(row_of(ask, reply))

    def copy(self, row: Mapping[str, Any]) -> None:
        """Store a row as it is: a reply of a recorded run."""
        with self._lock, telling_disk_errors(self.path):
            if self._file is None:
                return
            append_rows(self._file, [row])
            self._remember(dict(row))

    def _read(self) -> int:
        """Take what is in the file; returns the bytes of its whole lines."""
        self.usage, self._rows = Usage(), {}
        with telling_disk_errors(self.path):
            raw = self.path.read_bytes()
        kept_bytes = raw.rfind(b"\n") + 1
        for number, line in enumerate(raw[:kept_bytes].split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                self._remember(row)
            except (ValueError, KeyError, TypeError) as error:
                raise RunFolderError(
                    f"{self.path}:{number}",
                    f"is no recorded reply ({type(error).__name__})",
                    "remove the line, or choose another folder",
                ) from None
        return kept_bytes

    def _remember(self, row: dict[str, Any]) -> None:
        reply_of(row)
        self.usage += usage_of_row(row)
        self._rows[str(row["id"]), str(row["key"])] = row


def row_of(ask: Ask, reply: Reply) -> dict[str, Any]:
    """A request and its reply as they are stored."""
    request = asdict(ask.request)
    return {
        "id": ask.id,
        "key": ask.key,
        "name": ask.name,
        "server": ask.endpoint.where,
        "model": ask.endpoint.model,
        "served_model": reply.model,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": request.pop("system"),
        "prompt": request.pop("text"),
        "decoding": request,
        "reply": reply.text,
        "reasoning": reply.reasoning,
        **{name: getattr(reply, name) for name in _PLAIN},
        "cost": usage_of(reply, ask.endpoint).cost,
    }


def reply_of(row: Mapping[str, Any]) -> Reply:
    """The reply of a stored row."""
    plain = {name: row[name] for name in _PLAIN}
    return Reply(text=str(row["reply"]), reasoning=str(row["reasoning"]), model=str(row["served_model"]), **plain)


def usage_of_row(row: Mapping[str, Any]) -> Usage:
    """What a stored reply took, at the prices of its day."""
    reply = reply_of(row)
    unpriced = usage_of(reply, Endpoint(url="http://localhost/v1", model="unpriced", price_in=0, price_out=0))
    return Usage(**{**vars(unpriced), "cost": row["cost"]})


def total_usage(rows: Iterable[Mapping[str, Any]]) -> Usage:
    """The sum over stored replies."""
    return sum((usage_of_row(row) for row in rows), Usage())


_PLAIN = tuple(one.name for one in fields(Reply) if one.name not in ("text", "reasoning", "model"))
