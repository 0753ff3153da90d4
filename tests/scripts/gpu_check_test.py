"""scripts/gpu_check.sh runs whole on the CPU with tiny sizes, keeps what a part printed before it broke, and its
yardsticks do the work they claim: two independent programs choose the same tokens."""
import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "tests" / "benchmarks"
sys.path[:0] = [str(ROOT / "scripts"), str(BENCHMARKS)]
import gpu_check  # noqa: E402

HAS_TORCH = importlib.util.find_spec("torch") is not None
HAS_TRANSFORMERS = HAS_TORCH and importlib.util.find_spec("transformers") is not None

# A test program: writes a report in gtest's form.
GTEST = """#!/bin/sh
file=${1#--gtest_output=json:}
echo '{"testsuites": [{"testsuite": [{"classname": "A", "name": "b", "result": "COMPLETED"},
  {"classname": "A", "name": "c", "result": "RESULT" FAILURES}]}]}' >"$file"
exit CODE
"""


class FolderTest(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="gpu-check-test-")
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def write_gtest(self, name, result="SKIPPED", failures="", code=0):
        program = self.folder / "tests" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(GTEST.replace("RESULT", result).replace("FAILURES", failures).replace("CODE", str(code)))
        program.chmod(0o755)
        return program


@unittest.skipUnless(HAS_TORCH, "this python3 has no torch")
class WholeCheck(FolderTest):
    def check(self, *words):
        out = self.folder / "report.json"
        command = [ROOT / "scripts" / "gpu_check.sh", "--small", "--out", out, "--tests", self.folder / "tests", *words]
        env = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env=env, check=False)
        return done, {part["part"]: part for part in json.loads(out.read_text())["parts"]}

    def test_runs_whole_on_the_cpu(self):
        self.write_gtest("a_cuda_test")
        done, parts = self.check("--device", "cpu", "--program", os.environ["THOUGHTRANK"])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(parts["a_cuda_test"]["rows"], [{"tests": 2, "failed": 0, "skipped": 1}])
        trained = [f"train, {tier}" for tier in gpu_check.TIERS] + ["train, int8, in backward"]
        for name in ["ours 6x3", "ours 20x3", "ours 6x5", "torch", "torch, copied prefix", "torch, autotuned", *trained]:
            self.assertEqual(parts[name]["status"], "passed", name)
            self.assertGreater(parts[name]["rows"][0]["tokens_per_s"], 0)
        self.assertEqual(len(parts["torch"]["rows"]), 3)
        self.assertIn("ok    libraries", parts["doctor"]["rows"][0]["text"])
        self.assertEqual(parts["transformers"]["status"], "passed" if HAS_TRANSFORMERS else "skipped")
        for part in parts.values():
            self.assertIn(part["status"], ["passed", "skipped"])
            self.assertEqual("problem" in part, part["status"] == "skipped")
            self.assertIn(part["part"], done.stdout)

    def test_without_a_gpu_it_fails_and_says_why(self):
        if Path("/sys/module/nvidia/version").exists():
            self.skipTest("this machine has a GPU")
        done, parts = self.check("--device", "cuda", "--program", self.folder / "none")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no NVIDIA driver found", parts["machine"]["problem"])
        self.assertEqual({part["status"] for name, part in parts.items() if name != "machine"}, {"skipped"})


