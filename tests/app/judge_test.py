"""Runs against an OpenAI-compatible server on loopback: its replies decide, and nothing else does."""
import json
import unittest

from program import ProgramTest, mock_judge, rows_of, run, write_run

SERVER = ["--set", "judge.kind=openai", "--set", "judge.model=mock", "--set", "rounds=1", "--set", "judge.timeout_s=20"]


class Server(ProgramTest):
    def setUp(self):
        super().setUp()
        self.config = write_run(self.folder)

    def run_with(self, url, name, code=0, says=""):
        return self.expect(code, "run", "-q", "--config", self.config, *SERVER, "--set", f"judge.base_url={url}",
                           "--set", "judge.patience_s=2", "--set", f"run_dir={self.folder / name}", says=says)

    def winners(self, name):
        """prompt -> (winner's branch, its answer, all answers that were ranked)"""
        folder = self.folder / name / "round-01"
        answers = {(r["prompt_id"], r["branch"]): r["answer"] for r in rows_of(folder / "outputs.jsonl")}
        found = {}
        for row in rows_of(folder / "best_outputs.jsonl"):
            ranked = [answers[row["prompt_id"], item["branch"]] for item in row["items"]]
            if row["winner"] >= 0:
                found[row["prompt_id"]] = (row["winner"], answers[row["prompt_id"], row["winner"]], ranked)
        return found

    def test_the_servers_taste_decides(self):
        with mock_judge("--taste", "longest") as url:
            self.run_with(url, "long")
        with mock_judge("--taste", "shortest") as url:
            self.run_with(url, "short")
        long, short = self.winners("long"), self.winners("short")
        self.assertTrue(long and short)
        for _, answer, ranked in long.values():
            self.assertEqual(len(answer.strip()), max(len(a.strip()) for a in ranked))
        for _, answer, ranked in short.values():
            self.assertEqual(len(answer.strip()), min(len(a.strip()) for a in ranked))
        for prompt in long.keys() & short.keys():
            self.assertNotEqual(long[prompt][0], short[prompt][0])

    def test_no_thought_leaves_the_process(self):
        log = self.folder / "requests.jsonl"
        with mock_judge("--taste", "longest", "--log", str(log)) as url:
            self.run_with(url, "run")
        sent = log.read_text()
        self.assertIn("Question", sent)
        self.assertNotIn("<thought>", sent)
        texts = json.dumps([json.loads(line) for line in sent.splitlines()], ensure_ascii=False)
        for row in rows_of(self.folder / "run" / "round-01" / "outputs.jsonl"):
            thought = row["thought"].strip()
            if len(thought) > 8 and thought not in row["answer"]:
                self.assertNotIn(json.dumps(thought, ensure_ascii=False)[1:-1], texts)

    def test_a_finished_judgement_is_not_paid_again(self):
        with mock_judge("--taste", "longest") as url:
            self.run_with(url, "run")
        verdicts = (self.folder / "run" / "round-01" / "verdicts.jsonl").read_bytes()
        self.run_with("http://127.0.0.1:9/v1", "run", 78, says="judge.base_url")
        self.assertEqual(verdicts, (self.folder / "run" / "round-01" / "verdicts.jsonl").read_bytes())

    def test_faults_never_become_a_ranking(self):
        for fault in ("die", "refuse", "lie", "babble"):
            with self.subTest(fault), mock_judge("--fault", fault) as url:
                done = self.run_with(url, fault, 69)
                self.assertTrue(done.stderr.strip())
                folder = self.folder / fault / "round-01"
                self.assertFalse((folder / "best_outputs.jsonl").exists())
                self.assertFalse((folder / "checkpoint").exists())


