"""bench train on the tiny random model: the keys of its report, rows of a file, what it refuses."""
import json
import unittest

from program import TINY, ProgramTest

KEYS = {
    "tokens_per_s", "step_s", "forward_s", "backward_s", "update_s", "gflop_per_s", "share_of_peak", "peak_rates",
    "peak_rss_bytes", "empty_rss_bytes", "peak_device_bytes", "memory", "steps", "tokens", "loss_tokens", "loss", "pack", "checkpointing",
    "optimizer_state", "dtype", "threads", "device", "cpu", "instruction_set",
}
SMALL = ["--sequence", 40, "--rows", 3, "--loss-tokens", 30, "--steps", 2, "--threads", 1]


class BenchTrain(ProgramTest):
    def report(self, *words):
        return json.loads(self.expect(0, "bench", "train", "--model", TINY, *SMALL, *words).stdout)

    def test_reports_one_object(self):
        for dtype in ["float32", "bfloat16"]:
            report = self.report("--dtype", dtype)
            self.assertEqual(set(report), KEYS)
            self.assertEqual((report["tokens"], report["loss_tokens"], report["steps"]), (120, 90, 2))
            self.assertEqual((report["dtype"], report["threads"], report["device"]), (dtype, 1, "cpu"))
            self.assertAlmostEqual(report["tokens_per_s"] * report["step_s"], 120, places=6)
            self.assertGreater(report["share_of_peak"], 0)
            self.assertGreater(report["peak_rss_bytes"], report["empty_rss_bytes"])
            self.assertGreater(min(report["memory"].values()), 0)

    def test_packing_and_checkpointing_change_no_loss(self):
        losses = [self.report("--dtype", "float32", *words)["loss"]
                  for words in [[], ["--pack", 40], ["--checkpointing", "full"], ["--checkpointing", "selective"]]]
        self.assertEqual(losses[0], losses[2])
        self.assertEqual(losses[0], losses[3])
        self.assertAlmostEqual(losses[0], losses[1], places=4)

    def test_every_tier(self):
        for tier in ["float32_master", "int8"]:
            for words in [[], ["--in-backward"]]:
                report = self.report("--dtype", "bfloat16", "--optimizer-state", tier, *words)
                self.assertEqual(report["optimizer_state"], tier)

    def test_rows_of_a_file(self):
        rows = self.folder / "rows.jsonl"
        row = {"prompt_id": "a", "round": 1, "branch": 0, "prompt": "", "completion": "",
               "input_ids": list(range(20)), "spans": [[5, 20, 1.0]], "weight": 1.0}
        rows.write_text(json.dumps(row) + "\n", encoding="utf-8")
        report = self.report("--data", rows)
        self.assertEqual((report["tokens"], report["loss_tokens"]), (20, 15))
        row["input_ids"] = []
        row["spans"] = []
        rows.write_text(json.dumps(row) + "\n", encoding="utf-8")
        self.expect(65, "bench", "train", "--model", TINY, "--data", rows, says="has no input_ids")

    def test_wrong_words_are_usage_errors(self):
        self.expect(64, "bench", "train", says="--model is required")
        for option, value in [("--sequence", 1), ("--rows", 0), ("--steps", 0), ("--dtype", "int8"),
                              ("--loss-tokens", 0), ("--checkpointing", "some")]:
            with self.subTest(option):
                self.expect(64, "bench", "train", "--model", TINY, option, value, says=option)
        self.expect(64, "bench", "train", "--model", TINY, "--sequence", 10, "--loss-tokens", 10, says="--loss-tokens 10")
        self.expect(66, "bench", "train", "--model", self.folder / "none", says="none")


if __name__ == "__main__":
    unittest.main()