def ends(pid, within_s=30.0):
    """Whether the process ends in time: SIGKILL is acted upon when the kernel comes to it, not when it is sent."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if " Z " in Path(f"/proc/{pid}/stat").read_text():
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


@unittest.skipUnless(HAS_TORCH, "this python3 has no torch")
class Parts(FolderTest):
    def run_parts(self, *parts, budget_s=60.0):
        options = argparse.Namespace(device="cpu", small=True, budget=budget_s)
        report = gpu_check.Report(self.folder / "report.json", options)
        runner = gpu_check.Runner(report, budget_s)
        for part in parts:
            runner.run(part)
        self.assertEqual(json.loads((self.folder / "report.json").read_text())["parts"], report.parts)
        return report.parts

    def test_rows_before_a_crash_are_kept(self):
        words = ["bash", "-c", """echo '{"a": 1}'; echo '{"b": '; echo broken >&2; kill -SEGV $$"""]
        crashed, = self.run_parts(gpu_check.Part("x", words, 10, {"who": "ours"}))
        self.assertEqual((crashed["status"], crashed["rows"]), ("failed", [{"who": "ours", "a": 1}]))
        self.assertIn("exit code -11: broken", crashed["problem"])

    def test_a_part_that_hangs_is_ended_with_its_children(self):
        pid_file = self.folder / "pid"
        words = ["bash", "-c", f"""echo '{{"a": 1}}'; sleep 600 & echo $! >{pid_file}; wait"""]
        started = time.monotonic()
        hung, after = self.run_parts(gpu_check.Part("hangs", words, 0.7), gpu_check.Part("after", ["true"], 10))
        self.assertLess(time.monotonic() - started, 30)
        self.assertEqual((hung["status"], hung["rows"], after["status"]), ("timed out", [{"a": 1}], "passed"))
        self.assertTrue(ends(int(pid_file.read_text())))

    def test_no_time_left(self):
        part, = self.run_parts(gpu_check.Part("x", ["true"], 10), budget_s=0.0)
        self.assertEqual((part["status"], part["problem"]), ("skipped", "no time left"))

    def test_flags_that_the_program_lacks(self):
        help_text = "  -h,--help   x\n  --model TEXT\n  --device TEXT\n  --without TEXT:{rope,silu} ...  x --fake\n"
        with mock.patch("subprocess.run", return_value=argparse.Namespace(stdout=help_text)):
            flags, kernels = gpu_check.known_flags("program")
        self.assertEqual((flags, kernels), ({"--help", "--model", "--device", "--without"}, ["rope", "silu"]))


@unittest.skipUnless(HAS_TORCH, "this python3 has no torch")
class Probes(FolderTest):
    def test_a_failing_test_program_fails(self):
        import gpu_probe
        failing = self.write_gtest("b_cuda_test", "COMPLETED", ', "failures": [{}]', code=1)
        row, problems = gpu_probe.run_gtest(argparse.Namespace(path=failing))
        self.assertEqual((row["failed"], problems), (1, ["A.c"]))
        crashing = self.write_gtest("c_cuda_test", "COMPLETED", code=3)
        self.assertEqual(len(gpu_probe.run_gtest(argparse.Namespace(path=crashing))[1]), 1)
        self.assertEqual(len(gpu_probe.run_gtest(argparse.Namespace(path="/bin/false"))[1]), 1)

    def test_drivers(self):
        import gpu_probe
        self.assertIn("no NVIDIA driver", gpu_probe.driver_problem(None))
        self.assertIn("too old", gpu_probe.driver_problem("579.99"))
        self.assertIsNone(gpu_probe.driver_problem("580.65.06"))

    def test_another_schema_is_found(self):
        import gpu_probe
        with mock.patch.dict(gpu_probe.SCHEMAS, {"aten::mm.dtype": "(Tensor self) -> Tensor"}):
            self.assertEqual(len(gpu_probe.probe_schemas(None)[1]), 1)
        self.assertEqual(gpu_probe.probe_schemas(None)[1], [])

    def test_the_layout_of_the_suffix_attention(self):
        """What the call must return, put together slot by slot; a wrong length is seen."""
        import gpu_probe
        import torch
        attention = gpu_probe.SuffixAttention("cpu", slots=3, places=8, groups=2, kv_heads=2, head_dim=4)
        out, lse = torch.empty(6, 2, 4), torch.empty(2, 6)
        for slot, length in enumerate(attention.lengths.tolist()):
            rows, places = slice(2 * slot, 2 * slot + 2), slice(8 * slot, 8 * slot + length)
            q, k, v = (t.float().transpose(0, 1) for t in (attention.q[rows], attention.k[places], attention.v[places]))
            scores = q @ k.transpose(1, 2) / 2  # (K, G, length)
            out[rows], lse[:, rows] = (scores.softmax(-1) @ v).transpose(0, 1), scores.logsumexp(-1)
        self.assertLess(max(attention.errors((out, lse))), 1e-5)
        attention.lengths = attention.lengths % 8 + 1
        self.assertGreater(max(attention.errors((out, lse))), 1e-2)


@unittest.skipUnless(HAS_TRANSFORMERS, "this python3 has no transformers")
class Yardsticks(FolderTest):
    def rows_of(self, script, *words):
        command = [sys.executable, "-B", BENCHMARKS / script, *map(str, words), "--device", "cpu"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def test_both_choose_the_same_tokens(self):
        model = self.folder / "model"
        self.rows_of("make_random_llama.py", model, "--shape", "tiny", "--dtype", "float32")
        words = ["--model", model, "--dtype", "float32", "--prompt-tokens", 20, "--cell", "5x9", "--cell", "3x4"]
        ours = self.rows_of("decode_torch.py", *words, "--prefix", "shared", "copied", "--bucket", 4)
        theirs = self.rows_of("decode_transformers.py", *words)
        hashes = [row["ids_sha256"] for row in theirs]
        self.assertEqual([row["ids_sha256"] for row in ours], hashes * 2)
        self.assertNotEqual(*hashes)

    def test_random_weights_are_never_zero(self):
        import make_random_llama
        import torch_llama
        make_random_llama.write_model(self.folder, "tiny")
        weights = torch_llama.read_safetensors(self.folder / "model.safetensors")
        self.assertEqual(len(weights), 2 + 9 * 2)
        for name, weight in weights.items():
            self.assertTrue(bool((weight != 0).all()), name)
            self.assertGreater(weight.float().std().item(), 0.01, name)


if __name__ == "__main__":
    unittest.main()
