#!/usr/bin/env python3
"""Compares what thoughtrank reads in config.json with transformers' LlamaConfig.from_pretrained; exits 1 on any difference.

    tests/parity/config_parity.py SHOW_CONFIG

SHOW_CONFIG (built from tests/model/show_config.cpp) gives the values of the folders named on stdin. Every key of LlamaConfig
is left out, set to null and changed in the published files of each generation. A file that transformers reads must be read
to the same values, or be refused for one of the reasons in REFUSED: mathematics that thoughtrank does not have, sizes that
no Llama has, values that contradict each other."""

import copy
import json
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

from transformers import LlamaConfig

LLAMA_1 = {"architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu",
           "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 11008, "max_position_embeddings": 2048,
           "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 32, "pad_token_id": 0,
           "rms_norm_eps": 1e-06, "tie_word_embeddings": False, "torch_dtype": "float16",
           "transformers_version": "4.28.0.dev0", "use_cache": True, "vocab_size": 32000}
LLAMA_2 = {**LLAMA_1, "num_key_value_heads": 32, "pretraining_tp": 2, "rope_scaling": None, "max_position_embeddings": 4096,
           "rms_norm_eps": 1e-05, "transformers_version": "4.31.0.dev0"}
FACTORS = {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192}
LLAMA_3 = {**LLAMA_2, "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 128000,
           "eos_token_id": [128001, 128008, 128009], "head_dim": 128, "hidden_size": 3072, "intermediate_size": 8192,
           "max_position_embeddings": 131072, "mlp_bias": False, "num_attention_heads": 24, "num_hidden_layers": 28,
           "num_key_value_heads": 8, "rope_scaling": {**FACTORS, "rope_type": "llama3"}, "rope_theta": 500000.0,
           "tie_word_embeddings": True, "torch_dtype": "bfloat16", "vocab_size": 128256, "pretraining_tp": 1}
NEWEST = {key: value for key, value in LLAMA_3.items() if key not in ("rope_scaling", "rope_theta", "torch_dtype", "pad_token_id")}
NEWEST |= {"dtype": "bfloat16", "rope_parameters": {**FACTORS, "rope_type": "llama3", "rope_theta": 500000.0},
           "transformers_version": "5.0.0", "pad_token_id": None}
PUBLISHED = {"llama-1": LLAMA_1, "llama-2": LLAMA_2, "llama-3.2": LLAMA_3, "transformers-5": NEWEST}

LEAVE_OUT = object()

# Each key, with the values that it is given besides LEAVE_OUT and null.
VALUES = {
    "architectures": [["LlamaForCausalLM"], []],
    "attention_bias": [False, True],
    "attention_dropout": [0.0, 0.1],
    "bos_token_id": [0, 5],
    "dtype": ["float32", "bfloat16", "auto"],
    "eos_token_id": [5, [5], [5, 7]],
    "head_dim": [64, 128],
    "hidden_act": ["silu", "swish", "gelu"],
    "hidden_size": [1536, 4608],
    "initializer_range": [0.01],
    "intermediate_size": [1, 4096],
    "max_position_embeddings": [512],
    "mlp_bias": [False, True],
    "num_attention_heads": [8, 16],
    "num_hidden_layers": [1, 40],
    "num_key_value_heads": [1, 4, 8],
    "pad_token_id": [0, 7],
    "partial_rotary_factor": [1.0, 0.5],
    "pretraining_tp": [1, 2],
    "quantization_config": [{"quant_method": "bitsandbytes", "load_in_4bit": True}],
    "rms_norm_eps": [1e-6, 1e-5],
    "rope_parameters": [{}, {"rope_type": "default"}, {"rope_theta": 7e5}, {"rope_type": "default", "rope_theta": 7e5},
                        {"rope_type": "default", "rope_theta": 7e5, "partial_rotary_factor": 1.0},
                        {**FACTORS, "rope_type": "llama3", "rope_theta": 5e5}, {"rope_type": "linear", "factor": 2.0}],
    "rope_scaling": [{}, {"type": "default"}, {"rope_type": "default"}, {**FACTORS, "type": "llama3"},
                     {**FACTORS, "rope_type": "llama3"}, {"type": "linear", "factor": 2.0}, {"type": "dynamic", "factor": 2.0}],
    "rope_theta": [10000, 5e5],
    "tie_word_embeddings": [False, True],
    "torch_dtype": ["float16", "bfloat16"],
    "transformers_version": ["4.28.0"],
    "use_cache": [False],
    "vocab_size": [150000],
    "_name_or_path": ["meta-llama/Llama-2-7b-hf"],
    "a_key_that_nobody_knows": [1],
}

