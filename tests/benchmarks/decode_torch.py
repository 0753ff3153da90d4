#!/usr/bin/env python3
"""The strong yardstick: greedy decoding in plain PyTorch. A static cache in buckets, each layer compiled, one CUDA graph
per bucket, the prompt's keys and values shared by all rows (`--prefix shared`) or copied into each (`copied`).

    decode_torch.py --model DIR --cell 62x256 --cell 248x1024 [--prompt-tokens 512] [--prefix shared copied]

The work is that of `thoughtrank bench decode`: one random prompt, rows that begin with a token of their own, a number of
new tokens each, ends of text ignored, a warm-up that is the same work. One JSON object per cell on stdout.
Unlike ours it neither sums log-probabilities nor checks a stop rule.
"""
import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional as F

import torch_llama


def random_ids(vocabulary, prompt_tokens, rows):
    """The prompt (P) and each row's first token (B): the same at every call."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(vocabulary, (prompt_tokens + rows,), generator=generator)
    return ids[:prompt_tokens], ids[prompt_tokens:]


def compile_block(device, mode):
    """decode_block as torch.compile makes it. On the CPU without a code generator: there only the logic is of interest."""
    if mode == "off":
        return torch_llama.decode_block
    if device == "cpu":
        return torch.compile(torch_llama.decode_block, backend="eager", dynamic=False)
    return torch.compile(torch_llama.decode_block, mode=mode, dynamic=False)


class Decoder:
    """The caches of one cell, and the step over them."""

    def __init__(self, model, block, cell, options, is_shared):
        rows, new_tokens = cell
        prompt_tokens = options.prompt_tokens
        self.model, self.block, self.is_shared = model, block, is_shared
        self.prompt_tokens, self.new_tokens, self.bucket = prompt_tokens, new_tokens, options.bucket
        self.own_start = 0 if is_shared else prompt_tokens
        shape, weight = model.shape, model.embedding
        places = self.places_for(new_tokens)
        self.own = [tuple(weight.new_zeros(rows, shape.kv_heads, places, shape.head_dim) for _ in "kv")
                    for _ in model.layers]  # (B, K, S, D)
        self.prefix = [tuple(weight.new_zeros(shape.kv_heads, prompt_tokens if is_shared else 0, shape.head_dim)
                             for _ in "kv") for _ in model.layers]  # (K, P, D)
        self.tokens = torch.zeros(rows, dtype=torch.long, device=weight.device)
        self.done = torch.zeros(1, dtype=torch.long, device=weight.device)  # new tokens so far
        self.out = torch.zeros(rows, new_tokens, dtype=torch.long, device=weight.device)
        self.graphs = {}

    def places_for(self, new_tokens):
        """Places of a row's own cache, in whole buckets."""
        return -(-(self.own_start + new_tokens) // self.bucket) * self.bucket

    def start(self, prompt, heads):
        """Prefills the prompt; the heads are the tokens of the first step."""
        for (k, v), prefix, own in zip(torch_llama.prefill(self.model, prompt), self.prefix, self.own):
            for fresh, shared, copied in zip((k, v), prefix, own):
                if self.is_shared:
                    shared.copy_(fresh)
                else:
                    copied[:, :, :self.prompt_tokens] = fresh
        self.tokens.copy_(heads)
        self.done.zero_()

    def step(self, places):
        """One token for each row, over the first `places` of the own cache."""
        model = self.model
        position = self.prompt_tokens + self.done
        angles = model.cos[position][:, None], model.sin[position][:, None]  # (1, 1, D)
        place = self.own_start + self.done
        x = model.embedding[self.tokens][:, None]  # (B, 1, C)
        for layer, prefix, own in zip(model.layers, self.prefix, self.own):
            seen = tuple(cache[:, :, :places] for cache in own)
            x = self.block(x, fields_of(layer), angles, prefix, seen, place, model.shape)
        logits = F.linear(torch_llama.rms_norm(x[:, 0], model.norm, model.shape.eps), model.embedding)
        self.tokens.copy_(logits.argmax(-1))
        self.out.index_copy_(1, self.done, self.tokens[:, None])
        self.done += 1

    def run_step(self, number):
        places = self.places_for(number + 1)
        if self.tokens.device.type != "cuda":
            self.step(places)
            return
        if places not in self.graphs:
            self.graphs[places] = self.capture(places)
        self.graphs[places].replay()

    def capture(self, places):
        """A graph of the step. The trial runs compile it; what they changed is put back."""
        saved = self.tokens.clone(), self.done.clone()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(2):
                self.step(places)
                self.tokens.copy_(saved[0])
                self.done.copy_(saved[1])
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step(places)
        return graph


def fields_of(layer):
    return tuple(getattr(layer, name) for name in layer.__dataclass_fields__)


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def time_group(decoder, prompt, heads, device):
    """Seconds of prefill and of decoding."""
    synchronize(device)
    started = time.perf_counter()
    decoder.start(prompt, heads)
    synchronize(device)
    prefilled = time.perf_counter()
    for number in range(decoder.new_tokens):
        decoder.run_step(number)
    synchronize(device)
    return prefilled - started, time.perf_counter() - prefilled


def peak_device_bytes(device):
    return torch.cuda.max_memory_reserved() if device == "cuda" else None


@torch.no_grad()
def measure(model, block, cell, options, is_shared):
    rows, new_tokens = cell
    decoder = Decoder(model, block, cell, options, is_shared)
    prompt, heads = (ids.to(options.device)
                     for ids in random_ids(model.config["vocab_size"], options.prompt_tokens, rows))
    time_group(decoder, prompt, heads, options.device)  # compiles, captures, warms up
    prefill_s, decode_s = time_group(decoder, prompt, heads, options.device)
    ids = decoder.out.cpu().tolist()
    return {"tokens_per_s": rows * new_tokens / (prefill_s + decode_s), "prefill_s": prefill_s, "decode_s": decode_s,
            "peak_device_bytes": peak_device_bytes(options.device),
            "ids_sha256": hashlib.sha256(json.dumps(ids).encode()).hexdigest()}


def try_modes(model, cell, options, is_shared):
    """The first way that works: compiled in the wanted mode, then not compiled."""
    problem = None
    for mode in dict.fromkeys([options.mode, "off"]):
        torch._dynamo.reset()
        if options.device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        try:
            row = measure(model, compile_block(options.device, mode), cell, options, is_shared)
            return {**row, "compiled": mode, **({"not_compiled_because": problem} if problem else {})}
        except torch.OutOfMemoryError as error:
            return {"out_of_memory": str(error).splitlines()[0]}
        except Exception as error:  # a compiler's failure has no common type
            problem = f"{type(error).__name__}: {error}"[:300]
    return {"error": problem}


def parse_cell(text):
    rows, new_tokens = text.split("x")
    return int(rows), int(new_tokens)


def parse_options(doc, prefix="shared"):
    """The options that both yardsticks have."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--cell", type=parse_cell, action="append", required=True, help="ROWSxNEW_TOKENS")
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--bucket", type=int, default=256, help="decode_torch: the own cache is read in whole buckets")
    parser.add_argument("--prefix", nargs="+", choices=["shared", "copied"], default=[prefix])
    parser.add_argument("--mode", default="default", help="of torch.compile, or off")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--threads", type=int, help="of the CPU")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    return options


def print_row(who, cell, options, prefix, row):
    """Returns whether the cell was measured, or found too large for the memory."""
    rows, new_tokens = cell
    print(json.dumps({"who": who, "branches": rows, "new_tokens": new_tokens, "prompt_tokens": options.prompt_tokens,
                      "prefix": prefix, "dtype": options.dtype, **row}), flush=True)
    if "error" in row:
        print(row["error"], file=sys.stderr)
    return "error" not in row


def main():
    options = parse_options(__doc__)
    positions = options.prompt_tokens + max(new_tokens for _, new_tokens in options.cell)
    model = torch_llama.Llama(options.model, options.device, getattr(torch, options.dtype), positions)
    is_good = [print_row("torch", cell, options, prefix, try_modes(model, cell, options, prefix == "shared"))
               for prefix in options.prefix for cell in options.cell]
    return 0 if all(is_good) else 1


if __name__ == "__main__":
    sys.exit(main())
