"""What scripts/gpu_check.sh runs: parts one after another, each a process with a time limit of its own.

A part prints JSON objects, one per line, as its results come; what was printed before a crash or a time-out is kept. The
report file is written anew after each part. A part that cannot run (no GPU, a flag that this program does not have, a
package that is not installed, no time left) is listed as skipped, with the reason.
"""
import argparse
import datetime
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "tests" / "benchmarks"
LEAST_S = 3  # a part that would get less is skipped
NO_TIME = "no time left"
NO_PROGRAM = "no program: build it, or pass --program"


@dataclass
class Part:
    name: str
    words: list
    limit_s: float
    labels: dict = field(default_factory=dict)  # added to each of its rows
    cannot: str = ""  # why it cannot run


@dataclass(frozen=True)
class Sizes:
    shape: str
    quick_layers: int
    prompt_tokens: int
    cells: list  # (branches, new tokens)
    train_rows: int  # of a step
    train_tokens: int  # of a row


FULL = Sizes("3b", 4, 512, [(62, 256), (248, 256), (62, 1024), (248, 1024)], 4, 2048)
SMALL = Sizes("tiny", 1, 20, [(6, 3), (20, 3), (6, 5)], 2, 24)

# How AdamW's state is stored, from the most memory to the least.
TIERS = ["float32_master", "float32", "bfloat16", "int8"]


class Report:
    """The parts so far: printed as they end, and the file, which is whole at any moment."""

    def __init__(self, path, options):
        self.path, self.parts = path, []
        self.head = {"started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
                     "device": options.device, "small": options.small, "budget_s": options.budget}

    def add(self, name, status, seconds=0.0, rows=(), problem=""):
        self.parts.append({"part": name, "status": status, "seconds": round(seconds, 2), "rows": list(rows),
                           **({"problem": problem} if problem else {})})
        temporary = self.path.with_name(self.path.name + ".tmp")
        temporary.write_text(json.dumps({**self.head, "parts": self.parts}, indent=1) + "\n")
        os.replace(temporary, self.path)
        said = [line for row in rows for line in describe(row).splitlines()] + ([problem] if problem else [])
        print(f"{status:<9} {seconds:6.1f} s  {name:<28} {said[0] if said else ''}", flush=True)
        for more in said[1:]:
            print(f"{'':<48}{more}", flush=True)

    def rows(self):
        return [row for part in self.parts for row in part["rows"]]

    def status_of(self, name):
        return next((part["status"] for part in self.parts if part["part"] == name), "not run")

    def count(self, status):
        return sum(part["status"] == status for part in self.parts)


def describe(row):
    if "text" in row:
        return row["text"]
    if "tokens_per_s" not in row:
        return ", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items())
    words = [f"{row['tokens_per_s']:,.0f} tok/s"]
    if row.get("gflop_per_s"):
        words.append(f"{row['gflop_per_s'] / 1e3:,.1f} TFLOP/s")
    if row.get("roofline_share"):
        words.append(f"{row['roofline_share']:.0%} of the roofline")
    if "load_s" in row:
        words.append(f"loaded in {row['load_s']:.1f} s")
    if row.get("peak_device_bytes"):
        words.append(f"{row['peak_device_bytes'] / 2**30:.1f} GiB")
    if row["who"] != "ours" and "branches" in row:
        words.append(f"{row['branches']}x{row['new_tokens']}, compiled: {row['compiled']}")
    return ", ".join(words)


def rows_of(text, labels):
    """The whole JSON objects among the lines, a line that was cut off is none; the text itself where there are none."""
    rows = []
    for line in text.splitlines():
        try:
            row = json.loads(line) if line.startswith("{") else None
        except json.JSONDecodeError:
            continue
        if row is not None:
            rows.append({**labels, **row})
    return rows or ([{"text": text.strip()[-2000:]}] if text.strip() else [])


def environment():
    """For the parts: a bundle's programs find the libraries of this interpreter's torch, and nobody asks the network."""
    torch = Path(importlib.util.find_spec("torch").submodule_search_locations[0])
    paths = [torch / "lib", torch.parent / "nvidia" / "cu13" / "lib", os.environ.get("LD_LIBRARY_PATH", "")]
    return {**os.environ, "TORCH_WHEEL": str(torch), "LD_LIBRARY_PATH": ":".join(filter(None, map(str, paths))),
            "HF_HUB_OFFLINE": "1"}


