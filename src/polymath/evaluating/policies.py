"""A model by whatever name -> the policy that answers, what is stored of it, and the cache of its answers."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polymath.errors import EndpointError, ModelError
from polymath.evaluating.settings import URL, Served, Settings
from polymath.jobs import load_policy
from polymath.machine import choose_threads, versions
from polymath.provenance import code_hash

if TYPE_CHECKING:
    from polymath.evaluation.cache import AnswerCache
    from polymath.rollouts.policy import Policy

ENGINES = ("local", "vllm")
BESIDE = ("*.json", "*.jinja", "*.model", "*.txt")


def open_policy(model: str, settings: Settings) -> tuple[Policy, dict[str, Any]]:
    """The policy, and what is stored of it with every result."""
    if URL.match(model):
        return _open_endpoint(model, settings.served)
    if settings.engine == "vllm":
        from polymath.rollouts.vllm import VllmPolicy

        policy: Policy = VllmPolicy.load(_directory(model), dtype=str(settings.dtype))
        return policy, {"model": model, "engine": "vllm", "dtype": settings.dtype, **_weights(model, policy)}
    if settings.engine not in ENGINES:
        raise ModelError("--engine", f"there is no {settings.engine!r}", f"use one of {', '.join(ENGINES)}")
    local = load_policy(
        model, device=settings.device, dtype=str(settings.dtype), threads=choose_threads(settings.threads)
    )
    facts = {"model": model, "engine": "local", "dtype": settings.dtype, "device": str(local.model.device)}
    return local, {**facts, **_weights(model, local)}


def _open_endpoint(url: str, served: Served) -> tuple[Policy, dict[str, Any]]:
    from polymath.llm import Endpoint
    from polymath.rollouts.endpoint import EndpointPolicy

    endpoint = Endpoint(
        url=url,
        model=served.model or "unnamed",
        key_env=served.key_env,
        max_concurrency=served.concurrency,
        price_in=served.price_in,
        price_out=served.price_out,
    )
    if not served.model:
        raise EndpointError(endpoint.where, "serves a model whose name is not given", "name it with --served-model")
    policy = EndpointPolicy(endpoint, on_trouble=lambda line: print(line, file=sys.stderr))
    facts = {"model": f"{served.model} at {endpoint.where}", "engine": "endpoint", "dtype": "unknown"}
    # Its name, not its address: a server that was started again may have another port.
    facts["asked_of"] = served.model
    return policy, {**facts, "concurrency": served.concurrency}


def _directory(model: str) -> str:
    from polymath.lab import model_dir

    return str(model_dir()) if model == "lab" else model


def _weights(model: str, policy: Any) -> dict[str, str]:
    """What identifies the weights: a hash of the files, or the commit of the hub."""
    from polymath.rollouts.local import hash_weights

    directory = Path(_directory(model))
    if directory.is_dir():
        return {"weights_sha256": hash_weights(directory)}
    commit = getattr(getattr(policy, "model", None), "config", None)
    commit = getattr(commit, "_commit_hash", None)
    return {"weights_sha256": f"hub:{model}@{commit}"} if commit else {}


def _engine_version(facts: Mapping[str, Any]) -> dict[str, str]:
    if facts["engine"] != "vllm":
        return {}
    from polymath.rollouts.vllm import engine_version

    return engine_version()


def _hash_beside(model: str) -> str:
    """Of what decides answers beside the weights: configuration, tokenizer, chat template. "" for a hub's commit."""
    directory = Path(_directory(model))
    digest = hashlib.sha256()
    for file in sorted(path for pattern in BESIDE for path in directory.glob(pattern)) if directory.is_dir() else []:
        digest.update(f"{file.name}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def open_cache(facts: Mapping[str, Any], settings: Settings) -> AnswerCache | None:
    """Answers of these very weights; None where nothing identifies them."""
    from polymath.evaluation.cache import AnswerCache, cache_folder

    if "weights_sha256" not in facts:
        return None
    computed_by = {name: facts.get(name) for name in ("weights_sha256", "dtype", "engine")}
    return AnswerCache(
        cache_folder(),
        {
            **computed_by,
            "device": str(facts.get("device", "")).split(":")[0],
            "seed": settings.seed,
            "versions": {**versions(), **_engine_version(facts)},
            "beside_weights": _hash_beside(str(facts["model"])),
            "code": code_hash(("rollouts",)),
        },
    )
