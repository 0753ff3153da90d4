"""Whole runs on the tiny random model: what they leave, what a second start does, what is refused."""
import fcntl
import json
import signal
import subprocess
import time
import unittest

from program import PROGRAM, ProgramTest, rows_of, write_run

ROUND_FILES = ["prompts", "outputs", "verdicts", "thoughts", "best_outputs", "training_data", "preference_pairs", "metrics",
               "timing", "eval"]


class WholeRun(ProgramTest):
    def setUp(self):
        super().setUp()
        self.config = write_run(self.folder)
        self.run = self.folder / "run"

    def start(self, code=0, *words, says=""):
        return self.expect(code, "run", "-q", "--config", self.config, *words, says=says)

    def test_two_rounds_leave_what_help_run_folder_lists(self):
        self.start(says="finished")
        for number in (1, 2):
            folder = self.run / f"round-{number:02}"
            for name in ROUND_FILES:
                self.assertTrue((folder / f"{name}.jsonl").is_file(), f"{folder}/{name}")
            outputs = rows_of(folder / "outputs.jsonl")
            self.assertEqual([(r["branch"]) for r in outputs], list(range(12)) * 2)
            self.assertEqual({len(r) for r in outputs}, {len(outputs[0])})
            self.assertTrue((folder / "checkpoint" / "MANIFEST.json").is_file())
        generators = [rows_of(self.run / f"round-0{n}" / "outputs.jsonl")[0]["model_sha256"] for n in (1, 2)]
        self.assertNotEqual(*generators)

    def test_tokens_are_trained_on_as_generated(self):
        self.start()
        folder = self.run / "round-01"
        outputs = {(r["prompt_id"], r["branch"]): r["token_ids"] for r in rows_of(folder / "outputs.jsonl")}
        prompts = {r["prompt_id"]: r["token_ids"] for r in rows_of(folder / "prompts.jsonl")}
        rows = rows_of(folder / "training_data.jsonl")
        self.assertTrue(rows)
        for row in rows:
            key = row["prompt_id"], row["branch"]
            self.assertEqual(row["input_ids"], prompts[row["prompt_id"]] + outputs[key])

    def test_a_second_start_does_nothing(self):
        self.start()
        before = {p: p.stat().st_mtime_ns for p in self.run.rglob("*") if p.is_file() and p.name != "LOCK"}
        self.start(says="finished")
        self.assertEqual(before, {p: p.stat().st_mtime_ns for p in before})

    def test_more_rounds_go_on(self):
        self.start()
        first = (self.run / "round-01" / "outputs.jsonl").read_bytes()
        self.start(78, "--set", "seed=4", says="seed: 3 -> 4")
        self.start(0, "--set", "rounds=3")
        self.assertTrue((self.run / "round-03" / "checkpoint" / "MANIFEST.json").is_file())
        self.assertEqual(first, (self.run / "round-01" / "outputs.jsonl").read_bytes())
        self.assertFalse(list((self.run / "round-01" / "checkpoint").glob("*.safetensors")), "not purged")
        self.start(0, "--set", "rounds=3", says="finished")

    def test_a_fork_takes_rounds_over_and_gives_the_same_bytes(self):
        self.start()
        names = ("outputs.jsonl", "training_data.jsonl", "metrics.jsonl", "checkpoint/model.safetensors")
        whole = {n: (self.run / "round-02" / n).read_bytes() for n in names}
        same, other = self.folder / "same", self.folder / "other"
        fork = ["--fork-from", self.run, "--round", "2", "--set"]
        self.start(0, *fork, f"run_dir={same}", says="finished")
        for name, content in whole.items():
            self.assertEqual(content, (same / "round-02" / name).read_bytes())
        first = [folder / "round-01" / "checkpoint" / "model.safetensors" for folder in (self.run, same)]
        self.assertTrue(first[0].samefile(first[1]), "not a hard link")
        self.assertTrue((self.run / "round-02" / "outputs.jsonl").samefile(same / "round-02" / "outputs.jsonl"))
        self.start(0, *fork, f"run_dir={same}", says="finished")  # the same command resumes
        hot = ["--set", "train.learning_rate=3e-3"]
        self.start(0, *fork, f"run_dir={other}", *hot)
        self.assertEqual(whole["outputs.jsonl"], (other / "round-02" / "outputs.jsonl").read_bytes())
        self.assertNotEqual(whole["checkpoint/model.safetensors"],
                            (other / "round-02" / "checkpoint" / "model.safetensors").read_bytes())
        self.assertTrue(first[0].exists())
        short = self.folder / "short"
        self.start(0, *fork, f"run_dir={short}", "--set", "generate.answer_tokens=3")
        self.assertNotEqual(whole["outputs.jsonl"], (short / "round-02" / "outputs.jsonl").read_bytes())

    def test_a_fork_that_cannot_be_is_refused(self):
        self.start()
        fork = ["--fork-from", self.run, "--round", "2", "--set", f"run_dir={self.folder / 'new'}", "--set"]
        self.start(78, *fork, "seed=4", says="seed: 3 -> 4")
        self.start(78, *fork, "rounds=1", says="has rounds: 1")
        self.start(78, "--fork-from", self.run, "--round", "2", says="holds something else")
        self.start(66, "--fork-from", self.folder, "--round", "1", says="no run in it")
        self.start(64, "--fork-from", self.run, says="--round")
        self.start(0, "--set", "rounds=3")  # checkpoint.keep: 2
        self.start(66, *fork, "rounds=3", says="checkpoint.keep")
        self.assertFalse((self.folder / "new").exists())

    def test_a_fork_from_the_beginning_makes_the_anchors_of_its_own_prompts(self):
        rows = rows_of(self.folder / "prompts.jsonl")
        rows[3]["prompt"] = "x " * 1000  # of those held out; fits with short answers only
        (self.folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.start(0, "--set", "generate.answer_tokens=40", "--set", "rounds=1")
        held_out = [row["prompt_id"] for row in rows_of(self.run / "round-00" / "eval.jsonl")]
        self.assertNotIn("p3", held_out)
        new = self.folder / "new"
        self.start(0, "--fork-from", self.run, "--round", "1", "--set", f"run_dir={new}", "--set", "generate.answer_tokens=3",
                   "--set", "rounds=1")
        for number in (0, 1):
            rows = rows_of(new / f"round-0{number}" / "eval.jsonl")
            self.assertIn("p3", [row["prompt_id"] for row in rows])

    def test_stages_one_by_one_give_the_same_files(self):
        self.start()
        whole = {n: (self.run / "round-01" / f"{n}.jsonl").read_bytes() for n in ("outputs", "training_data", "metrics")}
        single = ["--config", self.config, "--set", f"run_dir={self.folder / 'single'}", "-q"]
        self.expect(66, "judge", *single, says="generate has not finished yet")
        for stage in ("generate", "judge", "train"):
            self.expect(0, stage, "--round", "1", *single)
        for name, content in whole.items():
            self.assertEqual(content, (self.folder / "single" / "round-01" / f"{name}.jsonl").read_bytes())

    def test_select_and_train_on_a_file(self):
        self.start()
        out = self.folder / "strict"
        self.expect(0, "select", "--config", self.config, "--round", "1", "--out", out, says="trained")
        self.assertEqual((out / "training_data.jsonl").read_bytes(),
                         (self.run / "round-01" / "training_data.jsonl").read_bytes())
        taken = ["select", "--config", self.config, "--round", "1", "--out"]
        self.expect(78, *taken, self.run / "round-02", says="run folder")
        self.expect(0, "train", "-q", "--config", self.config, "--data", out / "training_data.jsonl",
                    "--out", self.folder / "again", says="checkpoint")
        self.assertTrue((self.folder / "again" / "MANIFEST.json").is_file())

    def test_inspect_and_status_read_a_run(self):
        self.start()
        self.expect(0, "status", self.run, says="2 rounds, judge likelihood: finished")
        overview = self.expect(0, "inspect", self.run, "--round", "1").stdout
        prompt = rows_of(self.run / "round-01" / "prompts.jsonl")[0]["prompt_id"]
        self.assertIn(prompt, overview)
        self.expect(0, "inspect", self.run, "--round", "1", "--prompt", prompt, "--all", says="thought:")
        self.expect(66, "inspect", self.run, "--prompt", "nobody", says="nobody")

    def test_signals_that_come_while_it_exits_change_nothing(self):
        self.start()
        for number in range(12):
            process = subprocess.Popen(
                [PROGRAM, "run", "--config", self.config], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            for line in process.stderr:
                if "finished already" in line:
                    break
            while process.poll() is None:
                process.send_signal([signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP][number % 3])
                time.sleep(0.001)
            process.stderr.close()
            self.assertEqual(process.returncode, 0, number)


class Refusals(ProgramTest):
    def setUp(self):
        super().setUp()
        self.config = write_run(self.folder)
        self.run = self.folder / "run"

    def start(self, code, says=""):
        return self.expect(code, "run", "-q", "--config", self.config, says=says)

    def test_a_changed_file_is_found(self):
        self.start(0)
        file = self.run / "round-01" / "training_data.jsonl"
        file.write_bytes(file.read_bytes().replace(b"Question", b"question", 1))
        self.start(65, says="training_data.jsonl")

    def test_a_damaged_checkpoint_is_told_and_made_again_when_asked(self):
        self.start(0)
        weights = self.run / "round-02" / "checkpoint" / "model.safetensors"
        good = weights.read_bytes()
        weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        self.start(65, says="train --round 2")
        self.expect(0, "train", "-q", "--round", "2", "--config", self.config, says="model.safetensors")
        self.assertEqual(weights.read_bytes(), good)
        self.start(0)

    def test_a_folder_in_use_is_refused(self):
        self.start(0)
        with open(self.run / "LOCK") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.start(73)

    def test_too_few_prompts(self):
        write_run(self.folder, prompts=5)
        self.start(78, says="needs 6")

    def test_a_prompt_longer_than_the_context_is_left_out(self):
        rows = (self.folder / "prompts.jsonl").read_text()
        (self.folder / "prompts.jsonl").write_text(rows.replace("Question 3", "word " * 3000))
        said = self.start(0, says="context of 2048").stderr
        self.assertIn("'p3'", said)
        for round_folder in ("round-01", "round-02"):
            used = {row["prompt_id"] for row in rows_of(self.run / round_folder / "prompts.jsonl")}
            self.assertNotIn("p3", used)

    def test_nothing_to_train_on_makes_no_checkpoint(self):
        self.config.write_text(self.config.read_text() + "select: {min_score: 1000}\n")
        self.start(81, says="no winner to train on")
        self.assertFalse((self.run / "round-01" / "checkpoint").exists())

    def test_sigterm_ends_with_75_and_the_same_command_goes_on(self):
        slow = ["--set", "generate.answer_tokens=400", "--set", "prompts.per_round=3", "--set", "branches.chars=a-zA-Z0-9"]
        words = [PROGRAM, "run", "-q", "--config", str(self.config), *slow]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        journal = self.run / "journal.jsonl"
        while process.poll() is None and not (journal.exists() and b'"generate"' in journal.read_bytes()):
            time.sleep(0.005)
        sent = time.monotonic()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 75)
        self.assertLess(time.monotonic() - sent, 30)
        self.expect(0, "run", "-q", "--config", self.config, *slow, says="finished")


if __name__ == "__main__":
    unittest.main()
