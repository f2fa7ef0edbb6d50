"""Text to base model: a small Llama is trained on the lab's text and saved in the transformers layout.

Simplifications: the training text is drawn once, as many documents as the steps need, and every document is
read once; batches hold documents of like length, so hardly anything is padding. The number of steps is
fixed, so the result depends on the seed and the number of threads, not on the clock.
"""

from __future__ import annotations

import hashlib
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any, ClassVar, cast

import torch
import transformers
from torch import Tensor, nn
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from polymath.lab.card import weights_hash, world_hash, write_card
from polymath.lab.text import TextMix, documents
from polymath.lab.tokenizer import MAX_LENGTH, build_tokenizer

_BATCHES_PER_BUCKET = 50
_LOSS_SMOOTHING = 0.98

OnStep = Callable[[int, int, float, float], None]


@dataclass(frozen=True, kw_only=True)
class PretrainRecipe:
    """Every number of the pre-training. `steps_per_minute` is that of one core of a 2024 server."""

    steps_per_minute: ClassVar[float] = 200.0

    hidden_size: int = 128
    intermediate_size: int = 384
    num_layers: int = 4
    num_heads: int = 4
    initializer_range: float = 0.06
    num_steps: int = 9000
    batch_size: int = 32
    learning_rate: float = 3e-3
    final_lr_frac: float = 0.02
    warmup_steps: int = 200
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.05
    max_grad_norm: float = 1.0
    prompt_weight: float = 0.1
    mix: TextMix = field(default_factory=TextMix)


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A document as tokens; the first `num_given` of them are the prompt."""

    token_ids: tuple[int, ...]
    num_given: int


def pretrain(
    out: Path,
    *,
    minutes: float | None = None,
    seed: int = 0,
    num_threads: int | None = None,
    recipe: PretrainRecipe | None = None,
    on_step: OnStep | None = None,
) -> Path:
    """Train a base model and leave it in `out`, whole or not at all.

    `minutes` sets the number of steps by the recipe's steps a minute; without it the recipe's own number
    holds. `on_step` is told step, number of steps, smoothed loss and tokens per second.
    """
    recipe = recipe or PretrainRecipe()
    if minutes is not None:
        recipe = replace(recipe, num_steps=max(1, round(minutes * recipe.steps_per_minute)))
    if num_threads is not None:
        torch.set_num_threads(num_threads)
    started_s = time.monotonic()
    tokenizer = build_tokenizer()
    corpus, corpus_hash = encode_corpus(tokenizer, recipe, seed)
    model = build_model(tokenizer, recipe, seed)
    train(model, tokenizer, corpus, recipe, seed, on_step)
    return save(
        model,
        tokenizer,
        out,
        recipe=asdict(recipe),
        seed=seed,
        num_tokens=sum(len(document.token_ids) for document in corpus),
        num_documents=len(corpus),
        num_parameters=model.num_parameters(),
        corpus_hash=corpus_hash,
        world_hash=world_hash(),
        minutes=round((time.monotonic() - started_s) / 60, 2),
        num_threads=torch.get_num_threads(),
        versions={"torch": torch.__version__, "transformers": transformers.__version__},
    )


def encode_corpus(tokenizer: PreTrainedTokenizerFast, recipe: PretrainRecipe, seed: int) -> tuple[list[Encoded], str]:
    """The training text as tokens, and the sha256 of the text."""
    texts = list(documents(recipe.num_steps * recipe.batch_size, seed, recipe.mix))
    digest = hashlib.sha256()
    for text in texts:
        digest.update(f"{text.prompt}{text.response}\n".encode())
    given = tokenizer([text.prompt for text in texts], add_special_tokens=False)["input_ids"]
    said = tokenizer([text.response for text in texts], add_special_tokens=False)["input_ids"]
    corpus = [Encoded(token_ids=(*a, *b), num_given=len(a)) for a, b in zip(given, said, strict=True)]
    return corpus, digest.hexdigest()


def build_model(tokenizer: PreTrainedTokenizerFast, recipe: PretrainRecipe, seed: int) -> LlamaForCausalLM:
    """A fresh model; equal seeds give equal weights.

    A Llama, because transformers gives every qwen2 directory Qwen2's own tokenizer (decision 0004).
    """
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden_size,
        intermediate_size=recipe.intermediate_size,
        num_hidden_layers=recipe.num_layers,
        num_attention_heads=recipe.num_heads,
        num_key_value_heads=recipe.num_heads,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        initializer_range=recipe.initializer_range,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        use_cache=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def train(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    corpus: list[Encoded],
    recipe: PretrainRecipe,
    seed: int,
    on_step: OnStep | None = None,
) -> None:
    """One pass over the corpus with AdamW, warm-up and a cosine to nearly nothing."""
    optimizer = torch.optim.AdamW(
        _parameter_groups(model, recipe.weight_decay), lr=recipe.learning_rate, betas=recipe.betas, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _lr_frac(step, recipe))
    num_weighed = _mean_weight(corpus, recipe)
    model.train()
    started_s, num_tokens, smooth_loss = time.monotonic(), 0, math.nan
    for step, batch in enumerate(_batches(corpus, recipe, seed), start=1):
        loss = _loss(model, batch, cast(int, tokenizer.pad_token_id), recipe.prompt_weight) / num_weighed
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), recipe.max_grad_norm)
        optimizer.step()
        schedule.step()
        num_tokens += sum(len(document.token_ids) for document in batch)
        value = loss.item()
        smooth_loss = value if step == 1 else _LOSS_SMOOTHING * smooth_loss + (1 - _LOSS_SMOOTHING) * value
        if on_step:
            on_step(step, recipe.num_steps, smooth_loss, num_tokens / (time.monotonic() - started_s))
    model.eval()


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path, **card: Any) -> Path:
    """The model in the transformers layout with its card. An older model in `out` is replaced."""
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        model.generation_config = GenerationConfig(
            eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
        )
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        write_card(temporary, weights_sha256=weights_hash(temporary), **card)
        # Temporary directories and safetensors files are private; an installed model is for everybody.
        temporary.chmod(0o755)
        for file in temporary.iterdir():
            file.chmod(0o644)
        if out.exists():
            shutil.rmtree(out)
        temporary.replace(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return out


def _batches(corpus: list[Encoded], recipe: PretrainRecipe, seed: int) -> list[list[Encoded]]:
    """All documents in batches of like length, in random order."""
    rng, size = Random(f"lab/batches/{seed}"), recipe.batch_size
    batches = []
    for start in range(0, len(corpus), size * _BATCHES_PER_BUCKET):
        bucket = sorted(corpus[start : start + size * _BATCHES_PER_BUCKET], key=lambda d: len(d.token_ids))
        cut = [bucket[at : at + size] for at in range(0, len(bucket), size)]
        rng.shuffle(cut)
        batches.extend(cut)
    return batches


def _loss(model: LlamaForCausalLM, batch: list[Encoded], pad_id: int, prompt_weight: float) -> Tensor:
    """Weighted sum of the cross-entropy of next tokens. Right padding needs no mask: attention looks back."""
    length = max(len(document.token_ids) for document in batch)
    token_ids_BL = torch.full((len(batch), length), pad_id)
    weight_BL = torch.zeros(len(batch), length)
    for row, document in enumerate(batch):
        token_ids_BL[row, : len(document.token_ids)] = torch.tensor(document.token_ids)
        weight_BL[row, : len(document.token_ids)] = 1.0
        weight_BL[row, : document.num_given] = prompt_weight
    logits_BLV = model(input_ids=token_ids_BL[:, :-1], use_cache=False).logits
    losses = nn.functional.cross_entropy(logits_BLV.flatten(0, 1), token_ids_BL[:, 1:].flatten(), reduction="none")
    weights = weight_BL[:, 1:].flatten()
    return (losses * weights).sum()


def _mean_weight(corpus: list[Encoded], recipe: PretrainRecipe) -> float:
    """Weight of a batch's tokens, on average. One divisor for all, so that a token counts alike in every batch.

    Batches hold documents of like length: divided each by its own weight, short direct answers would count more.
    """
    num_given = sum(document.num_given for document in corpus)
    num_said = sum(len(document.token_ids) for document in corpus) - num_given
    return (num_said + recipe.prompt_weight * num_given) / len(corpus) * recipe.batch_size


def _lr_frac(step: int, recipe: PretrainRecipe) -> float:
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    progress = (step - recipe.warmup_steps) / max(1, recipe.num_steps - recipe.warmup_steps)
    return recipe.final_lr_frac + (1 - recipe.final_lr_frac) * (1 + math.cos(math.pi * min(1.0, progress))) / 2


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay; biases and norms do not."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