class Runner:
    def __init__(self, report, budget_s):
        self.report, self.ends_at, self.child = report, time.monotonic() + budget_s, None
        self.env = environment()

    def run(self, part):
        left_s = self.ends_at - time.monotonic()
        if part.cannot:
            self.report.add(part.name, "skipped", problem=part.cannot)
        elif left_s < LEAST_S:
            self.report.add(part.name, "skipped", problem=NO_TIME)
        else:
            self.run_process(part, min(part.limit_s, left_s))

    def run_process(self, part, limit_s):
        started = time.monotonic()
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
            self.child = subprocess.Popen(list(map(str, part.words)), stdout=out, stderr=errors, stdin=subprocess.DEVNULL,
                                          env=self.env, start_new_session=True)
            try:
                code = self.child.wait(limit_s)
            except subprocess.TimeoutExpired:
                code = None
                self.end_child()
            out.seek(0), errors.seek(0)
            rows, said = rows_of(out.read(), part.labels), errors.read()
        seconds = time.monotonic() - started
        if code is None:
            self.report.add(part.name, "timed out", seconds, rows, f"ended after {limit_s:.0f} s")
        elif code == 0:
            self.report.add(part.name, "passed", seconds, rows)
        else:
            self.report.add(part.name, "failed", seconds, rows, f"exit code {code}: {last_words(said)}")

    def end_child(self):
        """The part with all that it started."""
        if self.child is not None and self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()


def last_words(said):
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return " | ".join(lines[-3:])[-600:]


