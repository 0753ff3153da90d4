"""Every command line a newcomer tries first: help, wrong words, missing files, configs, tokens."""
import json
import time
import unittest

from program import TINY, ProgramTest, run, write_run

COMMANDS = ["run", "generate", "judge", "train", "select", "plan", "status", "inspect", "sample", "ask", "tokenize",
            "config", "doctor", "init", "bench", "judge-test", "help", "man", "completion"]


class Help(ProgramTest):
    def test_every_command_explains_itself(self):
        overview = self.expect(0, "--help").stdout
        for command in COMMANDS:
            with self.subTest(command):
                self.assertIn(command, overview)
                self.assertIn("--config", self.expect(0, command, "--help").stdout)

    def test_help_is_quick(self):
        started = time.process_time(), time.monotonic()
        self.expect(0, "--help")
        self.assertLess(time.monotonic() - started[1], 20)  # a hang, not a slow machine

    def test_wrong_words_are_usage_errors(self):
        self.expect(64)
        self.expect(64, "trian")
        self.expect(64, "run", "--confg", "x")
        self.expect(64, "status")
        self.expect(64, "ask", "--model", "m", "hello", "--set", "seed=1", says="ask reads no config")
        self.expect(64, "--log-format", "xml", "run")


class Ranks(ProgramTest):
    def test_one_of_several_processes_ends_before_it_begins_anything(self):
        config = write_run(self.folder)
        for name in ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "PMI_SIZE"):
            for words in (["run"], ["generate"], ["judge"], ["train"], ["judge-test"]):
                done = self.expect(64, *words, "--config", config, says=f"{name}=2", env={name: "2"})
                self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        self.assertFalse((self.folder / "run").exists())
        self.expect(0, "plan", "--config", config, env={"WORLD_SIZE": "2"})
        self.expect(0, "generate", "-q", "--config", config, "--set", "rounds=1", env={"WORLD_SIZE": "1"})


class Config(ProgramTest):
    def test_errors_name_file_line_and_column(self):
        config = write_run(self.folder)
        config.write_text(config.read_text() + "limits: {max_hour: 3}\n")
        self.expect(78, "config", "check", "--config", config, says="round.yaml:11:10: unknown key 'max_hour'")
        self.expect(78, "run", "--config", config, says="did you mean 'max_hours'?")

    def test_missing_files(self):
        self.expect(66, "run", "--config", self.folder / "none.yaml", says="none.yaml")
        config = write_run(self.folder)
        self.expect(66, "plan", "--config", config, "--set", "model.path=/nowhere", says="/nowhere")
        self.expect(66, "plan", "--config", config, "--set", "prompts.path=/nowhere.jsonl", says="/nowhere.jsonl")
        self.expect(66, "status", self.folder / "none", says="run.json")

    def test_show_tells_the_origin(self):
        config = write_run(self.folder)
        shown = self.expect(0, "config", "show", "--config", config, "--set", "rounds=3").stdout
        self.assertRegex(shown, r"rounds: 3 +# --set")
        self.assertRegex(shown, r"seed: 3 +# \S*round\.yaml:3:7")
        self.assertRegex(shown, r"train\.eps: 1e-08 +# default")

    def test_schema_is_json_and_knows_every_shown_key(self):
        schema = json.loads(self.expect(0, "config", "schema").stdout)
        for line in self.expect(0, "config", "show").stdout.splitlines():
            node = schema
            for part in line.split(":")[0].split("."):
                node = node["properties"][part]
            self.assertIn("description", node)

    def test_init_writes_a_config_that_is_valid(self):
        target = self.folder / "new"
        self.expect(0, "init", target, says="next")
        self.expect(0, "config", "check", "--config", target / "round.yaml")
        self.expect(78, "init", target, says="there already")


