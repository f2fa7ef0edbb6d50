"""The figures of a config.json to a model's shape, in closed form: no torch, no weights, nothing made.

Decoders as Llama and Qwen2 have them: RMSNorm twice a layer and once at the end, a gated feed-forward of three
matrices, grouped keys and values, biases on q, k and v where the family has them. DECODERS are the published configs of
models that one-sample papers train.
"""

from __future__ import annotations

from polymath.doctoring.shape import Shape


def decoder_shape(
    *,
    layers: int,
    hidden: int,
    intermediate: int,
    heads: int,
    kv_heads: int,
    vocabulary: int,
    is_tied: bool,
    has_qkv_bias: bool,
    model_type: str = "qwen2",
    context: int = 32768,
) -> Shape:
    """The shape, as doctoring.shape finds it in the model itself."""
    head_size = hidden // heads
    attended, kept = heads * head_size, kv_heads * head_size
    matrices = [hidden * attended, hidden * kept, hidden * kept, attended * hidden, *[hidden * intermediate] * 3]
    vectors = [hidden, hidden, *([attended, kept, kept] if has_qkv_bias else [])]
    embedding = vocabulary * hidden
    outside = [hidden, embedding] if is_tied else [hidden, embedding, embedding]
    tensors = [*(matrices + vectors) * layers, *outside]
    return Shape(
        model_type=model_type,
        layers=layers,
        hidden=hidden,
        intermediate=intermediate,
        heads=heads,
        kv_heads=kv_heads,
        head_size=head_size,
        vocabulary=vocabulary,
        context=context,
        parameters=sum(tensors),
        in_layers=layers * sum(matrices),
        head=embedding,
        is_tied=is_tied,
        largest=max(tensors),
        small=sum(numbers for numbers in tensors if numbers < 4096),
    )


def _qwen(layers: int, hidden: int, inner: int, heads: int, kv_heads: int, vocabulary: int = 152064) -> Shape:
    return decoder_shape(
        layers=layers,
        hidden=hidden,
        intermediate=inner,
        heads=heads,
        kv_heads=kv_heads,
        vocabulary=vocabulary,
        is_tied=vocabulary == 151936,
        has_qkv_bias=True,
    )


def _llama(layers: int, hidden: int, inner: int, heads: int, *, is_tied: bool = False) -> Shape:
    return decoder_shape(
        layers=layers,
        hidden=hidden,
        intermediate=inner,
        heads=heads,
        kv_heads=8,
        vocabulary=128256,
        is_tied=is_tied,
        has_qkv_bias=False,
        model_type="llama",
        context=131072,
    )


# Names as behind the slash of a hub id; -Math, -Instruct and the like do not change a shape.
DECODERS: dict[str, Shape] = {
    "Qwen2.5-0.5B": _qwen(24, 896, 4864, 14, 2, 151936),
    "Qwen2.5-1.5B": _qwen(28, 1536, 8960, 12, 2, 151936),
    "Qwen2.5-7B": _qwen(28, 3584, 18944, 28, 4),
    "Qwen2.5-14B": _qwen(48, 5120, 13824, 40, 8),
    "Qwen2.5-32B": _qwen(64, 5120, 27648, 40, 8),
    "Qwen2.5-72B": _qwen(80, 8192, 29568, 64, 8),
    "Llama-3.2-3B": _llama(28, 3072, 8192, 24, is_tied=True),
    "Llama-3.1-8B": _llama(32, 4096, 14336, 32),
    "Llama-3.1-70B": _llama(80, 8192, 28672, 64),
}


def find_decoder(path: str) -> Shape | None:
    """The shape of a model that is named after one of DECODERS, else None."""
    name = path.rpartition("/")[2].replace("-Math", "").removesuffix("-Instruct").removesuffix("-Base")
    return DECODERS.get(name)