class Plan:
    """The parts in order. A generator: what comes later depends on what the report says of earlier parts."""

    def __init__(self, options, report, work):
        self.options, self.report, self.sizes = options, report, SMALL if options.small else FULL
        self.program, self.tests = find_programs(options)
        self.model, self.quick = work / "model", work / "quick-model"
        self.known_flags, self.kernels = known_flags(self.program) if self.program else (set(), [])

    def parts(self):
        yield self.probe("machine", 60)
        cannot = "" if self.report.status_of("machine") == "passed" else "the machine is not ready, see above"
        for part in self.after_machine():
            part.cannot = cannot or part.cannot
            yield part

    def after_machine(self):
        yield Part("doctor", [self.program, "doctor"], 30, cannot="" if self.program else NO_PROGRAM)
        yield self.probe("schemas", 60)
        yield self.probe("attention", 60, "" if self.options.device == "cuda" else "needs a GPU")
        yield from self.gpu_tests()
        yield self.probe("peak_rates", 40)
        yield self.make_model("model", self.model, [])
        yield self.make_model("quick model", self.quick, ["--layers", self.sizes.quick_layers])
        for cell in self.sizes.cells:
            yield self.bench("ours", self.model, cell, 60)
        for cell in self.sizes.cells[:2]:
            yield self.bench("ours, eager", self.model, cell, 45, ["--eager"])
        yield self.yardstick("torch", "decode_torch.py", self.sizes.cells, 130)
        yield from self.training()
        yield from self.kernels_on_and_off()
        for cell in self.sizes.cells[:2]:
            yield self.bench("ours, copied prefix", self.model, cell, 45, ["--copied-prefix"])
        yield self.yardstick("transformers", "decode_transformers.py", self.sizes.cells[:2], 110)
        for cell in self.sizes.cells[2:]:
            yield self.bench("ours, copied prefix", self.model, cell, 60, ["--copied-prefix"])
        yield self.yardstick("torch, copied prefix", "decode_torch.py", self.sizes.cells[:2], 60, ["--prefix", "copied"])
        mode = ["--mode", "max-autotune-no-cudagraphs"]
        yield self.yardstick("torch, autotuned", "decode_torch.py", self.sizes.cells[:1], 90, mode)

    def python(self, script, *words):
        return [sys.executable, "-B", BENCHMARKS / script, *words, "--device", self.options.device]

    def probe(self, name, limit_s, cannot=""):
        small = ["--small"] if self.options.small else []
        return Part(name, self.python("gpu_probe.py", name, *small), limit_s, cannot=cannot)

    def gpu_tests(self):
        programs = sorted(self.tests.glob("**/*_cuda_test")) if self.tests else []
        if not programs:
            yield Part("tests", [], 0, cannot=f"no *_cuda_test program in {self.tests}: scripts/setup.sh --tests builds them")
        for program in programs:
            yield Part(program.name, self.python("gpu_probe.py", "gtest", program), 90)

    def disk(self):
        """Leaves the file out of the page cache: the next part loads it from the disk."""
        cannot = "" if self.report.status_of("quick model") == "passed" else "the quick model was not made"
        return Part("disk", self.python("gpu_probe.py", "disk", self.quick / "model.safetensors"), 30, cannot=cannot)

    def make_model(self, name, folder, words):
        dtype = ["--dtype", "bfloat16"]
        return Part(name, self.python("make_random_llama.py", folder, "--shape", self.sizes.shape, *dtype, *words), 60)

    def bench(self, name, model, cell, limit_s, words=()):
        branches, new_tokens = cell
        words = ["--model", model, "--dtype", "bfloat16", "--branches", branches, "--slots", -(-branches // 16) * 16,
                 "--prompt-tokens", self.sizes.prompt_tokens, "--new-tokens", new_tokens, *words]
        if self.options.device != "cpu" or "--device" in self.known_flags:
            words += ["--device", self.options.device]
        elif self.options.small:
            words += ["--threads", 1]
        unknown = [word for word in map(str, words) if word.startswith("--") and word not in self.known_flags]
        cannot = f"not built yet: bench decode has no {', '.join(unknown)}" if unknown else ""
        cannot = cannot if self.program else NO_PROGRAM
        needed = "quick model" if model == self.quick else "model"
        if not cannot and self.report.status_of(needed) != "passed":
            cannot = f"the {needed} was not made"
        prefix = "copied" if "--copied-prefix" in words else "shared"
        return Part(f"{name} {branches}x{new_tokens}", [self.program, "-q", "bench", "decode", *words], limit_s,
                    {"who": "ours", "part": name, "prefix": prefix}, cannot)

    def training(self):
        """A step of some rows, each a micro-batch, in each tier; the smallest at half the length and all checkpoints; peers."""
        tokens = self.sizes.train_tokens
        yield self.train("float32", tokens, [])
        yield self.train_peer("train, transformers", [])
        for tier in TIERS:
            if tier != "float32":
                yield self.train(tier, tokens, [])
        yield self.train("int8", tokens // 2, ["--in-backward", "--checkpointing", "full"])
        no_liger = "" if importlib.util.find_spec("liger_kernel") else "liger_kernel is not installed"
        yield self.train_peer("train, transformers, Liger", ["--liger"], no_liger)

    def train(self, tier, tokens, words):
        rows = 1 if "--in-backward" in words else self.sizes.train_rows  # there nothing accumulates
        name = ", ".join(["train", tier, *(["in backward"] if rows == 1 else [])])
        words = ["--model", self.model, "--dtype", "bfloat16", "--device", self.options.device, "--optimizer-state", tier,
                 "--rows", rows, "--sequence", tokens, "--loss-tokens", tokens * 3 // 4, "--pack", tokens, *words]
        return Part(name, [self.program, "-q", "bench", "train", *words], 60, {"who": "ours", "part": name},
                    self.needs_model() if self.program else NO_PROGRAM)

    def train_peer(self, name, words, cannot=""):
        if importlib.util.find_spec("transformers") is None:
            cannot = "transformers is not installed"
        words = ["--model", self.model, "--dtype", "bfloat16", "--rows", self.sizes.train_rows, "--sequence",
                 self.sizes.train_tokens, "--micro-rows", 1, *words]
        return Part(name, self.python("train_transformers.py", *words), 60, {"who": name, "part": name},
                    cannot or self.needs_model())

    def needs_model(self):
        return "" if self.report.status_of("model") == "passed" else "the model was not made"

    def kernels_on_and_off(self):
        cell = self.sizes.cells[0]
        yield self.disk()
        yield self.bench("quick, all kernels", self.quick, cell, 30)
        for kernel in self.kernels or ["KERNEL"]:
            yield self.bench(f"quick, without {kernel}", self.quick, cell, 30, ["--without", kernel])

    def yardstick(self, name, script, cells, limit_s, words=()):
        cell_words = [word for branches, new_tokens in cells for word in ("--cell", f"{branches}x{new_tokens}")]
        words = ["--model", self.model, "--prompt-tokens", self.sizes.prompt_tokens, *cell_words, *words]
        cannot = self.needs_model()
        if script == "decode_transformers.py" and importlib.util.find_spec("transformers") is None:
            cannot = "transformers is not installed"
        return Part(name, self.python(script, *words), limit_s, {"part": name}, cannot)


def find_programs(options):
    """The program (None where there is none) and the folder of the tests that need a GPU."""
    is_bundle = (ROOT / "bin" / "thoughtrank").exists()
    program = options.program or (ROOT / "thoughtrank" if is_bundle else ROOT / "build" / "thoughtrank")
    tests = options.tests or (ROOT / "tests" if is_bundle else program.parent / "tests")
    return (program.resolve() if program.exists() else None), tests


def known_flags(program):
    """The flags of `bench decode`, and the kernels that `--without` takes, as its help has them."""
    text = subprocess.run([program, "bench", "decode", "--help"], capture_output=True, text=True, env=environment(),
                          timeout=60, check=False).stdout
    kernels = re.search(r"--without \S*?\{([^}]*)\}", text)
    return set(re.findall(r"^ +(?:-\w,)?(--[\w-]+)", text, re.MULTILINE)), kernels[1].split(",") if kernels else []


def print_comparison(report):
    """Ours beside the yardsticks, cell by cell."""
    rates = {}
    for row in report.rows():
        if "branches" in row and "tokens_per_s" in row and not row["part"].startswith("quick"):
            rates.setdefault((row["branches"], row["new_tokens"]), {})[row["part"]] = row["tokens_per_s"]
    names = list(dict.fromkeys(name for cell in rates.values() for name in cell))
    if not names:
        return
    print("\ntokens/s        " + "".join(f"{name:>22}" for name in names))
    for (branches, new_tokens), cell in sorted(rates.items()):
        values = "".join(f"{cell[name]:>22,.0f}" if name in cell else f"{'-':>22}" for name in names)
        print(f"{f'{branches}x{new_tokens}':<16}{values}")


def print_training(report):
    """A step of the same rows, in each tier and by the peers."""
    rows = [row for row in report.rows() if row.get("part", "").startswith("train,") and "tokens_per_s" in row]
    if rows:
        print(f"\n{'training':<30}{'tokens/s':>12}{'of 989 TFLOP/s':>16}{'GiB':>8}")
    for row in rows:
        share = f"{row['gflop_per_s'] / 989e3:.0%}" if row.get("gflop_per_s") else "-"
        memory = f"{row['peak_device_bytes'] / 2**30:.1f}" if row.get("peak_device_bytes") else "-"
        print(f"{row['part'].removeprefix('train, '):<30}{row['tokens_per_s']:>12,.0f}{share:>16}{memory:>8}")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu_check.json"))
    parser.add_argument("--work", type=Path, help="folder for 8 GB of random models (default: a temporary one)")
    parser.add_argument("--budget", type=float, default=515, help="seconds for all parts together")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to try the script itself")
    parser.add_argument("--program", type=Path, help="default: the bundle's or build/thoughtrank")
    parser.add_argument("--tests", type=Path, help="folder with *_cuda_test programs")
    return parser.parse_args()


def run_all(options, work):
    report = Report(options.out, options)
    runner = Runner(report, options.budget)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # from `timeout`: the part in progress ends, too
    try:
        for part in Plan(options, report, work).parts():
            runner.run(part)
    finally:
        runner.end_child()
    print_comparison(report)
    print_training(report)
    bad = report.count("failed") + report.count("timed out")
    late = sum(part.get("problem") == NO_TIME for part in report.parts)
    print(f"\n{report.count('passed')} passed, {bad} failed, {report.count('skipped')} skipped ({late} for want of time): "
          f"{options.out}")
    return 1 if bad or not report.count("passed") else 0


def main():
    options = parse_options()
    if options.work:
        return run_all(options, options.work)
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as work:
        return run_all(options, Path(work))


if __name__ == "__main__":
    sys.exit(main())
