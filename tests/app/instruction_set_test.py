#!/usr/bin/env python3
"""The instruction set of a run: frozen at its first start, told where a machine or a container withholds it."""
import ctypes
import json
import os
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

from program import PROGRAM, run, write_run


def has_tiles():
    flags = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), "")
    return {"amx_tile", "amx_bf16"} <= set(flags.split())


def forbid_tiles():
    """In the child: arch_prctl(ARCH_REQ_XCOMP_PERM, …) is refused from now on, as a container's filter may do (seccomp)."""
    load, jump_equal, answer = 0x20, 0x15, 0x06
    allow, refuse_eperm = 0x7FFF0000, 0x00050001
    arch_prctl, request_permission = 158, 0x1023
    lines = [(load, 0, 0, 0), (jump_equal, 0, 3, arch_prctl), (load, 0, 0, 16), (jump_equal, 0, 1, request_permission),
             (answer, 0, 0, refuse_eperm), (answer, 0, 0, allow)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    program = struct.pack("HxxxxxxQ", len(lines), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_filter, by_program = 38, 22, 2
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) or libc.prctl(set_filter, by_program, program, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


def run_without_tiles(*words):
    return subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=300,
                          preexec_fn=forbid_tiles, check=False)


class InstructionSetTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="app-test-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.config = write_run(self.folder)

    def frozen(self):
        return json.loads((self.folder / "run" / "run.json").read_text())["frozen"]["instruction_set"]

    def test_a_run_keeps_the_set_of_its_first_start(self):
        first = run("run", "-q", "--config", self.config, "--set", "rounds=1", "--set", "instruction_set=portable")
        self.assertEqual((first.returncode, self.frozen()), (0, "portable"), first.stderr)
        more = run("run", "--config", self.config)
        self.assertEqual((more.returncode, self.frozen()), (0, "portable"), more.stderr)
        if os.environ.get("THOUGHTRANK_INSTRUCTION_SET") != "portable":
            self.assertIn("instruction_set: portable as at the first start", more.stderr)

    def test_a_name_that_nobody_knows_is_refused_with_those_there_are(self):
        done = run("plan", "--config", self.config, "--set", "instruction_set=avx1024")
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertIn("'avx1024', which this machine does not have: auto, portable", done.stderr)

    @unittest.skipUnless(has_tiles(), "this CPU has no matrix tiles")
    def test_tiles_that_the_system_forbids_are_told_and_not_used(self):
        doctor = run_without_tiles("doctor")
        self.assertIn("no matrix tiles: the system does not allow them", doctor.stdout)
        self.assertNotIn("instruction set amx", doctor.stdout)
        if "THOUGHTRANK_INSTRUCTION_SET" in os.environ:
            return
        self.assertEqual(run("run", "-q", "--config", self.config, "--set", "rounds=1").returncode, 0)
        self.assertEqual(self.frozen(), "amx")
        refused = run_without_tiles("run", "-q", "--config", self.config)
        self.assertEqual(refused.returncode, 78, refused.stderr)
        self.assertIn("instruction set amx, which this process does not have (the system does not allow them",
                      refused.stderr)
        self.assertIn("--set instruction_set=avx512", refused.stderr)
        going_on = run_without_tiles("run", "-q", "--config", self.config, "--set", "instruction_set=avx512")
        self.assertEqual((going_on.returncode, self.frozen()), (0, "avx512"), going_on.stderr)
        self.assertIn("avx512 from here on, amx until now", going_on.stderr)


if __name__ == "__main__":
    unittest.main()
