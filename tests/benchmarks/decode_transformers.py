#!/usr/bin/env python3
"""The common yardstick: the work of `decode_torch.py` on transformers' `generate` with a static cache, compiled by
transformers itself where the device allows it, else not. The prompt is copied into each row: transformers shares none.

    decode_transformers.py --model DIR --cell 62x256 [--prompt-tokens 512] [--mode default|off]

One JSON object per cell on stdout.
"""
import hashlib
import json
import sys
import time

import torch
from transformers import LlamaForCausalLM

from decode_torch import parse_options, peak_device_bytes, print_row, random_ids, synchronize


def generate(model, ids, new_tokens, is_compiled):
    return model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=new_tokens,
                          min_new_tokens=new_tokens, do_sample=False, cache_implementation="static",
                          disable_compile=not is_compiled, eos_token_id=None, pad_token_id=0)


def measure(model, cell, options, is_compiled):
    rows, new_tokens = cell
    prompt, heads = random_ids(model.config.vocab_size, options.prompt_tokens, rows)
    ids = torch.cat([prompt.expand(rows, -1), heads[:, None]], 1).to(options.device)  # (B, P + 1)
    generate(model, ids, new_tokens, is_compiled)  # compiles, warms up
    synchronize(options.device)
    started = time.perf_counter()
    out = generate(model, ids, new_tokens, is_compiled)
    synchronize(options.device)
    seconds = time.perf_counter() - started
    made = out[:, ids.shape[1]:].cpu().tolist()
    return {"tokens_per_s": rows * new_tokens / seconds, "seconds": seconds,
            "peak_device_bytes": peak_device_bytes(options.device),
            "ids_sha256": hashlib.sha256(json.dumps(made).encode()).hexdigest()}


def try_modes(model, cell, options):
    """The first way that works: compiled where wanted and possible, then not compiled."""
    can_compile = options.device == "cuda" and options.mode != "off"
    problem = None
    for is_compiled in [True, False] if can_compile else [False]:
        if options.device == "cuda":
            torch._dynamo.reset()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        try:
            row = measure(model, cell, options, is_compiled)
            mode = "by transformers" if is_compiled else "off"
            return {**row, "compiled": mode, **({"not_compiled_because": problem} if problem else {})}
        except torch.OutOfMemoryError as error:
            return {"out_of_memory": str(error).splitlines()[0]}
        except Exception as error:  # a compiler's failure has no common type
            problem = f"{type(error).__name__}: {error}"[:300]
    return {"error": problem}


def main():
    options = parse_options(__doc__)
    model = LlamaForCausalLM.from_pretrained(options.model, dtype=getattr(torch, options.dtype)).to(options.device)
    model.eval()
    is_good = [print_row("transformers", cell, options, "copied", try_modes(model, cell, options)) for cell in options.cell]
    return 0 if all(is_good) else 1


if __name__ == "__main__":
    sys.exit(main())
