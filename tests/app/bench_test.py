"""bench decode on the tiny random model: the keys of its report, what it refuses."""
import json
import os
import unittest

from program import TINY, ProgramTest

KEYS = {
    "tokens_per_s", "prefill_s", "decode_s", "roofline_tokens_per_s", "roofline_share", "peak_rss_bytes", "empty_rss_bytes",
    "weights_bytes", "kv_bytes", "prompt_tokens", "new_tokens", "branches", "slots", "dtype", "threads", "device",
    "cpu", "instruction_set", "peak_rates", "load_s", "peak_device_bytes", "prefix", "without",
}
SMALL = ["--prompt-tokens", 5, "--new-tokens", 7, "--branches", 20, "--threads", 1, "--slots", 16]


class BenchDecode(ProgramTest):
    def report(self, dtype, *words):
        done = self.expect(0, "bench", "decode", "--model", TINY, "--dtype", dtype, *SMALL, *words)
        return json.loads(done.stdout)

    def test_reports_one_object(self):
        report = self.report("float32")
        self.assertEqual(set(report), KEYS)
        self.assertEqual((report["slots"], report["threads"], report["device"]), (16, 1, "cpu"))
        wall_s = report["prefill_s"] + report["decode_s"]
        self.assertAlmostEqual(report["tokens_per_s"] * wall_s, 20 * 7, places=6)
        self.assertAlmostEqual(report["roofline_share"] * report["roofline_tokens_per_s"], report["tokens_per_s"], places=6)
        self.assertGreater(report["roofline_share"], 0)
        self.assertGreater(report["peak_rss_bytes"], report["empty_rss_bytes"] + report["weights_bytes"])
        self.assertGreater(min(report["peak_rates"].values()), 0)
        self.assertGreater(report["load_s"], 0)
        self.assertIsNone(report["peak_device_bytes"])
        self.assertEqual((report["prefix"], report["without"]), ("shared", []))

    def test_a_copied_prefix_is_read_by_each_branch(self):
        shared = self.report("float32")
        copied = self.report("float32", "--copied-prefix")
        self.assertEqual(copied["prefix"], "copied")
        self.assertEqual(copied["kv_bytes"] * (5 + 20 * 8), shared["kv_bytes"] * 20 * (5 + 8))

    def test_sizes_follow_the_type(self):
        wide, narrow = self.report("float32"), self.report("bfloat16")
        self.assertEqual(narrow["dtype"], "bfloat16")
        for key in ["weights_bytes", "kv_bytes"]:
            self.assertEqual(wide[key], 2 * narrow[key])
        parameters = (os.path.getsize(TINY / "model.safetensors") - 8) // 4
        self.assertLessEqual(wide["weights_bytes"], 4 * parameters)  # the file has a header besides

    def test_wrong_words_are_usage_errors(self):
        self.expect(64, "bench")
        self.expect(64, "bench", "decode", says="--model is required")
        for option, value in [("--prompt-tokens", 0), ("--new-tokens", 0), ("--branches", -1), ("--threads", 0),
                              ("--slots", 20), ("--dtype", "int8"), ("--branches", "many")]:
            with self.subTest(option):
                self.expect(64, "bench", "decode", "--model", TINY, option, value, says=option)

    def test_what_does_not_fit_or_is_not_there(self):
        self.expect(65, "bench", "decode", "--model", TINY, "--prompt-tokens", 900_000, says="the model's context of")
        self.expect(66, "bench", "decode", "--model", self.folder / "none", says="none")


if __name__ == "__main__":
    unittest.main()
