"""Runs against a judge's server as a user meets them: a replay without a network, a judge that is asked while branches
are still being generated, batch files, secrets that stay secret."""
import argparse
import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
import unittest
import urllib.parse
from pathlib import Path

from program import PROGRAM, ProgramTest, mock, mock_judge, rows_of, run, serve_batch, write_run

KEPT = ("prompts.jsonl", "outputs.jsonl", "verdicts.jsonl", "best_outputs.jsonl", "training_data.jsonl",
        "preference_pairs.jsonl", "metrics.jsonl", "eval.jsonl")
FREE = ["--set", "judge.price={input_per_million: 1, output_per_million: 1}", "--set", "judge.max_usd=50"]
CANARY = "sk-canary/0123+456=789"


def files_of(run_dir):
    """name -> bytes of everything that must be the same, weights included."""
    found = {}
    for path in sorted(Path(run_dir).glob("round-*/**/*")):
        if ".work" not in path.parts and (path.name in KEPT or path.suffix == ".safetensors"):
            found[str(path.relative_to(run_dir))] = path.read_bytes()
    return found


class WireTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.config = write_run(self.folder, prompts=12)

    def words(self, name, url, *more, command="run", rounds=1):
        return [command, "-q", "--config", self.config, "--set", f"run_dir={self.folder / name}", "--set", "judge.kind=openai",
                "--set", f"judge.base_url={url}", "--set", "judge.model=mock", "--set", f"rounds={rounds}", "--set",
                "judge.timeout_s=20", "--set", "select.min_confidence=0", "--set", "select.max_regret=100", *more]


