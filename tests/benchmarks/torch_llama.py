"""A compact Llama in plain PyTorch, for the yardstick `decode_torch.py`: weights of a Hugging Face folder, prefill of one
prompt, and one decoding step over a static cache. Nothing but torch. Rows share the prompt's keys and values (the
`prefix`) or hold a copy each.

Letters: B rows, T tokens, P prompt tokens, S places of a row's own cache, H query heads, K key/value heads, G = H / K,
D head size, C width, F feed-forward width, V vocabulary, L layers.
"""
import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional as F

TORCH_DTYPE = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}


def read_safetensors(path):
    """name -> tensor over the mapped file."""
    size = path.stat().st_size
    mapped = torch.empty(0, dtype=torch.uint8).set_(
        torch.UntypedStorage.from_file(str(path), shared=False, nbytes=size))
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {name: mapped[slice(*(8 + length + at for at in entry["data_offsets"]))]
            .view(TORCH_DTYPE[entry["dtype"]]).view(entry["shape"]) for name, entry in header.items()}


@dataclass
class Layer:
    norm1: torch.Tensor  # (C)
    qkv: torch.Tensor  # (H·D + 2·K·D, C)
    out: torch.Tensor  # (C, H·D)
    norm2: torch.Tensor  # (C)
    gate_up: torch.Tensor  # (2·F, C)
    down: torch.Tensor  # (C, F)


@dataclass(frozen=True)
class Shape:
    heads: int
    kv_heads: int
    head_dim: int
    eps: float


def rope_frequencies(config):
    """(D/2) float32, with the rescaling of Llama 3 where config.json asks for it."""
    head_dim = config["head_dim"]
    inverse = config["rope_theta"] ** -(torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    scaling = config.get("rope_scaling")
    if not scaling:
        return inverse
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    turns = scaling["original_max_position_embeddings"] * inverse / (2 * math.pi)
    smooth = ((turns - low) / (high - low)).clamp(0, 1)
    return (1 - smooth) * inverse / scaling["factor"] + smooth * inverse


class Llama:
    """The weights of a folder on a device, with the projections that read the same input joined."""

    def __init__(self, folder, device, dtype, positions):
        config = json.loads((Path(folder) / "config.json").read_text())
        self.config = config
        self.shape = Shape(config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"],
                           config["rms_norm_eps"])
        weights = read_safetensors(Path(folder) / "model.safetensors")

        def take(*names):
            return torch.cat([weights[name + ".weight"].to(device, dtype) for name in names])

        self.embedding = take("model.embed_tokens")  # (V, C), also the output layer
        self.norm = take("model.norm")
        self.layers = []
        for number in range(config["num_hidden_layers"]):
            name = f"model.layers.{number}."
            attention, mlp = name + "self_attn.", name + "mlp."
            self.layers.append(Layer(
                norm1=take(name + "input_layernorm"),
                qkv=take(attention + "q_proj", attention + "k_proj", attention + "v_proj"),
                out=take(attention + "o_proj"),
                norm2=take(name + "post_attention_layernorm"),
                gate_up=take(mlp + "gate_proj", mlp + "up_proj"),
                down=take(mlp + "down_proj")))
        angles = torch.arange(positions, dtype=torch.float32)[:, None] * rope_frequencies(config)
        self.cos = torch.cat([angles.cos(), angles.cos()], -1).to(device)  # (positions, D) float32
        self.sin = torch.cat([angles.sin(), angles.sin()], -1).to(device)


def rms_norm(x, weight, eps):
    wide = x.float()
    return weight * (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)).to(x.dtype)


def rotate(x, cos, sin):
    """x (…, D), cos and sin broadcast against it."""
    half = x.shape[-1] // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], -1)
    return (x.float() * cos + turned.float() * sin).to(x.dtype)


def project_qkv(x, layer, cos, sin, shape):
    """x (B, T, C) -> q (B, T, H, D), k and v (B, T, K, D), rotated; cos and sin (T, 1, D)."""
    heads, kv_heads = shape.heads, shape.kv_heads
    joined = F.linear(rms_norm(x, layer.norm1, shape.eps), layer.qkv).unflatten(-1, (-1, shape.head_dim))
    q, k, v = joined.split([heads, kv_heads, kv_heads], dim=-2)
    return rotate(q, cos, sin), rotate(k, cos, sin), v


def finish_block(x, attended, layer, shape):
    """The residual stream (B, T, C) behind attention (B, T, H·D) and the feed-forward part."""
    x = x + F.linear(attended, layer.out)
    gate, up = F.linear(rms_norm(x, layer.norm2, shape.eps), layer.gate_up).chunk(2, -1)
    return x + F.linear(F.silu(gate) * up, layer.down)


def prefill(model, ids):
    """ids (P) -> the prompt's keys and values, a list of (k, v) per layer, each (K, P, D)."""
    shape, length = model.shape, len(ids)
    cos, sin = model.cos[:length, None], model.sin[:length, None]
    x = model.embedding[ids][None]  # (1, P, C)
    cache = []
    for layer in model.layers:
        q, k, v = (t.transpose(1, 2) for t in project_qkv(x, layer, cos, sin, shape))  # (1, heads, P, D)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        cache.append((k[0].contiguous(), v[0].contiguous()))
        x = finish_block(x, attended.transpose(1, 2).flatten(2), layer, shape)
    return cache


def attend(q, prefix, own, place):
    """q (B, K, G, D) over the shared prefix (k, v: (K, P, D)) and the row's own cache (k, v: (B, K, S, D)).

    One softmax in float32 over both; places of the own cache behind `place` (1) are masked.
    """
    rows, kv_heads, groups, head_dim = q.shape
    own_scores = (q @ own[0].transpose(-1, -2)).float()  # (B, K, G, S)
    visible = torch.arange(own[0].shape[2], device=q.device) <= place
    scores = own_scores.masked_fill(~visible, -torch.inf)
    length = prefix[0].shape[1]
    if length:
        together = q.transpose(0, 1).reshape(kv_heads, rows * groups, head_dim)
        shared = (together @ prefix[0].transpose(-1, -2)).view(kv_heads, rows, groups, length).transpose(0, 1)
        scores = torch.cat([shared.float(), scores], -1)  # (B, K, G, P + S)
    weights = (scores * head_dim**-0.5).softmax(-1).to(q.dtype)
    mixed = weights[..., length:] @ own[1]
    if length:
        together = weights[..., :length].transpose(0, 1).reshape(kv_heads, rows * groups, length)
        mixed = mixed + (together @ prefix[1]).view(kv_heads, rows, groups, head_dim).transpose(0, 1)
    return mixed


def decode_block(x, weights, angles, prefix, own, place, shape):
    """One layer of one step: x (B, 1, C); writes the new keys and values at `place` (1) of the row's own cache."""
    layer = Layer(*weights)
    q, k, v = project_qkv(x, layer, *angles, shape)
    own[0].index_copy_(2, place, k.transpose(1, 2))
    own[1].index_copy_(2, place, v.transpose(1, 2))
    grouped = q[:, 0].unflatten(1, (shape.kv_heads, -1))  # (B, K, G, D)
    return finish_block(x, attend(grouped, prefix, own, place).flatten(1)[:, None], layer, shape)