class Audit(ProgramTest):
    def test_is_published_shown_and_gates_the_round(self):
        config = write_run(self.folder, prompts=12)
        words = ["run", "-q", "--config", config, *SERVER, "--set", "prompts.per_round=10"]
        with mock_judge("--taste", "longest") as url:
            server = ["--set", f"judge.base_url={url}"]
            self.expect(69, *words, *server, "--set", "judge.max_length_correlation=0.1", says="max_length_correlation")
            audit = json.loads((self.folder / "run" / "round-01" / "audit.json").read_text())
            self.assertGreater(audit["length_correlation"]["mean"], 0.5)
            self.assertFalse((self.folder / "run" / "round-01" / "best_outputs.jsonl").exists())
            self.expect(0, *words, *server, says="openai:mock: ")
        self.expect(0, "status", self.folder / "run", says="length and utility correlate")
        self.expect(0, "inspect", self.folder / "run", says="longer answers rank higher")

    def test_a_judge_that_guesses_stops_the_round_and_the_audit_says_why(self):
        config = write_run(self.folder, prompts=20)
        with mock_judge("--taste", "random") as url:
            self.expect(69, "run", "-q", "--config", config, *SERVER, "--set", "prompts.per_round=18", "--set", "judge.finals=20", "--set",
                        f"judge.base_url={url}", says="cannot tell these answers apart")
        folder = self.folder / "run" / "round-01"
        audit = json.loads((folder / "audit.json").read_text())
        self.assertEqual(audit["ranked"], 18)
        self.assertLess(audit["judges"][0]["sigma"], 0.2)
        self.assertEqual(audit["calls"], len(rows_of(folder / "verdicts.jsonl")))
        self.assertFalse((folder / "best_outputs.jsonl").exists())
        self.expect(0, "status", self.folder / "run", says="! this judge cannot tell these answers apart")

    def test_two_judges_join_and_a_replay_gives_the_same_bytes(self):
        config = write_run(self.folder)
        words = ["run", "-q", "--config", config, *SERVER]
        with mock_judge("--taste", "longest") as first, mock_judge("--taste", "alphabetic") as second:
            other = f"judge.others=[{{kind: openai, model: mock, base_url: {second}, timeout_s: 20}}]"
            words += ["--set", f"judge.base_url={first}", "--set", other]
            self.expect(0, *words, "--set", f"run_dir={self.folder / 'two'}")
        names = ("verdicts.jsonl", "audit.json", "best_outputs.jsonl", "training_data.jsonl", "outputs.jsonl")
        two, again = self.folder / "two" / "round-01", self.folder / "again" / "round-01"
        self.assertEqual({row["judge"] for row in rows_of(two / "verdicts.jsonl")}, {"openai:mock", "openai:mock #2"})
        self.assertEqual(len(json.loads((two / "audit.json").read_text())["agreement"]), 1)
        (self.folder / "again").mkdir()
        (self.folder / "again" / "ledger.jsonl").write_bytes((self.folder / "two" / "ledger.jsonl").read_bytes())
        self.expect(0, *words, "--set", "judge.kind=replay", "--set", f"run_dir={self.folder / 'again'}")
        for name in names:
            self.assertEqual((two / name).read_bytes(), (again / name).read_bytes(), name)


class JudgeTest(ProgramTest):
    def test_tells_a_sober_judge_from_others(self):
        config = write_run(self.folder)
        for taste, code, says in (("sober", 0, "nothing here speaks against"), ("obedient", 69, "orders the judge"),
                                  ("longest", 69, "this judge likes length"), ("first", 69, "says nothing won")):
            with self.subTest(taste), mock_judge("--taste", taste) as url:
                self.expect(code, "judge-test", "-q", "--config", config, *SERVER, "--set", f"judge.base_url={url}",
                            says=says)
        self.expect(0, "judge-test", "-q", "--config", config, "--set", "judge.kind=reference", says="same again")
        done = run("judge-test", "-q", "--config", config)
        self.assertIn(done.returncode, (0, 69), done.stderr)  # a random model has its own taste
        self.assertIn("likelihood: 5 rankings", done.stdout)
        self.assertFalse((self.folder / "run").exists())


class Program(ProgramTest):
    """judge.kind command: a program of the user's."""

    JUDGE = """\
import json, pathlib, sys
labels = [answer["label"] for answer in json.load(sys.stdin)["answers"]]
broken = pathlib.Path(sys.argv[1]).exists()
print("nope" if broken else json.dumps({"ranking": labels}))
"""

    def test_a_judge_that_is_mended_is_asked_again(self):
        config = write_run(self.folder)
        judge, broken = self.folder / "judge.py", self.folder / "broken"
        judge.write_text(self.JUDGE)
        broken.touch()
        words = ["run", "-q", "--config", config, "--set", "rounds=1", "--set", "judge.kind=command",
                 "--set", f"judge.command=[python3, {judge}, {broken}]", "--set", "select.min_confidence=0",
                 "--set", "select.max_regret=100"]
        self.expect(69, *words, says="abstained")
        broken.unlink()
        self.expect(0, *words, says="finished")


if __name__ == "__main__":
    unittest.main()