class Replay(WireTest):
    def test_four_rounds_without_a_network_give_the_same_bytes(self):
        with mock_judge("--taste", "alphabetic") as url:
            self.expect(0, *self.words("first", url, rounds=4))
        (self.folder / "again").mkdir()
        shutil.copy(self.folder / "first" / "ledger.jsonl", self.folder / "again" / "ledger.jsonl")
        replay = [PROGRAM, *map(str, self.words("again", url, "--set", "judge.kind=replay", rounds=4))]
        if subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode == 0:
            replay = ["unshare", "-rn", *replay]
        done = subprocess.run(replay, capture_output=True, text=True, timeout=600)
        self.assertEqual(done.returncode, 0, done.stderr)
        first, again = files_of(self.folder / "first"), files_of(self.folder / "again")
        self.assertEqual(first.keys(), again.keys())
        self.assertGreaterEqual(len(first), 4 * 8 + 1)
        for name, data in first.items():
            self.assertEqual(data, again[name], name)
        self.missing_entry_stops(url)

    def missing_entry_stops(self, url):
        """A cassette without its last reply, or with an edited one, is refused aloud."""
        lines = (self.folder / "first" / "ledger.jsonl").read_text().splitlines(keepends=True)
        edited = lines[:20] + [lines[20].replace("reserved", "preserved").replace("ranking", "banking")] + lines[21:]
        for name, ledger, code in (("missing", lines[: len(lines) // 2], 69), ("edited", edited, 65)):
            (self.folder / name).mkdir()
            (self.folder / name / "ledger.jsonl").write_text("".join(ledger))
            self.expect(code, *self.words(name, url, "--set", "judge.kind=replay", rounds=4), says="ledger")


class Ahead(WireTest):
    def test_prompts_are_judged_while_others_are_generated_and_nothing_else_changes(self):
        log = self.folder / "requests.jsonl"
        more = ["--set", "prompts.per_round=6"]
        with mock_judge("--taste", "longest", "--log", str(log)) as url:
            self.expect(0, *self.words("ahead", url, *more))
            asked = len(log.read_text().splitlines())
            for command in ("generate", "judge", "train"):  # each stage alone: nothing ahead
                self.expect(0, *self.words("alone", url, *more, command=command))
            self.assertEqual(len(log.read_text().splitlines()), 2 * asked - self.of_evaluation("ahead"))
        ahead, alone = files_of(self.folder / "ahead"), files_of(self.folder / "alone")
        for name, data in alone.items():
            self.assertEqual(data, ahead[name], name)
        self.assertEqual(self.judged_ahead("ahead"), 6)

    def of_evaluation(self, name):
        """Calls of the held-out comparison, which the stages alone do not make."""
        records = [json.loads(line)["body"] for line in (self.folder / name / "ledger.jsonl").read_text().splitlines()]
        judged = {row["request_sha256"] for row in rows_of(self.folder / name / "round-01" / "verdicts.jsonl")}
        asked = [r["request"] for r in records if r["type"] == "result"]
        return len([r for r in asked if r not in judged]) - 2  # the two probes are asked in both

    def judged_ahead(self, name):
        journal = [json.loads(line)["body"] for line in (self.folder / name / "journal.jsonl").read_text().splitlines()]
        return sum(r.get("judged_ahead", 0) for r in journal if r["event"] == "stage_finished" and r["stage"] == "generate")

    def test_a_run_killed_while_it_judges_ahead_ends_with_the_same_bytes(self):
        with mock_judge("--taste", "longest") as url:
            self.expect(0, *self.words("whole", url, rounds=2))
            for n in range(6):
                words = [PROGRAM, *map(str, self.words("killed", url, rounds=2))]
                process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(0.5 + 0.25 * n)
                process.send_signal(signal.SIGKILL)
                process.wait()
            self.expect(0, *self.words("killed", url, rounds=2))
        whole, killed = files_of(self.folder / "whole"), files_of(self.folder / "killed")
        self.assertEqual(whole.keys(), killed.keys())
        for name, data in whole.items():
            self.assertEqual(data, killed[name], name)


class PatientJudge(mock.Handler):
    """A judge that is down until everything is generated, and notes what there was at each refusal."""

    def do_POST(self):  # noqa: N802
        generated = self.server.count_generated()
        if generated == self.server.expected or self.server.is_up:
            self.server.is_up = True
            return super().do_POST()
        self.server.refusals.append(generated)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return self.reply(503, {"error": {"message": "the model is being loaded"}})


@contextlib.contextmanager
def patient_judge(count_generated, expected):
    server = mock.Judge(argparse.Namespace(port=0, taste="longest", fault="none", after=0, log=""))
    server.RequestHandlerClass = PatientJudge
    server.count_generated, server.expected, server.refusals, server.is_up = count_generated, expected, [], False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server, f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()


class JudgeIsDown(WireTest):
    def test_generation_goes_on_and_the_run_ends_as_an_undisturbed_one(self):
        """16 slots, 12 branches: one prompt after the other, so that the judge is asked long before the last one."""
        self.config = write_run(self.folder, prompts=40)
        more = ["--set", "prompts.per_round=30", "--set", "generate.slots=16", "--set", "generate.answer_tokens=100",
                "--set", "prompts.holdout=0"]  # those are judged before round 1
        branches_in_all = 30 * 12
        branches = self.folder / "down" / "round-01" / ".work" / "branches.jsonl"
        outputs = branches.parent.parent / "outputs.jsonl"

        def count_generated():
            if outputs.exists():
                return branches_in_all
            return len(branches.read_text().splitlines()) if branches.exists() else 0

        with mock_judge("--taste", "longest") as url:
            self.expect(0, *self.words("well", url, *more))
        with patient_judge(count_generated, branches_in_all) as (judge, url):
            self.expect(0, *self.words("down", url, *more))
        # It was asked, and refused, when a part was there; it answered nothing before all was.
        self.assertTrue(judge.is_up)
        self.assertLess(min(judge.refusals), branches_in_all)
        well, down = files_of(self.folder / "well"), files_of(self.folder / "down")
        self.assertEqual(well.keys(), down.keys())
        for name, data in well.items():
            if not name.endswith("verdicts.jsonl"):  # which count attempts
                self.assertEqual(data, down[name], name)


class JudgeRefuses(WireTest):
    def test_a_key_that_is_refused_while_branches_are_generated_ends_the_run_soon(self):
        self.config = write_run(self.folder, prompts=40)
        more = ["--set", "prompts.per_round=30", "--set", "generate.slots=16", "--set", "generate.answer_tokens=100",
                "--set", "prompts.holdout=0"]  # those are judged before round 1

        class Refuses(mock.Handler):
            def do_POST(self):  # noqa: N802
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                return self.reply(401, {"error": {"message": "no such key"}})

        server = mock.Judge(argparse.Namespace(port=0, taste="longest", fault="none", after=0, log=""))
        server.RequestHandlerClass = Refuses
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}/v1"
            self.expect(77, *self.words("refused", url, *more), says="judge.api_key_env")
        finally:
            server.shutdown()
            server.server_close()
        round_folder = self.folder / "refused" / "round-01"
        self.assertFalse((round_folder / "outputs.jsonl").exists(), "it was generated to the end first")
        self.assertTrue((round_folder / ".work" / "branches.jsonl").exists(), "what was generated is lost")


class Batch(WireTest):
    def test_a_round_judged_by_batch_files_equals_one_judged_online(self):
        with mock_judge("--taste", "longest") as url:
            for command in ("generate", "judge"):
                self.expect(0, *self.words("online", url, *FREE, command=command))
            self.expect(0, *self.words("batch", url, *FREE, command="generate"))
        export, results = self.folder / "batch.jsonl", self.folder / "results.jsonl"
        done = self.expect(0, *self.words("batch", url, *FREE, "--export", export, command="judge"), says="calls are in")
        stages = 0
        while "calls are in" in done.stdout:
            stages += 1
            self.assertLess(stages, 12)
            serve_batch(export, results)
            done = self.expect(0, *self.words("batch", url, *FREE, "--import", results, "--export", export, command="judge"))
        self.assertGreater(stages, 1)
        self.assertIn("saved by", run("status", self.folder / "batch").stdout)
        for name in ("verdicts", "best_outputs", "training_data"):
            files = [(self.folder / run_dir / "round-01" / f"{name}.jsonl").read_bytes() for run_dir in ("online", "batch")]
            self.assertEqual(*files, name)

    def test_whole_rounds_go_by_batch_files_and_no_call_is_paid_twice(self):
        more = [*FREE, "--set", "rounds=2"]
        export, results = self.folder / "batch.jsonl", self.folder / "results.jsonl"
        with mock_judge("--taste", "longest") as url:
            self.expect(0, *self.words("online", url, *more))
            done = self.expect(0, *self.words("batch", url, *more, "--export", export), says="thoughtrank run --import")
            self.expect(78, *self.words("batch", url, *more), says="--discard-batch")
            shutil.copytree(self.folder / "batch", self.folder / "given-up")
            self.expect(0, *self.words("given-up", url, *more, "--discard-batch"))
        stages = 0
        while "calls are in" in done.stdout:
            stages += 1
            self.assertLess(stages, 40)
            serve_batch(export, results)
            done = self.expect(0, *self.words("batch", url, *more, "--import", results, "--export", export))
        online = files_of(self.folder / "online")
        for run_dir in ("batch", "given-up"):
            found = files_of(self.folder / run_dir)
            self.assertEqual(online.keys(), found.keys())
            for name, data in online.items():
                self.assertEqual(data, found[name], f"{run_dir}/{name}")

    def test_what_is_refused_for_good_abstains_and_no_fork_pays_a_batch_again(self):
        more = [*FREE, "--set", "judge.max_abstained=0.5", "--set", "prompts.holdout=0"]  # those are judged before round 1
        export, results = self.folder / "batch.jsonl", self.folder / "results.jsonl"
        with mock_judge("--taste", "longest") as url:
            done = self.expect(0, *self.words("batch", url, *more, "--export", export))
            self.assertRegex(run("status", self.folder / "batch").stdout, r"\d+ judge calls are in a batch file")
            fork = self.words("fork", url, *more, "--fork-from", self.folder / "batch", "--round", "1")
            self.expect(78, *fork, says="--discard-batch")
        self.expect(65, *self.words("batch", url, *more, "--import", export, "--export", results), says="the call itself")
        refused = json.loads(export.read_text().splitlines()[0])["custom_id"]
        stages = 0
        while "calls are in" in done.stdout:
            stages += 1
            self.assertLess(stages, 20)
            self.assertEqual(stages > 1, refused not in export.read_text(), "what was refused for good is exported again")
            serve_batch(export, results, refused)
            for _ in range(2):  # the same results again change nothing
                done = self.expect(0, *self.words("batch", url, *more, "--import", results, "--export", export))
        verdicts = rows_of(self.folder / "batch" / "round-01" / "verdicts.jsonl")
        self.assertEqual([row["request_sha256"] for row in verdicts if row["abstained"]], [refused])
        self.assertNotIn("batch file", run("status", self.folder / "batch").stdout)


class Secrets(WireTest):
    def test_the_key_is_nowhere(self):
        forms = [CANARY, urllib.parse.quote(CANARY, safe=""), base64.b64encode(CANARY.encode()).decode(), json.dumps(CANARY)[1:-1]]
        seen = []
        with mock_judge("--taste", "longest") as url:
            words = [PROGRAM, *map(str, self.words("run", url, "--set", "judge.api_key_env=JUDGE_API_KEY")), "-v"]
            words.remove("-q")
            with open(self.folder / "stderr.txt", "w") as err, open(self.folder / "stdout.txt", "w") as out:
                process = subprocess.Popen(words, stdout=out, stderr=err, env={**os.environ, "JUDGE_API_KEY": CANARY})
                while process.poll() is None:
                    if not (self.folder / "run" / "journal.jsonl").exists():
                        continue  # at the very start the environment has it: that is how it came in
                    for name in ("environ", "cmdline"):
                        try:
                            seen.append(Path(f"/proc/{process.pid}/{name}").read_bytes())
                        except OSError:
                            pass
                    time.sleep(0.01)
            self.assertEqual(process.returncode, 0)
        last = seen
        self.assertGreater(len(last), 0)
        for path in self.folder.rglob("*"):
            if path.is_file():
                last.append(path.read_bytes())
        self.assertGreater(len(last), 20)
        for data in last:
            for form in forms:
                self.assertNotIn(form.encode(), data)


if __name__ == "__main__":
    unittest.main()
