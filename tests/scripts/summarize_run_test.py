"""scripts/summarize_run.py on run folders made here: a good one, and each way of being bad."""
import contextlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import summarize_run  # noqa: E402


def write_rows(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


class SummarizeRun(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.run = Path(folder.name)
        (self.run / "run.json").write_text('{"config": {"rounds": 2}}', encoding="utf-8")
        self.records = []
        for number in range(3):
            self.add_round(number)

    def add_round(self, number):
        for stage in summarize_run.STAGES if number else ["evaluate"]:
            self.records.append({"event": "stage_started", "round": number, "stage": stage})
            self.records.append({"event": "stage_finished", "round": number, "stage": stage})
        if number:
            self.train(number).update(
                rows=6, steps=3, loss_before=2.5, loss_after=2.25,
                weights_sha256_before=f"w{number - 1}", weights_sha256=f"w{number}",
            )
        seconds = {"stage": "evaluate", "seconds": 2.0, "units": 100, "unit": "tokens", "rate": 50.0}
        write_rows(self.run / f"round-{number:02}" / "timing.jsonl", [seconds, seconds])
        scores = [{"score": -1.0 - number, "win": None, "heldout_loss": 2.0}] * 2
        write_rows(self.run / f"round-{number:02}" / "eval.jsonl", scores)

    def train(self, number):
        """The record of the end of a round's training."""
        return next(
            record for record in self.records
            if record["event"] == "stage_finished" and (record["round"], record["stage"]) == (number, "train")
        )

    def summarize(self):
        rows = [{"seq": i, "crc32c": "", "body": body} for i, body in enumerate(self.records)]
        write_rows(self.run / "journal.jsonl", rows)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            faults = summarize_run.summarize(self.run)
        return faults, printed.getvalue()

    def test_a_good_run_has_no_fault_and_both_tables(self):
        faults, printed = self.summarize()
        self.assertEqual(faults, [])
        self.assertRegex(printed, r"2 +evaluate +4\.0 +200 tokens +50\.0 tokens/s")
        self.assertRegex(printed, r"all +12\.0")
        self.assertRegex(printed, r"0 +- +- +- +- +-1\.0000 +2\.0000")
        self.assertRegex(printed, r"2 +6 +3 +2\.5000 +2\.2500 +-3\.0000 +2\.0000")
        self.assertNotIn("win rate", printed)

    def test_no_row(self):
        self.train(1)["rows"] = 0
        self.assertEqual(self.summarize()[0], ["round 1: trained on no row"])

    def test_same_weights(self):
        self.train(2)["weights_sha256"] = "w1"
        self.assertEqual(self.summarize()[0], ["round 2: the weights did not change"])

    def test_loss_that_did_not_fall(self):
        for after in (2.5, 3.0, float("nan")):
            self.train(2)["loss_after"] = after
            self.assertIn("round 2: the loss on the winners did not fall", self.summarize()[0][0])

    def test_a_round_that_is_missing(self):
        self.records = [record for record in self.records if record["round"] != 2]
        self.assertIn("round 2: not finished: generate, judge, train, evaluate", self.summarize()[0])

    def test_a_stage_that_is_missing(self):
        self.records = [r for r in self.records if (r["round"], r["stage"]) != (1, "judge")]
        self.assertEqual(self.summarize()[0], ["round 1: not finished: judge"])

    def ask_with_reference(self, before, after):
        """60 held-out questions, of which so many are right before (with examples twice as many) and after."""
        (self.run / "run.json").write_text(
            '{"config": {"rounds": 2, "judge": {"kind": "reference"}, "prompts": {"holdout": 60}}}', encoding="utf-8")
        right = {"direct": 0, "thought": before, "thought_with_examples": 2 * before}
        row = {"win": None, "heldout_loss": 2.0, "thought": " so ", "answer": "5"}
        write_rows(self.run / "round-00" / "forms.jsonl",
                   [{"form": form, "prompt_id": f"q{n}", "score": float(n < count), **row}
                    for form, count in right.items() for n in range(60)])
        for number in (1, 2):
            write_rows(self.run / f"round-0{number}" / "eval.jsonl",
                       [{"prompt_id": f"q{n}", "score": float(n < after), **row} for n in range(60)])

    def test_a_model_that_got_better_is_shown_before_and_after(self):
        self.ask_with_reference(before=3, after=30)
        faults, printed = self.summarize()
        self.assertEqual(faults, [])
        self.assertRegex(printed, r"with a forced thought +3 +2-14 %")
        self.assertRegex(printed, r"after the worked examples +its best form +6 +5-20 %")
        self.assertRegex(printed, r"after round 2, alone +30 +38-62 %")
        self.assertIn("27 held-out questions are right now that were wrong before, 0 the other way", printed)
        self.assertIn("q3\n      before  wrong: (so) 5\n      after   right: (so) 5", printed)

    def test_no_better_than_chance_is_a_fault(self):
        for before, after in ((10, 14), (10, 10), (30, 3)):  # 4 better and none worse: p = 1/16
            with self.subTest(after=after):
                self.ask_with_reference(before, after)
                self.assertEqual(self.summarize()[0], ["the model did not get better beyond chance"])
        self.ask_with_reference(10, 15)
        self.assertEqual(self.summarize()[0], [])

    def test_nothing_held_out_is_nothing_shown(self):
        self.ask_with_reference(3, 30)
        (self.run / "run.json").write_text(
            '{"config": {"rounds": 2, "judge": {"kind": "reference"}, "prompts": {"holdout": 0}}}', encoding="utf-8")
        self.assertNotIn("held-out questions", self.summarize()[1])

    def test_no_run(self):
        with self.assertRaises(summarize_run.BadRun):
            summarize_run.summarize(self.run / "nowhere")


if __name__ == "__main__":
    unittest.main()