# Why a file that transformers reads may be refused, by a part of our message.
REFUSED = ("'attention_bias' is true", "'mlp_bias' is true", "'partial_rotary_factor' is 0.5", "quantization_config",
           "hidden_act", "rope_type 'linear'", "type 'linear'", "type 'dynamic'", "contradict each other",
           "is not a multiple of num_key_value_heads", "is not a multiple of num_attention_heads", "head_dim is",
           "is missing", "should be", "beside it is")


def variants():
    for name, published in PUBLISHED.items():
        yield name, published
        for key, values in VALUES.items():
            for value in [LEAVE_OUT, None, *values]:
                changed = copy.deepcopy(published)
                if value is LEAVE_OUT:
                    if key not in changed:
                        continue
                    del changed[key]
                else:
                    changed[key] = value
                yield f"{name}, {key} {'left out' if value is LEAVE_OUT else json.dumps(value)}", changed
        for key in FACTORS:
            place = "rope_scaling" if name == "llama-3.2" else "rope_parameters"
            if place not in published or not published[place]:
                continue
            changed = copy.deepcopy(published)
            del changed[place][key]
            yield f"{name}, {place}.{key} left out", changed
    yield "nothing but the type", {"model_type": "llama"}


def as_list(ids):
    return [] if ids is None else sorted(ids) if isinstance(ids, list) else [ids]


def theirs(folder):
    config = LlamaConfig.from_pretrained(folder)
    rope = {key: value for key, value in config.rope_parameters.items() if key in ("rope_theta", "rope_type")}
    if rope["rope_theta"] is None:
        raise ValueError("read, but no model can be built with it")
    if rope["rope_type"] == "llama3":
        rope |= {key: config.rope_parameters[key] for key in FACTORS}
    keys = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
            "vocab_size", "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings", "bos_token_id")
    return {**{key: getattr(config, key) for key in keys}, "eos_token_id": as_list(config.eos_token_id), "rope": rope}


def main():
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as root:
        cases = []
        for number, (name, config) in enumerate(variants()):
            folder = Path(root) / str(number)
            folder.mkdir()
            (folder / "config.json").write_text(json.dumps(config))
            cases.append((name, folder))
        done = subprocess.run([sys.argv[1]], input="".join(f"{folder}\n" for _, folder in cases), capture_output=True,
                              text=True, check=True)
        ours = [json.loads(line) for line in done.stdout.split("\n") if line]
        counts = {"equal": 0, "refused by both": 0, "refused by us": 0, "refused by transformers": 0}
        wrong = []
        for (name, folder), found in zip(cases, ours, strict=True):
            try:
                wanted = theirs(folder)
            except Exception as error:  # its validators raise several types
                wanted = f"{type(error).__name__}: {str(error)[:160]}"
            if isinstance(wanted, str):
                counts["refused by both" if "error" in found else "refused by transformers"] += 1
            elif "error" in found:
                counts["refused by us"] += 1
                if not any(reason in found["error"] for reason in REFUSED):
                    wrong.append(f"{name}: {found['error']}")
            elif found == wanted:
                counts["equal"] += 1
            else:
                differing = {key: (found[key], wanted[key]) for key in wanted if found[key] != wanted[key]}
                wrong.append(f"{name}: ours and theirs: {differing}")
    for line in wrong:
        print("config_parity:", line)
    print(f"config_parity: {len(cases)} files:", ", ".join(f"{count} {what}" for what, count in counts.items()))
    sys.exit(1 if wrong or counts["equal"] < 100 else 0)


main()
