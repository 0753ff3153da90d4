#!/usr/bin/env python3
"""The common yardstick: the work of `decode_torch.py` on transformers' `generate` with a static cache, compiled by
transformers itself where the device allows it, else not. Each row has a copy of the prompt, since transformers shares
none: read once and copied (`--prefix shared`), or read in each row (`copied`).

    decode_transformers.py --model DIR --cell 62x256 [--prompt-tokens 512] [--prefix shared] [--mode default|off]

One JSON object per cell on stdout.
"""
import hashlib
import json
import sys
import time

import torch
from transformers import DynamicCache, LlamaForCausalLM, StaticCache

from decode_torch import parse_options, peak_device_bytes, print_row, random_ids, synchronize


def prompt_cache(model, ids, new_tokens):
    """A static cache in whose rows the prompt lies, read once. The prompt is all of `ids` but each row's last token."""
    rows, tokens = ids.shape
    once = DynamicCache(config=model.config)
    model(ids[:1, :-1], past_key_values=once, logits_to_keep=1)
    cache = StaticCache(config=model.config, max_cache_len=tokens + new_tokens)
    for number, layer in enumerate(once.layers):
        cache.update(layer.keys.expand(rows, -1, -1, -1), layer.values.expand(rows, -1, -1, -1), number)
    return cache


@torch.inference_mode()
def generate(model, ids, new_tokens, is_compiled, is_shared):
    how = {"past_key_values": prompt_cache(model, ids, new_tokens)} if is_shared else {"cache_implementation": "static"}
    return model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=new_tokens,
                          min_new_tokens=new_tokens, do_sample=False, disable_compile=not is_compiled,
                          eos_token_id=None, pad_token_id=0, **how)


def measure(model, cell, options, is_compiled, is_shared):
    rows, new_tokens = cell
    prompt, heads = random_ids(model.config.vocab_size, options.prompt_tokens, rows)
    ids = torch.cat([prompt.expand(rows, -1), heads[:, None]], 1).to(options.device)  # (B, P + 1)
    # Compiles, warms up; what is not compiled needs less of it.
    generate(model, ids, new_tokens if is_compiled else min(new_tokens, 8), is_compiled, is_shared)
    synchronize(options.device)
    started = time.perf_counter()
    out = generate(model, ids, new_tokens, is_compiled, is_shared)
    synchronize(options.device)
    seconds = time.perf_counter() - started
    made = out[:, ids.shape[1]:].cpu().tolist()
    return {"tokens_per_s": rows * new_tokens / seconds, "seconds": seconds,
            "peak_device_bytes": peak_device_bytes(options.device),
            "ids_sha256": hashlib.sha256(json.dumps(made).encode()).hexdigest()}


def try_modes(model, cell, options, is_shared):
    """The first way that works: compiled where wanted and possible, then not compiled."""
    can_compile = options.device == "cuda" and options.mode != "off"
    problem = None
    for is_compiled in [True, False] if can_compile else [False]:
        if options.device == "cuda":
            torch._dynamo.reset()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        try:
            row = measure(model, cell, options, is_compiled, is_shared)
            mode = "by transformers" if is_compiled else "off"
            return {**row, "compiled": mode, **({"not_compiled_because": problem} if problem else {})}
        except torch.OutOfMemoryError as error:
            return {"out_of_memory": str(error).splitlines()[0]}
        except Exception as error:  # a compiler's failure has no common type
            problem = f"{type(error).__name__}: {error}"[:300]
    return {"error": problem}


def main():
    options = parse_options(__doc__, prefix="copied")
    model = LlamaForCausalLM.from_pretrained(options.model, dtype=getattr(torch, options.dtype)).to(options.device)
    model.eval()
    is_good = [print_row("transformers", cell, options, prefix, try_modes(model, cell, options, prefix == "shared"))
               for prefix in options.prefix for cell in options.cell]
    return 0 if all(is_good) else 1


if __name__ == "__main__":
    sys.exit(main())
