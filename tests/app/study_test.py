#!/usr/bin/env python3
"""`thoughtrank study` as a user runs it: the committed study on the tiny model, kills, its outputs; its two scripts."""
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from program import PROGRAM, ROOT, run, write_run

STUDY = """\
study_dir: study
config: round.yaml
seeds: 2
tasks:
  - {name: sums, set: [rounds=1]}
arms:
  - {name: recipe, about: the recipe}
  - {name: chance, about: a random winner, set: [select.control=random_winner]}
  - {name: swapped, about: other thoughts, set: [select.control=shuffled_thoughts]}
"""


class StudyTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="app-test-")))
        write_run(self.folder)
        self.config = self.folder / "study.yaml"
        self.config.write_text(STUDY)

    def results(self):
        return (self.folder / "study" / "results.jsonl").read_bytes()

    def test_its_file_and_folder_are_told_apart_from_those_of_a_run(self):
        plan = run("plan", "--config", self.config)
        self.assertEqual(plan.returncode, 78)
        self.assertIn("is the file of a study, not of a run: `thoughtrank study --config", plan.stderr)
        folder = self.folder / "study"
        folder.mkdir()
        (folder / "design.json").write_text("{}")
        status = run("status", folder)
        self.assertEqual(status.returncode, 66)
        self.assertIn("is a study: `thoughtrank study --config FILE --print` shows it", status.stderr)

    def test_runs_says_what_it_found_and_resumes_after_kills(self):
        whole = run("study", "--config", self.config)
        self.assertEqual(whole.returncode, 0, whole.stderr)
        self.assertIn("study, run 6 of 6: sums, swapped, seed 2", whole.stderr)
        self.assertIn("| arm", whole.stdout)
        self.assertIn("sums: 3 questions tell nothing of the arms", whole.stdout)
        undisturbed = self.results()
        study = json.loads((self.folder / "study" / "study.json").read_text())
        self.assertEqual([arm["arm"] for arm in study["tasks"][0]["arms"]], ["recipe", "chance", "swapped"])
        chart = ElementTree.parse(self.folder / "study" / "sums.svg").getroot()
        names = [text.text for text in chart.iter("{http://www.w3.org/2000/svg}text")]
        for name in ["recipe", "chance", "swapped", "round"]:
            self.assertIn(name, names)
        (self.folder / "study").rename(self.folder / "whole")

        random.seed(4)
        for _ in range(6):
            process = subprocess.Popen([PROGRAM, "study", "-q", "--config", self.config], stdout=subprocess.DEVNULL)
            time.sleep(random.uniform(0.1, 1.5))
            process.send_signal(signal.SIGKILL)
            process.wait()
        again = run("study", "--config", self.config)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(self.results(), undisturbed)
        self.assertIn("all 6 runs were finished already", run("study", "--config", self.config).stderr)
        shown = run("study", "--config", self.config, "--print")
        self.assertEqual(shown.stdout, again.stdout)

    def test_seeds_of_two_folders_are_brought_together(self):
        other = ["--set", f"study_dir={self.folder / 'other'}"]
        done = run("study", "--config", self.config, "--seed", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("1 of 2", done.stdout)
        done = run("study", "--config", self.config, "--seed", "2", *other)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse((self.folder / "other" / "sums" / "recipe-1").exists())
        done = run("study", "--config", self.config, "--print", "--add", self.folder / "other")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("3 runs added from", done.stderr)
        self.assertIn("2 of 2", done.stdout)
        done = run("study", "--config", self.config)
        self.assertIn("all 3 runs were finished already", done.stderr)
        self.assertFalse((self.folder / "study" / "sums" / "recipe-2").exists())
        self.assertEqual(run("study", "--config", self.config, "--seed", "3").returncode, 64)
        done = run("study", "--config", self.config, "--print", "--add", self.folder)
        self.assertEqual(done.returncode, 66)
        self.assertIn("no results of a study are there", done.stderr)

    def test_needs_its_own_file(self):
        done = run("study")
        self.assertEqual(done.returncode, 64)
        self.assertIn("--config FILE is needed", done.stderr)
        done = run("study", "--config", self.folder / "round.yaml")
        self.assertEqual(done.returncode, 78)
        self.assertIn("unknown key 'run_dir'", done.stderr)
        done = run("study", "--config", self.config, "--print")
        self.assertEqual(done.returncode, 66)
        self.assertIn("there is no study in it", done.stderr)

    def test_the_committed_study_is_whole(self):
        """Every run of configs/study.yaml has a good config; its questions are those that make_tasks.py makes."""
        done = run("study", "--config", ROOT / "configs" / "study.yaml", "--print", "--set", f"study_dir={self.folder}/none")
        self.assertEqual(done.returncode, 66, done.stderr)
        subprocess.run(
            [sys.executable, ROOT / "scripts" / "make_tasks.py", "--out", self.folder], check=True, stdout=subprocess.DEVNULL
        )
        made = sorted(self.folder.glob("[bls]*-*.jsonl")) + [self.folder / f"{k}.jsonl" for k in ("brackets", "stories", "lottery")]
        self.assertEqual(len(made), 6)
        for file in made:
            self.assertEqual(file.read_bytes(), (ROOT / "configs" / "study" / file.name).read_bytes(), file.name)

    def rank(self, noise, answers, question="What is (6 + 6) times 4?"):
        request = {"question": question, "answers": [{"label": label, "answer": text} for label, text in answers]}
        done = subprocess.run(
            [ROOT / "scripts" / "noisy_judge.py", str(noise)], input=json.dumps(request), capture_output=True, text=True
        )
        return json.loads(done.stdout)["ranking"] if done.returncode == 0 else done.stderr

    def test_the_noisy_judge_errs_as_often_as_it_says(self):
        self.assertEqual(self.rank(0, [("A", "47"), ("B", "It is 48.")]), ["B", "A"])
        self.assertEqual(self.rank(3, [("A", "4"), ("B", "48")]), self.rank(3, [("A", "4"), ("B", "48")]))
        self.assertIn("has the question", self.rank(0, [("A", "1")], "What?"))
        pairs = 150
        wrong = sum(self.rank(1, [("A", f"{n} or 48"), ("B", f"{n} or 49")]) == ["B", "A"] for n in range(pairs))
        # 24 % of them, 36 with a deviation of 5.2.
        self.assertLess(abs(wrong - 36), 5 * 5.2)


if __name__ == "__main__":
    unittest.main()
