#!/usr/bin/env python3
"""Writes a Hugging Face folder of a Llama with random weights: config.json and model.safetensors, no tokenizer.

    make_random_llama.py OUT [--shape 3b|tiny] [--layers N] [--dtype bfloat16|float32] [--device cpu|cuda]

Shape `3b` is that of Llama-3.2-3B. Weights are normal and never zero, so that no kernel is fast or right by accident:
norms around 1, embeddings with deviation 0.02, projections with 1 / sqrt(inputs), so that every layer moves the logits.
The same device and options give the same file. Needs torch only; tensors are made one at a time on the device and
copied into the mapped file.
"""
import argparse
import json
import sys
from pathlib import Path

import torch

SHAPES = {
    "3b": {"hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 28, "num_attention_heads": 24,
           "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 128256, "max_position_embeddings": 131072},
    "tiny": {"hidden_size": 96, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 6,
             "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 320, "max_position_embeddings": 131072},
}
COMMON = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False, "mlp_bias": False,
    "hidden_act": "silu", "initializer_range": 0.02, "rms_norm_eps": 1e-5, "tie_word_embeddings": True,
    "use_cache": True, "bos_token_id": 0, "eos_token_id": 1, "rope_theta": 500000.0,
    "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                     "original_max_position_embeddings": 8192, "rope_type": "llama3"},
}
FILE_DTYPE = {"bfloat16": "BF16", "float32": "F32"}


def tensor_shapes(config):
    """The names and shapes of a tied Llama, in the order in which they lie in the file."""
    width, ffn = config["hidden_size"], config["intermediate_size"]
    q_rows = config["num_attention_heads"] * config["head_dim"]
    kv_rows = config["num_key_value_heads"] * config["head_dim"]
    shapes = {"model.embed_tokens.weight": (config["vocab_size"], width)}
    for layer in range(config["num_hidden_layers"]):
        name = f"model.layers.{layer}."
        shapes |= {
            name + "input_layernorm.weight": (width,),
            name + "self_attn.q_proj.weight": (q_rows, width),
            name + "self_attn.k_proj.weight": (kv_rows, width),
            name + "self_attn.v_proj.weight": (kv_rows, width),
            name + "self_attn.o_proj.weight": (width, q_rows),
            name + "post_attention_layernorm.weight": (width,),
            name + "mlp.gate_proj.weight": (ffn, width),
            name + "mlp.up_proj.weight": (ffn, width),
            name + "mlp.down_proj.weight": (width, ffn),
        }
    return shapes | {"model.norm.weight": (width,)}


def header_of(shapes, dtype):
    """The safetensors header, padded to 8 bytes, and each tensor's place behind it."""
    places, end = {}, 0
    for name, shape in shapes.items():
        count = torch.Size(shape).numel()
        places[name] = (end, end + count * dtype.itemsize)
        end = places[name][1]
    file_dtype = FILE_DTYPE[str(dtype).removeprefix("torch.")]
    entries = {name: {"dtype": file_dtype, "shape": list(shape), "data_offsets": list(places[name])}
               for name, shape in shapes.items()}
    text = json.dumps({"__metadata__": {"format": "pt"}, **entries}).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, places, end


def random_weight(name, shape, dtype, generator):
    deviation = shape[1] ** -0.5 if "proj" in name else 0.02
    weight = torch.empty(shape, dtype=dtype, device=generator.device).normal_(0.0, deviation, generator=generator)
    weight.masked_fill_(weight == 0, deviation)
    return weight + 1 if len(shape) == 1 else weight


def write_weights(path, shapes, dtype, device):
    header, places, size = header_of(shapes, dtype)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + size)
    storage = torch.UntypedStorage.from_file(str(path), shared=True, nbytes=len(header) + size)
    mapped = torch.empty(0, dtype=torch.uint8).set_(storage)
    generator = torch.Generator(device).manual_seed(1)
    for name, shape in shapes.items():
        begin, end = (len(header) + at for at in places[name])
        weight = random_weight(name, shape, dtype, generator)
        mapped[begin:end].view(dtype).view(shape).copy_(weight)


def write_model(folder, shape="3b", layers=None, dtype=torch.bfloat16, device="cpu"):
    """Returns the number of bytes of the weight file."""
    config = {**COMMON, **SHAPES[shape], "torch_dtype": str(dtype).removeprefix("torch.")}
    config["num_hidden_layers"] = layers or config["num_hidden_layers"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    weights = folder / "model.safetensors"
    write_weights(weights, tensor_shapes(config), dtype, device)
    return weights.stat().st_size


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--shape", choices=list(SHAPES), default="3b")
    parser.add_argument("--layers", type=int, help="fewer layers than the shape has")
    parser.add_argument("--dtype", choices=list(FILE_DTYPE), default="bfloat16")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    size = write_model(options.out, options.shape, options.layers, getattr(torch, options.dtype), options.device)
    print(json.dumps({"model": str(options.out), "bytes": size}))


if __name__ == "__main__":
    sys.exit(main())
