"""Names of skills in, their embeddings out, from the /v1/embeddings of an OpenAI-compatible server.

    vectors.jsonl    {"model", "name", "vector"}, appended as they come; a name is asked for once

Optional: without it names are compared by stems and letters (skill_names.py).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from polymath.errors import EndpointError
from polymath.llm import Endpoint
from polymath.llm.key import Key, read_key
from polymath.runs import telling_disk_errors

NAMES_A_CALL = 64
_PASSING = frozenset({408, 409, 425, 429})
SHOWN_CHARACTERS = 200


def embed(endpoint: Endpoint, names: Iterable[str], store: Path) -> dict[str, list[float]]:
    """Name to vector, for all names; raises EndpointError where the server refuses or says what is no vector."""
    wanted = sorted(set(names))
    known = _read(store, endpoint.model)
    missing = [name for name in wanted if name not in known]
    key = read_key(endpoint)
    for start in range(0, len(missing), NAMES_A_CALL):
        batch = missing[start : start + NAMES_A_CALL]
        found = dict(zip(batch, _ask(endpoint, key, batch), strict=True))
        rows = [{"model": endpoint.model, "name": name, "vector": vector} for name, vector in found.items()]
        with telling_disk_errors(store), store.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
            file.flush()
            os.fsync(file.fileno())
        known |= found
    return {name: known[name] for name in wanted}


def _read(store: Path, model: str) -> dict[str, list[float]]:
    known = {}
    for line in store.read_text(encoding="utf-8").split("\n") if store.exists() else []:
        try:
            row = json.loads(line)
            if row["model"] == model:
                known[row["name"]] = row["vector"]
        except (ValueError, KeyError, TypeError):
            continue  # torn by a kill
    return known


def _ask(endpoint: Endpoint, key: Key, names: list[str]) -> list[list[float]]:
    import httpx2

    address = endpoint.address("embeddings")
    trouble = ""
    for attempt in range(1 + endpoint.max_retries):
        time.sleep(0 if attempt == 0 else min(30.0, endpoint.backoff_s * 2.0 ** (attempt - 1)))
        try:
            response = httpx2.post(
                address,
                json={"model": endpoint.model, "input": names},
                headers=key.headers(),
                timeout=endpoint.timeout_s,
                trust_env=not endpoint.is_local,
            )
        except httpx2.HTTPError as error:
            trouble = key.blot(f"{type(error).__name__}: {error}")
            continue
        if response.status_code == 200:
            return _vectors(endpoint, response.content, len(names))
        trouble = key.blot(f"HTTP {response.status_code} ({response.text[:SHOWN_CHARACTERS]})")
        if response.status_code not in _PASSING and response.status_code < 500:
            break
    raise EndpointError(endpoint.where, f"gives no embeddings: {trouble}", "see whether it serves /embeddings")


def _vectors(endpoint: Endpoint, raw: bytes, count: int) -> list[list[float]]:
    try:
        data: list[dict[str, Any]] = sorted(json.loads(raw)["data"], key=lambda one: one["index"])
        vectors = [[float(value) for value in one["embedding"]] for one in data]
    except (ValueError, KeyError, TypeError) as error:
        raise EndpointError(
            endpoint.where, f"answers with something that is no list of vectors ({error})", "use another server"
        ) from error
    if len(vectors) != count or len({len(vector) for vector in vectors}) != 1 or not vectors[0]:
        raise EndpointError(endpoint.where, f"gives {len(vectors)} vectors for {count} names", "use another server")
    return vectors
