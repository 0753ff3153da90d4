"""The round-2 checkpoint of a tiny run goes through tests/parity/check_checkpoint.py: transformers loads it and agrees."""
import os
import subprocess
import unittest

from program import ROOT, ProgramTest, write_run


class Checkpoint(ProgramTest):
    def test_transformers_takes_it_as_it_is(self):
        config = write_run(self.folder, prompts=18)
        self.expect(0, "run", "-q", "--config", config, "--set", "prompts.per_round=8")
        round_folder = self.folder / "run" / "round-02"
        words = [str(ROOT / ".deps/venv/bin/python"), str(ROOT / "tests/parity/check_checkpoint.py"),
                 str(round_folder / "checkpoint"), "--prompts", str(round_folder / "prompts.jsonl"),
                 "--dump-logits", os.environ["DUMP_LOGITS"]]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        print(done.stdout)


if __name__ == "__main__":
    unittest.main()
