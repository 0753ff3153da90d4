#!/usr/bin/env python3
"""What durability costs a run: the time that it waits for syncs, renames and removals, and that it takes to hash files.

    tests/benchmarks/reliability_cost.py [--thoughtrank build/thoughtrank] -- --config configs/quickstart.yaml --set run_dir=runs/cost

Runs `thoughtrank run` (the words after --) under strace, which reports how long each of those calls took in the kernel,
all threads summed as if none overlapped. Hashing is counted as the bytes of the journal's stages and of the checkpoints, each
hashed twice (when written and when verified), at the rate that Python's OpenSSL hashes here. Prints Markdown.
"""
import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

CALLS = ["fsync", "fdatasync", "rename", "renameat2", "unlink", "unlinkat", "flock", "mkdir"]
LINE = re.compile(r"(?:\d+ +)?(?:<\.\.\. )?(\w+)(?:\(| resumed>).* <([\d.]+)>$")


def traced(words, log):
    """Seconds that the program ran."""
    started = time.monotonic()
    trace = ["strace", "-f", "-T", "--seccomp-bpf", "-o", log, "-e", "trace=" + ",".join(CALLS)]
    code = subprocess.run([*trace, *words], check=False).returncode
    if code != 0:
        sys.exit(f"the run ended with {code}")
    return time.monotonic() - started


def waits(log):
    """{call: [seconds of each]}"""
    found = defaultdict(list)
    for line in log.read_text(errors="replace").splitlines():
        if (match := LINE.match(line)) and match[1] in CALLS:
            found[match[1]].append(float(match[2]))
    return found


def hash_rate():
    """Bytes per second of SHA-256 on one core; the best of three."""
    block = bytes(64 << 20)
    rates = []
    for _ in range(3):
        started = time.monotonic()
        hashlib.sha256(block).digest()
        rates.append(len(block) / (time.monotonic() - started))
    return max(rates)


def published_bytes(run):
    folders = [*run.glob("round-*"), *run.glob("round-*/checkpoint")]
    return sum(path.stat().st_size for folder in folders for path in folder.iterdir() if path.is_file())


def print_table(seconds, found, hashed):
    print("| what | calls | seconds | share of the run |\n|---|---|---|---|")
    total = 0.0
    for name, times in sorted(found.items(), key=lambda item: -sum(item[1])):
        total += sum(times)
        print(f"| {name} | {len(times)} | {sum(times):.3f} | {sum(times) / seconds:.2%} |")
    hash_seconds = 2 * hashed / hash_rate()
    print(f"| SHA-256 of {hashed / 1e6:.0f} MB, twice | | {hash_seconds:.3f} | {hash_seconds / seconds:.2%} |")
    total += hash_seconds
    print(f"| **all** | | {total:.3f} | **{total / seconds:.2%}** of {seconds:.0f} s |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--thoughtrank", type=Path, default=Path("build/thoughtrank"))
    parser.add_argument("words", nargs="+", help="after --: what `thoughtrank run` is given")
    options = parser.parse_args()
    program = str(options.thoughtrank.resolve())
    shown = subprocess.run([program, "config", "show", *options.words], capture_output=True, text=True, check=False)
    if shown.returncode != 0:
        sys.exit(shown.stderr)
    run = Path(re.search(r"^run_dir: (.+?) +#", shown.stdout, re.MULTILINE)[1])
    if run.exists():
        sys.exit(f"{run} exists: the cost of a new run is measured")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "trace"
        seconds = traced([program, "run", "-q", *options.words], log)
        print_table(seconds, waits(log), published_bytes(run))


if __name__ == "__main__":
    main()