class Tokens(ProgramTest):
    TEXTS = ["Hello world", "", "  two\n\nlines ", "1234 äöü 🙂 <|im_end|>", "<thought>T"]

    def encode(self, *options):
        lines = "".join(json.dumps({"text": text}) + "\n" for text in self.TEXTS)
        done = self.expect(0, "tokenize", "--model", TINY, *options, text_in=lines)
        return [json.loads(line)["ids"] for line in done.stdout.splitlines()]

    def test_ids_come_back_as_the_same_text(self):
        ids = self.encode()
        lines = "".join(json.dumps({"ids": row}) + "\n" for row in ids)
        done = self.expect(0, "tokenize", "--model", TINY, "--decode", text_in=lines)
        self.assertEqual([json.loads(line)["text"] for line in done.stdout.splitlines()], self.TEXTS)

    def test_special_tokens_are_text_unless_asked(self):
        self.assertNotIn(2, self.encode()[3])
        self.assertIn(2, self.encode("--special")[3])

    def test_a_bad_line_is_named(self):
        bad = '{"text": "a"}\n{"text": 5}\n'
        self.expect(65, "tokenize", "--model", TINY, text_in=bad, says="stdin:2")

    def test_templates_render(self):
        line = json.dumps({"prompt": "Hi", "system": "Be kind."}) + "\n"
        done = self.expect(0, "tokenize", "--model", TINY, "--template", text_in=line)
        self.assertIn("Be kind.", json.loads(done.stdout)["text"])


class Models(ProgramTest):
    def test_doctor_checks_machine_and_model(self):
        config = write_run(self.folder)
        self.expect(0, "doctor", "--config", config, says="ok    tokenizer")
        self.expect(78, "doctor", "--model", self.folder, says="FAIL  model")

    def test_sample_gives_all_branches_and_ask_one(self):
        limits = ["--thought-tokens", "4", "--answer-tokens", "4", "--dtype", "float32"]
        sampled = self.expect(0, "sample", "-q", "--model", TINY, "Hi", *limits).stdout
        self.assertEqual(sampled.count("\n["), 61)
        asked = self.expect(0, "ask", "-q", "--model", TINY, "Hi", "--no-thought", *limits)
        again = self.expect(0, "ask", "-q", "--model", TINY, "Hi", "--no-thought", *limits)
        self.assertEqual(asked.stdout, again.stdout)

    def test_verify_compares_ways_to_decode_and_writes_nothing(self):
        config = write_run(self.folder)
        words = ["generate", "--verify", "-q", "--config", config, "--verify-tokens", "5"]
        done = self.expect(0, *words, "--limit", "2", "--set", "model.dtype=bfloat16", says="2 of 2 promised variants")
        rows = [line for line in done.stdout.splitlines() if "equal" in line or "differ" in line][:-1]
        self.assertEqual({line[:16].strip() for line in rows},
                         {"shuffled order", "among noise", "copied prefix", "other slots", "other threads"})
        for line in rows:
            self.assertEqual(line[16:].split()[2:4], ["24", "120"], line)
        self.assertFalse((self.folder / "run").exists())
        self.expect(64, *words, "--round", "1")
        self.expect(64, "generate", "--config", config, "--verify-tokens", "5")

    def test_plan_doctor_and_run_say_at_once_what_the_judge_lacks(self):
        config = write_run(self.folder)
        words = ["--config", config, "--set", "judge.kind=openai", "--set", "judge.model=some",
                 "--set", "judge.base_url=https://example.invalid/v1", "--set", "judge.api_key_env=NO_SUCH_KEY"]
        plan = self.expect(77, "plan", *words, "--set", "judge.max_usd=1",
                           "--set", "judge.price={input_per_million: 1, output_per_million: 1}", says="NO_SUCH_KEY")
        self.assertIn("USD expected", plan.stdout)
        self.expect(77, "run", *words, "--set", "judge.max_usd=1", "--set",
                    "judge.price={input_per_million: 1, output_per_million: 1}", says="NO_SUCH_KEY")
        self.assertFalse((self.folder / "run" / "round-00").exists(), "a stage was run first")
        self.expect(78, "plan", *words, says="price")
        missing = ["--config", config, "--set", "judge.kind=command", "--set", "judge.command=[./no-such-program]"]
        for command in ("plan", "run"):
            self.expect(78, command, *missing, says="no-such-program")
        doctor = run("doctor", *missing).stdout
        self.assertRegex(doctor, r"FAIL  judge .*no-such-program")
        self.assertRegex(doctor, r"ok    sizes .*GiB of memory")

    def test_plan_prints_sizes_and_writes_nothing(self):
        config = write_run(self.folder)
        shown = self.expect(0, "plan", "--config", config).stdout
        self.assertIn("8 found; 2 held out, 2 rounds of 2", shown)
        self.assertRegex(shown, r"time +a round: about \d+s of generating")
        self.assertFalse((self.folder / "run").exists())


if __name__ == "__main__":
    unittest.main()
