#!/usr/bin/env python3
"""Runs a program as on another CPU: on_cpu.py CPU PROGRAM [ARGUMENTS…]; exit 77 where this machine cannot.

libtorch has several ways through a product or a sum, and takes one by what the CPU can do; so do our own kernels. A
test must hold on each of them. Without this script a program takes the newest ones that the machine has.
"""
import os
import sys
from pathlib import Path

SKIPPED = 77
AVX2 = {"avx2", "fma"}
AVX512 = AVX2 | {"avx512f", "avx512bw", "avx512dq", "avx512vl"}

# What the CPU must have; how far oneDNN, ATen, MKL and our own kernels may go.
CPUS = {
    "portable": (set(), "SSE41", "default", "SSE4_2", "portable"),
    "avx2": (AVX2, "AVX2", "avx2", "AVX2", "avx2"),
    "avx512": (AVX512, "AVX512_CORE", "avx512", "AVX512", "avx512"),
    "avx512_bf16": (AVX512 | {"avx512_bf16"}, "AVX512_CORE_BF16", "avx512", "AVX512", "avx512_bf16"),
    "amx": (AVX512 | {"avx512_bf16", "amx_tile", "amx_bf16"}, "AVX512_CORE_AMX", "avx512", "AVX512", "amx"),
    "emulated_amx": (set(), "AVX2", "default", "AVX2", "emulated_amx"),
}
VARIABLES = ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS", "THOUGHTRANK_INSTRUCTION_SET")


def abilities():
    for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("flags"):
            return set(line.split(":", 1)[1].split())
    return set()


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in CPUS:
        sys.exit(f"usage: on_cpu.py {'|'.join(CPUS)} PROGRAM [ARGUMENTS]")
    needed, *values = CPUS[sys.argv[1]]
    if missing := needed - abilities():
        print(f"skipped: this machine's CPU lacks {', '.join(sorted(missing))}")
        return SKIPPED
    os.execvpe(sys.argv[2], sys.argv[2:], {**os.environ, **dict(zip(VARIABLES, values))})


if __name__ == "__main__":
    sys.exit(main())
