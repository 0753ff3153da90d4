"""Ways to train a round: preference pairs, LoRA; and what keeps a bad round from being published."""
import json
import shutil
import signal
import struct
import subprocess
import time
import unittest

from program import PROGRAM, ROOT, TINY, ProgramTest, rows_of, write_run


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


class TrainingOnAFile(ProgramTest):
    """`train --data FILE --out DIR` is the train stage of a round without the round."""

    def setUp(self):
        super().setUp()
        self.config = write_run(self.folder)
        self.out = self.folder / "again"

    def rows_of_a_round(self):
        self.expect(0, "run", "-q", "--config", self.config, "--set", "rounds=1")
        return self.folder / "run/round-01/training_data.jsonl"

    def train(self, code, data, *words, says=""):
        return self.expect(code, "train", "--config", self.config, "--data", data, "--out", self.out, *words, says=says)

    def left(self):
        return sorted(path.name for path in self.folder.iterdir() if "again" in path.name)

    def test_it_gives_what_a_rounds_train_stage_gives(self):
        data = self.rows_of_a_round()
        said = self.train(0, data, says=f"metrics: {self.out}.metrics.jsonl")
        self.assertIn("train", said.stderr, "no progress line")
        self.assertEqual(self.left(), ["again", "again.metrics.jsonl"])
        stage = data.parent
        for ours, theirs in ((self.folder / "again.metrics.jsonl", stage / "metrics.jsonl"),
                             (self.out / "model.safetensors", stage / "checkpoint/model.safetensors")):
            self.assertEqual(ours.read_bytes(), theirs.read_bytes())
        facts = [json.loads((folder / "MANIFEST.json").read_text())["training"]
                 for folder in (self.out, stage / "checkpoint")]
        self.assertEqual(*facts)
        self.train(78, data, says="choose another --out")

    def test_the_gate_refuses_a_checkpoint_that_forgets(self):
        data = self.rows_of_a_round()
        gate = ["--set", "train.max_heldout_worse=0.01"]
        hot = [*gate, "--set", "train.learning_rate=0.2"]
        said = self.train(81, data, *hot, says="train.max_heldout_worse allows")
        self.assertIn(str(data), said.stderr)
        self.assertEqual(self.left(), [".work-again", "again.metrics.jsonl"])
        self.train(81, data, *hot, says="No checkpoint is made")
        self.train(0, data, *gate)
        self.assertEqual(self.left(), ["again", "again.metrics.jsonl"])

    def test_the_gate_asks_for_answers_before_it_trains(self):
        data = self.rows_of_a_round()
        rows = rows_of(self.folder / "prompts.jsonl")
        for row in rows:
            del row["answer"]
        (self.folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.train(66, data, "--set", "train.max_heldout_worse=0.01", says="train.max_heldout_worse=null")
        self.assertEqual(self.left(), [])
        self.train(0, data)

    def test_skipped_steps_are_kept_beside_the_checkpoint(self):
        plain = {"prompt_id": "plain", "prompt": "Say it.", "completion": "a a a a"}
        other = {"prompt_id": "other", "prompt": "Say it.", "completion": "Q7#xz!KWv"}
        data = self.folder / "rows.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in [plain] * 24 + [other] + [plain] * 3))
        spiky = ["train.spike_sigmas=0.5", "train.shuffle=false", "train.epochs=1", "train.learning_rate=3e-3"]
        self.train(0, data, *(word for value in spiky for word in ("--set", value)), says="is skipped")
        self.assertEqual(self.left(), ["again", "again.metrics.jsonl", "again.quarantine.jsonl"])
        noted = rows_of(self.folder / "again.quarantine.jsonl")
        self.assertEqual([(row["step"], row["prompt_ids"]) for row in noted], [(25, ["other"])])
        metrics = rows_of(self.folder / "again.metrics.jsonl")
        self.assertEqual([row["step"] for row in metrics if row["skipped"]], [25])

    def test_an_interrupted_training_goes_on(self):
        data = self.rows_of_a_round()
        data.write_bytes(data.read_bytes() * 200)
        calm = ["--set", "train.spike_sigmas=0"]  # 200 times the same rows are soon known by heart
        words = [PROGRAM, "train", "-q", "--config", str(self.config), "--data", str(data), "--out", str(self.out), *calm]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not list(self.folder.glob(".work-again/state-*")):
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 75)
        self.assertEqual(self.left(), [".work-again"])
        resumed = self.train(0, data, *calm)
        self.assertNotIn("belongs to another training", resumed.stderr)
        whole = self.folder / "whole"
        self.expect(0, "train", "-q", "--config", self.config, "--data", data, "--out", whole, *calm)
        self.assertEqual((self.out / "model.safetensors").read_bytes(), (whole / "model.safetensors").read_bytes())
        self.assertEqual((self.folder / "again.metrics.jsonl").read_bytes(),
                         (self.folder / "whole.metrics.jsonl").read_bytes())


if __name__ == "__main__":
    unittest.main()
