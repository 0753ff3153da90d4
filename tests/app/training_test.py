"""Ways to train a round: preference pairs, LoRA; and what keeps a bad round from being published."""
import json
import shutil
import struct
import subprocess
import unittest

from program import ROOT, TINY, ProgramTest, rows_of, write_run


def poison(model):
    """Puts a NaN into the last float32 of model.safetensors; the name of its tensor."""
    path = model / "model.safetensors"
    data = bytearray(path.read_bytes())
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    header.pop("__metadata__", None)
    data[-4:] = struct.pack("<f", float("nan"))
    path.write_bytes(data)
    return max(header, key=lambda name: header[name]["data_offsets"][1])


class Training(ProgramTest):
    def test_preference_pairs(self):
        config = write_run(self.folder)
        self.expect(0, "run", "-q", "--config", config, "--set", "train.objective=dpo_nll", "--set", "rounds=1")
        metrics = rows_of(self.folder / "run/round-01/metrics.jsonl")
        self.assertAlmostEqual(metrics[0]["reward_margin"], 0, places=4)
        self.assertGreater(metrics[-1]["reward_margin"], 0)
        self.assertTrue((self.folder / "run/round-01/checkpoint/model.safetensors").exists())

    def test_lora_is_merged_and_its_adapter_is_kept(self):
        config = write_run(self.folder)
        options = ["--set", "train.method=lora", "--set", "train.lora.rank=4", "--set", "checkpoint.dtype=float32"]
        self.expect(0, "run", "-q", "--config", config, *options, "--set", "train.learning_rate=0.01")
        for number, base in ((1, TINY), (2, self.folder / "run/round-01/checkpoint")):
            checkpoint = self.folder / f"run/round-0{number}/checkpoint"
            words = [ROOT / ".deps/venv/bin/python", ROOT / "tests/parity/check_adapter.py", checkpoint, base]
            done = subprocess.run(words, capture_output=True, text=True, timeout=300)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_round_that_forgets_is_not_published(self):
        config = write_run(self.folder)
        gate = ["--set", "train.max_heldout_worse=0.01", "--set", "train.learning_rate=0.2"]
        self.expect(81, "run", "-q", "--config", config, *gate, says="train.max_heldout_worse")
        self.assertFalse((self.folder / "run/round-01/checkpoint").exists())
        self.expect(0, "status", self.folder / "run", says="train stopped: round 1: training raised the held-out loss")
        self.expect(81, "run", "-q", "--config", config, *gate, says="round 0 stays the newest")
        self.expect(78, "plan", "--config", config, *gate, "--set", "prompts.holdout=0", says="prompts.holdout")

    def test_weights_that_are_not_finite_are_refused(self):
        model = self.folder / "poisoned"
        shutil.copytree(TINY, model)
        name = poison(model)
        config = write_run(self.folder)
        self.expect(65, "run", "-q", "--config", config, "--set", f"model.path={model}", says=f"{name} has 1 of")

    def test_every_tier_trains(self):
        config = write_run(self.folder)
        for tier in ("float32_master", "int8"):
            options = ["--set", f"train.optimizer_state={tier}", "--set", "train.dtype=bfloat16", "--set", "rounds=1"]
            run = ["--set", f"run_dir={self.folder / tier}"]
            self.expect(0, "plan", "--config", config, *options, *run, says=f"optimizer state {tier}")
            self.expect(0, "run", "-q", "--config", config, *options, *run)
        self.expect(0, "plan", "--config", config, says="optimizer state float32_master")


if __name__ == "__main__":
    unittest.main()
