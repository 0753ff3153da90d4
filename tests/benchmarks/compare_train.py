#!/usr/bin/env python3
"""Sets `thoughtrank bench train` beside train_transformers.py: 4 rows of 512 tokens a step, loss on 384 of each.

    tests/benchmarks/compare_train.py --model DIR [--thoughtrank build/thoughtrank] [--rounds 3] [--steps 2]

Every run is a process of its own, the two in turns, float32 and bfloat16; the Python that runs this runs the peer.
Prints each run as a JSON line on stderr and the table of medians on stdout.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

PEER = Path(__file__).with_name("train_transformers.py")


def run(command, threads):
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), HF_HUB_OFFLINE="1")
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True,
                          env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def measure(options, dtype):
    common = ["--model", options.model, "--dtype", dtype, "--sequence", "512", "--rows", "4",
              "--steps", str(options.steps), "--threads", str(options.threads)]
    ours = [options.thoughtrank, "bench", "train", *common, "--loss-tokens", "384", "--pack", str(options.pack),
            "--optimizer-state", dtype]
    pair = {"dtype": dtype, "ours": run(ours, options.threads),
            "transformers": run([sys.executable, str(PEER), *common], options.threads)}
    print(json.dumps(pair), file=sys.stderr, flush=True)
    return pair


def row(dtype, pairs):
    def median(side, key):
        return statistics.median(pair[side][key] for pair in pairs)

    ratios = sorted(pair["ours"]["tokens_per_s"] / pair["transformers"]["tokens_per_s"] for pair in pairs)
    memory = [median(side, "peak_rss_bytes") / 2**30 for side in ("ours", "transformers")]
    return (f"| {dtype} | {median('ours', 'tokens_per_s'):.0f} | {median('transformers', 'tokens_per_s'):.0f} | "
            f"**{statistics.median(ratios):.2f}** ({ratios[0]:.2f}-{ratios[-1]:.2f}) | "
            f"{100 * median('ours', 'share_of_peak'):.0f} % | {memory[0]:.2f} GiB | {memory[1]:.2f} GiB | "
            f"{memory[0] / memory[1]:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--thoughtrank", default="build/thoughtrank")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pack", type=int, default=512, help="tokens of a micro-batch")
    options = parser.parse_args()
    dtypes = ["float32", "bfloat16"]
    pairs = [measure(options, dtype) for _ in range(options.rounds) for dtype in dtypes]
    print("| dtype | ours, tok/s | transformers, tok/s | ratio (min-max) | our share of the peak rate | our peak memory | "
          "transformers' | share |\n|---|---|---|---|---|---|---|---|")
    for dtype in dtypes:
        print(row(dtype, [pair for pair in pairs if pair["dtype"] == dtype]))


if __name__ == "__main__":
    main()
