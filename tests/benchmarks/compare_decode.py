#!/usr/bin/env python3
"""Runs `thoughtrank bench decode` and its peers in turns and writes what came out.

Peers: transformers (`decode_transformers.py`: static cache, the prompt read once), and with --peer llama.cpp's
`llama-batched-bench`. Cells: float32 and bfloat16 x prompts of 64 and 512 tokens; 62 branches of 128 new tokens, 2
threads. In a first pass every peer runs once in each of its ways in each cell; the best one is then run in turns with
ours, so that both see the same machine. Every run is a process of its own. How to build llama.cpp: README.md beside
this file.
"""
import argparse
import datetime
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MARKERS = "<!-- table: written by compare_decode.py --update-readme -->", "<!-- end of table -->"
HEADER = """\
| dtype | prompt | ours, tok/s | peer, tok/s (its best way) | ratio (min-max) | our share of the roofline | our peak memory | peer's |
|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Cell:
    dtype: str
    prompt: int


@dataclass(frozen=True)
class PeerWay:
    """One way to run the peer: how branches share the KV cache, and flash attention."""
    name: str
    is_unified: bool
    flash: str


PEER_WAYS = [PeerWay("split", False, "auto"), PeerWay("split-nofa", False, "off"), PeerWay("uni", True, "auto")]
TRANSFORMERS = "transformers"
KV_TYPE = {"float32": "f32", "bfloat16": "f16"}  # the faster ones for the peer


def peer_context(way, prompt, options):
    """Cached tokens that the peer needs, in steps of 256; split gives every branch a stream of its own."""
    def rounded(tokens):
        return (tokens + 255) // 256 * 256
    if way.is_unified:
        return rounded(prompt + options.branches * options.new_tokens)
    return options.branches * rounded(prompt + options.new_tokens + 2)


def run_measured(words):
    """stdout of the finished process, and its peak resident bytes."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=errors, text=True)
        out = process.stdout.read()
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            sys.exit(f"{words[0]} ended with {process.returncode}:\n{errors.read()[-3000:]}")
    return out, usage.ru_maxrss * 1024


def run_ours(cell, options):
    out, peak = run_measured(
        [options.thoughtrank, "-q", "bench", "decode", "--model", options.model, "--dtype", cell.dtype,
         "--prompt-tokens", cell.prompt, "--new-tokens", options.new_tokens, "--branches", options.branches,
         "--threads", options.threads])
    report = json.loads(out)
    # The process's own maximum, taken before it measured the peak_rates; `peak` would count their buffers.
    return {"who": "ours", **report, "process_peak_rss_bytes": peak}


def run_transformers(cell, options):
    out, peak = run_measured(
        [options.python, HERE / "decode_transformers.py", "--model", options.model, "--dtype", cell.dtype,
         "--prompt-tokens", cell.prompt, "--cell", f"{options.branches}x{options.new_tokens}", "--device", "cpu",
         "--prefix", "shared", "--threads", options.threads])
    result = json.loads(out.splitlines()[-1])
    return {"who": "peer", "way": TRANSFORMERS, "dtype": cell.dtype, "prompt_tokens": cell.prompt,
            "tokens_per_s": result["tokens_per_s"], "peak_rss_bytes": peak, "raw": result}


def run_peer(cell, way, options):
    if way == TRANSFORMERS:
        return run_transformers(cell, options)
    gguf = options.gguf_float32 if cell.dtype == "float32" else options.gguf_bfloat16
    kv = KV_TYPE[cell.dtype]
    out, peak = run_measured(
        [options.peer, "-m", gguf, "-c", peer_context(way, cell.prompt, options), "-b", 2048, "-ub", 512,
         "-t", options.threads, "-tb", options.threads, "-npp", cell.prompt, "-ntg", options.new_tokens,
         "-npl", options.branches, "-fa", way.flash, "-ctk", kv, "-ctv", kv, "--output-format", "jsonl", "-pps",
         "--kv-unified" if way.is_unified else "--no-kv-unified"])
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    if not lines:
        sys.exit(f"{options.peer} printed no result:\n{out[-3000:]}")
    result = lines[0]
    return {"who": "peer", "way": way.name, "dtype": cell.dtype, "prompt_tokens": cell.prompt,
            "tokens_per_s": options.branches * options.new_tokens / result["t"], "prefill_s": result["t_pp"],
            "peak_rss_bytes": peak, "raw": result}


class Records:
    """The raw records: appended to the file at once, kept for the table."""

    def __init__(self, file):
        self.file = file
        self.rows = []
        file.write_text("")

    def add(self, phase, number, row):
        row = {"phase": phase, "round": number, "load_average": os.getloadavg()[0], **row}
        self.rows.append(row)
        with self.file.open("a") as out:
            out.write(json.dumps(row) + "\n")
        print(f"{phase} {number}: {row['who']} {row.get('way', '')} {row['dtype']} {row['prompt_tokens']}: "
              f"{row['tokens_per_s']:.1f} tok/s", file=sys.stderr, flush=True)
        return row

    def of(self, who, cell):
        return [row for row in self.rows if (row["phase"], row["who"]) == ("round", who)
                and (row["dtype"], row["prompt_tokens"]) == (cell.dtype, cell.prompt)]


