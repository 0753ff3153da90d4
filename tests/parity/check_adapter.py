#!/usr/bin/env python3
"""Shows that a checkpoint's adapter/ is a LoRA adapter as PEFT has it: base + adapter = the checkpoint's own weights.

    tests/parity/check_adapter.py CHECKPOINT BASE

With the package `peft`, PEFT itself loads the adapter onto the base, and the logits of 64 random tokens are compared
with the checkpoint's; else PEFT's rule is applied to the weights (W + lora_alpha / r * B A) and these are compared.
Both in float32; a checkpoint in float32 must agree to 1e-5, one in bfloat16 to the rounding of its weights.
Prints one JSON object; exits 1 when they differ by more.
"""

import importlib.util
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

PREFIX = "base_model.model."


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def logits_of(model):
    ids = torch.randint(0, model.config.vocab_size, (1, 64), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return model(ids).logits


def by_peft(checkpoint, base):
    from peft import PeftModel

    adapted = PeftModel.from_pretrained(load(base), checkpoint / "adapter")
    return (logits_of(adapted) - logits_of(load(checkpoint))).abs().max().item()


def by_rule(checkpoint, base):
    config = json.loads((checkpoint / "adapter" / "adapter_config.json").read_text())
    adapter = load_file(checkpoint / "adapter" / "adapter_model.safetensors")
    weights, expected = load(base).state_dict(), load(checkpoint).state_dict()
    scale = config["lora_alpha"] / config["r"]
    for name in [name for name in adapter if name.endswith(".lora_A.weight")]:
        b = adapter[name.replace("lora_A", "lora_B")]
        target = name.removeprefix(PREFIX).replace(".lora_A", "")
        if target.split(".")[-2] not in config["target_modules"]:
            raise SystemExit(f"{name} is no target of adapter_config.json")
        weights[target] = weights[target] + scale * b @ adapter[name]
    return max((weights[name] - expected[name]).abs().max().item() for name in expected)


def main():
    if len(sys.argv) != 3 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        sys.exit(64)
    checkpoint, base = map(Path, sys.argv[1:])
    has_peft = importlib.util.find_spec("peft") is not None
    difference = (by_peft if has_peft else by_rule)(checkpoint, base)
    dtype = json.loads((checkpoint / "config.json").read_text())["dtype"]
    tolerance = 1e-5 if dtype == "float32" else 0.1
    result = {"by": "peft" if has_peft else "rule", "dtype": dtype, "largest_difference": difference}
    print(json.dumps(result | {"tolerance": tolerance, "passed": difference <= tolerance}, indent=2))
    sys.exit(0 if difference <= tolerance else 1)


if __name__ == "__main__":
    main()
