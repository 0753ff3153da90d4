#!/usr/bin/env python3
"""The short parts of scripts/gpu_check.sh that need torch only. Each prints one JSON object and ends with 0 where all is well.

    gpu_probe.py machine|schemas|attention|peak_rates [--device cpu|cuda] [--small]
    gpu_probe.py gtest PROGRAM
    gpu_probe.py disk FILE
"""
import argparse
import concurrent.futures
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

OLDEST_DRIVER = 580
WANTED_TORCH = "2.11.0+cu130"
ARCHITECTURES = [(8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (12, 0)]

# What the decoder calls in 2.11, with the arguments in the order in which it gives them.
SCHEMAS = {
    "aten::_flash_attention_forward":
        "(Tensor query, Tensor key, Tensor value, Tensor? cum_seq_q, Tensor? cum_seq_k, SymInt max_q, SymInt max_k, "
        "float dropout_p, bool is_causal, bool return_debug_mask, *, float? scale=None, SymInt? window_size_left=None, "
        "SymInt? window_size_right=None, Tensor? seqused_k=None, Tensor? alibi_slopes=None) -> (Tensor output, "
        "Tensor softmax_logsumexp, Tensor rng_state, Tensor unused, Tensor debug_attn_mask)",
    "aten::_scaled_dot_product_flash_attention":
        "(Tensor query, Tensor key, Tensor value, float dropout_p=0., bool is_causal=False, bool return_debug_mask=False, "
        "*, float? scale=None) -> (Tensor output, Tensor logsumexp, Tensor cum_seq_q, Tensor cum_seq_k, SymInt max_q, "
        "SymInt max_k, Tensor rng_state, Tensor unused, Tensor debug_attn_mask)",
    "aten::_fused_rms_norm":
        "(Tensor input, int[] normalized_shape, Tensor? weight, float? eps) -> (Tensor, Tensor)",
    "aten::mm.dtype": "(Tensor self, Tensor mat2, ScalarType out_dtype) -> Tensor",
    "aten::mm.dtype_out": "(Tensor self, Tensor mat2, ScalarType out_dtype, *, Tensor(a!) out) -> Tensor(a!)",
    "aten::bmm.dtype": "(Tensor self, Tensor mat2, ScalarType out_dtype) -> Tensor",
    "aten::_scaled_mm":
        "(Tensor self, Tensor mat2, Tensor scale_a, Tensor scale_b, Tensor? bias=None, Tensor? scale_result=None, "
        "ScalarType? out_dtype=None, bool use_fast_accum=False) -> Tensor",
}


def version_of(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def ask_smi(query):
    if not shutil.which("nvidia-smi"):
        return []
    done = subprocess.run(["nvidia-smi", f"--query-{query}", "--format=csv,noheader"], capture_output=True, text=True,
                          timeout=20, check=False)
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []


def driver_version():
    """`580.65.06`, from nvidia-smi or from the kernel module; None without a driver."""
    for line in ask_smi("gpu=driver_version"):
        return line
    module = Path("/sys/module/nvidia/version")
    return module.read_text().strip() if module.exists() else None


def driver_problem(driver):
    if driver is None:
        return "no NVIDIA driver found: install one, version 580 or newer"
    if int(driver.split(".")[0]) < OLDEST_DRIVER:
        return f"driver {driver} is too old for CUDA 13: install {OLDEST_DRIVER} or newer"
    return None


def probe_machine(options):
    row = {"torch": torch.__version__, "transformers": version_of("transformers"), "python": sys.version.split()[0],
           "driver": driver_version(), "cuda": torch.version.cuda}
    problems = [] if torch.__version__ == WANTED_TORCH else [f"torch is {torch.__version__}, expected {WANTED_TORCH}"]
    if options.device == "cuda":
        problems += [problem for problem in [driver_problem(row["driver"])] if problem]
        if not torch.cuda.is_available():
            problems.append("torch sees no GPU")
        else:
            gpu = torch.cuda.get_device_properties(0)
            free, total = torch.cuda.mem_get_info()
            row |= {"gpu": gpu.name, "capability": f"{gpu.major}.{gpu.minor}", "multiprocessors": gpu.multi_processor_count,
                    "memory_bytes": total, "free_bytes": free, "other_processes": ask_smi("compute-apps=pid,used_memory"),
                    "clocks_power": ask_smi("gpu=clocks.max.sm,clocks.max.mem,power.limit")}
            if (gpu.major, gpu.minor) not in ARCHITECTURES:
                problems.append(f"no kernels of ours for compute capability {gpu.major}.{gpu.minor}")
    return row, problems


def probe_schemas(_):
    found = {}
    for name in {name.partition(".")[0] for name in SCHEMAS}:
        for schema in torch._C._jit_get_schemas_for_operator(name):
            text = str(schema)
            found[text[:text.index("(")]] = text[text.index("("):]
    problems = [f"{name}: expected {wanted}, found {found.get(name)}" for name, wanted in SCHEMAS.items()
                if found.get(name) != wanted]
    return {"schemas": len(SCHEMAS), "different": len(problems)}, problems


def reference_attention(q, k, v, lengths):
    """q (B, G, K, D), k and v (B, S, K, D) -> out (B, G, K, D) and log-sum-exp (B, G, K), in float32."""
    scores = torch.einsum("bgkd,bskd->bgks", q.float(), k.float()) * q.shape[-1] ** -0.5
    hidden = torch.arange(k.shape[1], device=q.device) >= lengths[:, None]
    scores = scores.masked_fill(hidden[:, None, None], -torch.inf)
    return torch.einsum("bgks,bskd->bgkd", scores.softmax(-1), v.float()), scores.logsumexp(-1)


class SuffixAttention:
    """The suffix attention of the decoder: one call, lengths on the device, a slot's query groups as its rows."""

    def __init__(self, device="cuda", slots=62, places=256, groups=3, kv_heads=8, head_dim=128):
        def random(*shape):
            return torch.randn(*shape, device=device, dtype=torch.bfloat16)
        self.slots, self.places, self.groups, self.device = slots, places, groups, device
        self.q = random(slots * groups, kv_heads, head_dim)  # (B·G, K, D)
        self.k, self.v = random(slots * places, kv_heads, head_dim), random(slots * places, kv_heads, head_dim)
        self.q_starts = torch.arange(0, slots + 1, device=device, dtype=torch.int32) * groups
        self.k_starts = torch.arange(0, slots + 1, device=device, dtype=torch.int32) * places
        self.lengths = self.random_lengths()

    def random_lengths(self):
        return torch.randint(1, self.places + 1, (self.slots,), device=self.device, dtype=torch.int32)

    def run(self):
        """out (B·G, K, D), log-sum-exp (K, B·G)."""
        return torch.ops.aten._flash_attention_forward(
            self.q, self.k, self.v, self.q_starts, self.k_starts, self.groups, self.places, 0.0, False, False,
            scale=self.q.shape[-1] ** -0.5, seqused_k=self.lengths)[:2]

    def errors(self, found):
        rows = [t.view(self.slots, -1, *t.shape[1:]) for t in (self.q, self.k, self.v)]
        out, lse = reference_attention(*rows, self.lengths)
        return ((found[0].view_as(out).float() - out).abs().max().item(),
                (found[1].T.reshape(lse.shape) - lse).abs().max().item())

    def captured(self):
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            found = self.run()
        return graph, found


def probe_attention(options):
    """_flash_attention_forward with device lengths: right, right when replayed with other lengths, and a slot's bits
    the same whatever the other slots hold."""
    if options.device != "cuda":
        return {}, ["_flash_attention_forward needs a GPU"]
    torch.manual_seed(1)
    attention = SuffixAttention()
    eager = [t.clone() for t in attention.run()]
    row = dict(zip(["error", "lse_error"], attention.errors(eager)))
    first_length = attention.lengths[:1].clone()
    graph, found = attention.captured()
    attention.lengths.copy_(attention.random_lengths())
    attention.lengths[:1] = first_length
    graph.replay()
    torch.cuda.synchronize()
    row |= dict(zip(["replay_error", "replay_lse_error"], attention.errors(found)))
    row["slot_invariant"] = torch.equal(found[0][:attention.groups], eager[0][:attention.groups])
    problems = [f"{name} is {value:.3g}, expected at most 0.02" for name, value in row.items()
                if name.endswith("error") and not value <= 0.02]
    return row, problems + ([] if row["slot_invariant"] else ["a slot's bits depend on the lengths of the others"])


def best_seconds(work, device, repeats):
    """The fastest of some repeats, each timed by itself."""
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return best


def probe_peak_rates(options):
    """Bytes read and written per second by a copy, and operations per second of a square bfloat16 product."""
    count, side, repeats = (1 << 20, 128, 3) if options.small else (1 << 31, 8192, 20)
    source = torch.ones(count, dtype=torch.uint8, device=options.device)
    target = torch.empty_like(source)
    copy_s = best_seconds(lambda: target.copy_(source), options.device, repeats)
    del source, target
    a, b = (torch.randn(side, side, dtype=torch.bfloat16, device=options.device) for _ in "ab")
    product_s = best_seconds(lambda: a @ b, options.device, repeats)
    return {"copy_gb_per_s": 2 * count / copy_s / 1e9, "bfloat16_tflops": 2 * side**3 / product_s / 1e12}, []


def run_gtest(options):
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        done = subprocess.run([options.path, f"--gtest_output=json:{report}"], stdout=sys.stderr, check=False)
        if not report.exists():
            return {"exit_code": done.returncode}, [f"{options.path} ended with {done.returncode} before its report"]
        tests = json.loads(report.read_text())
    cases = [case for suite in tests["testsuites"] for case in suite["testsuite"]]
    failed = [f"{case['classname']}.{case['name']}" for case in cases if case.get("failures")]
    row = {"tests": len(cases), "failed": len(failed), "skipped": sum(case["result"] == "SKIPPED" for case in cases)}
    if done.returncode and not failed:
        failed = [f"{options.path} ended with {done.returncode}"]
    return row, failed


def read_file(path, threads=8, block=16 << 20):
    """Bytes of a file, read by several threads: each takes every eighth block."""
    def read_share(first):
        buffer, total = bytearray(block), 0
        with open(path, "rb", buffering=0) as file:
            for at in range(first * block, size, threads * block):
                file.seek(at)
                total += file.readinto(buffer)
        return total
    size = Path(path).stat().st_size
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(read_share, range(threads)))


def evict(path):
    """Puts a file out of the page cache, where the file system can."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def probe_disk(options):
    evict(options.path)
    started = time.perf_counter()
    size = read_file(options.path)
    seconds = time.perf_counter() - started
    evict(options.path)
    wanted = Path(options.path).stat().st_size
    return {"read_gb_per_s": size / seconds / 1e9}, [] if size == wanted else [f"read {size} of {wanted} bytes"]


PROBES = {"machine": probe_machine, "schemas": probe_schemas, "attention": probe_attention, "peak_rates": probe_peak_rates,
          "gtest": run_gtest, "disk": probe_disk}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("probe", choices=list(PROBES))
    parser.add_argument("path", nargs="?", help="of gtest, or the file of disk")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    row, problems = PROBES[options.probe](options)
    print(json.dumps(row), flush=True)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