def choose_way(cell, records, options):
    ways = [TRANSFORMERS] + (PEER_WAYS if options.peer else [])
    runs = [(records.add("choice", 0, run_peer(cell, way, options))["tokens_per_s"], way) for way in ways]
    return max(runs, key=lambda run: run[0])[1]


def measure(cells, records, options):
    ways = {cell: choose_way(cell, records, options) for cell in cells}
    for number in range(options.rounds):
        for cell in cells:
            steps = [lambda: run_ours(cell, options), lambda: run_peer(cell, ways[cell], options)]
            for step in steps if number % 2 == 0 else reversed(steps):  # nobody is always first
                records.add("round", number, step())


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def table_row(cell, records):
    ours, peers = records.of("ours", cell), records.of("peer", cell)
    ratios = [mine["tokens_per_s"] / theirs["tokens_per_s"] for mine, theirs in zip(ours, peers)]
    mib = 1 << 20
    return (f"| {cell.dtype} | {cell.prompt} | {median(ours, 'tokens_per_s'):.0f} | "
            f"{median(peers, 'tokens_per_s'):.0f} ({peers[0]['way']}) | "
            f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f}-{max(ratios):.2f}) | "
            f"{median(ours, 'roofline_share'):.0%} | {median(ours, 'peak_rss_bytes') / mib:.0f} MiB | "
            f"{median(peers, 'peak_rss_bytes') / mib:.0f} MiB |\n")


def describe(records, options):
    """The sentence over the table: machine, model, size of the measurement, peak_rates."""
    ours = [row for row in records.rows if row["who"] == "ours"]
    top = {key: max(row["peak_rates"][key] for row in ours) for key in ours[0]["peak_rates"]}
    return (f"{datetime.date.today()}, {ours[0]['cpu']}, {options.threads} threads, {options.model.name}, "
            f"{options.branches} branches of {options.new_tokens} tokens; medians of {options.rounds} rounds in turns, "
            f"ratios of neighbouring runs. Peak rates measured (best): {top['float32_gflops']:.0f} float32 and "
            f"{top['bfloat16_gflops']:.0f} bfloat16 GFLOP/s, {top['read_gb_per_s']:.0f} GB/s. "
            f"Instruction set {ours[0]['instruction_set']}. Commit {commit()}, transformers {version_of(options)}"
            + (f", llama.cpp {options.peer_version}" if options.peer else "") + ".\n\n")


def version_of(options):
    words = [options.python, "-c", "import transformers; print(transformers.__version__)"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def commit():
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def update_readme(text, readme=HERE / "README.md"):
    before, rest = readme.read_text().split(MARKERS[0])
    after = rest.split(MARKERS[1])[1]
    readme.write_text(f"{before}{MARKERS[0]}\n{text}{MARKERS[1]}{after}")


def cpu_slug():
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return re.sub(r"[^a-z0-9]+", "-", (found[1] if found else "cpu").lower()).strip("-")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--thoughtrank", type=Path, default=ROOT / "build" / "thoughtrank")
    parser.add_argument("--model", type=Path, required=True, help="Hugging Face folder")
    parser.add_argument("--python", type=Path, default=ROOT / ".deps/venv/bin/python", help="with torch and transformers")
    parser.add_argument("--peer", type=Path, help="llama-batched-bench")
    parser.add_argument("--peer-version", default="of unknown version", help="for the table's heading")
    parser.add_argument("--gguf-float32", type=Path, help="with --peer")
    parser.add_argument("--gguf-bfloat16", type=Path, help="with --peer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--branches", type=int, default=62)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompts", type=int, nargs="+", default=[64, 512])
    parser.add_argument("--dtypes", nargs="+", choices=list(KV_TYPE), default=list(KV_TYPE))
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--update-readme", action="store_true", help="put the table into README.md")
    options = parser.parse_args()
    if options.rounds < 1 or (options.update_readme and options.rounds < 5):
        parser.error("--rounds: at least 1, and at least 5 with --update-readme")
    return options


def main():
    options = parse_options()
    options.model = options.model.resolve()
    options.results.mkdir(parents=True, exist_ok=True)
    stem = options.results / f"{datetime.date.today()}-{cpu_slug()}"
    records = Records(Path(f"{stem}.jsonl"))
    cells = [Cell(dtype, prompt) for dtype in options.dtypes for prompt in options.prompts]
    measure(cells, records, options)
    table = describe(records, options) + HEADER + "".join(table_row(cell, records) for cell in cells)
    Path(f"{stem}.md").write_text(table)
    print(table, end="")
    if options.update_readme:
        update_readme(table)


if __name__ == "__main__":
    main()
