#!/usr/bin/env python3
"""The peer of `thoughtrank bench train`: a plain transformers loop with torch.optim.AdamW(fused=True).

    tests/benchmarks/train_transformers.py --model DIR [--dtype float32] [--steps 3] [--device cuda] [--micro-rows 1] [--liger]

Rows of random tokens, loss on the last 3/4 of each, all rows one step, in one batch or in batches of --micro-rows, scaled
dot-product attention; in bfloat16 weights, gradients and moments are bfloat16. --liger: with liger_kernel's layers and loss.
Loading and one step are not timed. Prints one JSON object.
"""

import argparse
import json
import resource
import statistics
import time

import torch
from transformers import AutoModelForCausalLM


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--sequence", type=int, default=512)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--micro-rows", type=int, help="rows of a batch; gradients accumulate (default: all)")
    parser.add_argument("--liger", action="store_true")
    return parser.parse_args()


def take_step(model, optimizer, batches):
    optimizer.zero_grad(set_to_none=True)
    for ids, labels in batches:
        (model(input_ids=ids, labels=labels, use_cache=False).loss / len(batches)).backward()
    optimizer.step()
    if ids.is_cuda:
        torch.cuda.synchronize()


def load(options):
    if options.liger:
        from liger_kernel.transformers import apply_liger_kernel_to_llama
        apply_liger_kernel_to_llama()
    model = AutoModelForCausalLM.from_pretrained(
        options.model, dtype=getattr(torch, options.dtype), attn_implementation="sdpa")
    return model.to(options.device).train()


def main():
    options = parse()
    torch.set_num_threads(options.threads)
    model = load(options)
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(0, model.config.vocab_size, (options.rows, options.sequence), generator=generator)
    labels = ids.clone()
    labels[:, : options.sequence // 4] = -100
    micro_rows = options.micro_rows or options.rows
    batches = list(zip(ids.to(options.device).split(micro_rows), labels.to(options.device).split(micro_rows)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    times = []
    for _ in range(options.steps + 1):
        started = time.perf_counter()
        take_step(model, optimizer, batches)
        times.append(time.perf_counter() - started)
    step_s = statistics.median(times[1:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    device_peak = torch.cuda.max_memory_reserved() if options.device == "cuda" else 0
    print(json.dumps({"tokens_per_s": ids.numel() / step_s, "step_s": step_s, "peak_rss_bytes": peak,
                      "peak_device_bytes": device_peak}))


if __name__ == "__main__":
    main()
