"""Rows whose faults are made inside of C++ tests: each names gtest programs and which of their tests are the row. The
control runs the same tests in a program with one protection broken (mutants.py): they must fail."""
import json
import os
import subprocess
from dataclasses import dataclass

from degenerate import gradients_overflow
from mutants import Mutant, build_mutant
from scorecard import Outcome, Row

LIMIT_S = 3600


@dataclass(frozen=True)
class Part:
    program: str  # below the build folder
    tests: str  # as --gtest_filter takes them


@dataclass(frozen=True)
class Control:
    part: Part  # a few tests are enough
    mutant: Mutant


def run_tests(path, tests, times, folder, more=None):
    """(exit code, the tests that ran as gtest reports them)."""
    report = folder / "gtest.json"
    report.unlink(missing_ok=True)
    environment = {**os.environ, "THOUGHTRANK_TRIALS": str(times), "OMP_WAIT_POLICY": "passive", **(more or {})}
    done = subprocess.run([path, f"--gtest_filter={tests}", f"--gtest_output=json:{report}"], env=environment,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LIMIT_S, check=False)
    suites = json.loads(report.read_text())["testsuites"] if report.exists() else []
    return done.returncode, [case for suite in suites for case in suite["testsuite"] if case["result"] == "COMPLETED"]


def run_parts(bench, parts, times):
    outcome = Outcome()
    for part in parts:
        code, cases = run_tests(bench.build / part.program, part.tests, times, bench.world.folder)
        for case in cases:
            outcome.trials += int(case.get("trials", 1))
            if "failures" in case:
                outcome.failed += 1
                outcome.problems.append(f"{case['classname']}.{case['name']}: {case['failures'][0]['failure'][:300]}")
        if (code != 0 and outcome.failed == 0) or not cases:
            outcome.failed, outcome.problems = outcome.failed + 1, outcome.problems + [f"{part} ended with {code}"]
    return outcome


def fails(bench, control):
    """Whether the row's tests see the broken protection. A crash proves nothing: the report must say what failed."""
    made = build_mutant(bench.build, control.part.program, control.mutant, bench.world.folder / "mutant")
    try:
        more = {"MONEY_DRIVER": str(made)} if control.part.program.endswith("_driver") else {}
        tested = bench.build / DRIVERS.get(control.part.program, "") if more else made
        _, cases = run_tests(tested, control.part.tests, 1, bench.world.folder, more)
    finally:
        made.unlink()
    return any("failures" in case for case in cases)


# A program that a test starts, and that test.
DRIVERS = {"tests/judge/judge_money_driver": "tests/judge/judge_fault_test"}


def joined(first, second):
    return Outcome(first.trials + second.trials, first.failed + second.failed, first.problems + second.problems)


def row(name, title, parts, controls, also=None):
    """`also`: the same as a user meets it, (bench) -> Outcome."""
    def run(bench, trials):
        return joined(also(bench) if also else Outcome(), run_parts(bench, parts, trials))

    def control(bench):
        missed = [control.mutant.says for control in controls if not fails(bench, control)]
        return None if missed else "; ".join(control.mutant.says for control in controls)

    return Row(name, title, 1, 20, run, control, is_program=True)


CORE, CONFIG = "tests/core/core_test", "tests/config/config_test"
TRAIN, TEXT, MODEL, DECODE = "tests/train/train_test", "tests/text/text_test", "tests/model/model_test", "tests/decode/decode_test"
LLM, LLM_FAULTS = "tests/llm/llm_test", "tests/llm/llm_fault_test"
JUDGE, FAULTS, MONEY = "tests/judge/judge_test", "tests/judge/judge_fault_test", "tests/judge/judge_money_driver"

ROWS = [
    row("R13", "NaN and infinities in inputs, gradients, each weight, each weight that is published, at every step",
        [Part(TRAIN, "*NotFinite*:Health.*:InBackwardRules.AGradient*:Checkpoints.Refuse*"),
         Part(JUDGE, "KindsTest.likelihood_respects*"), Part(MODEL, "Load.Values*:Load.Finite*")],
        [Control(Part(TRAIN, "*NotFinite*Step*"),
                 Mutant("src/train/spike.cpp", 'if (!std::isfinite(loss)) return "the loss is not finite";', "",
                        "a step on a loss that is not finite is seen")),
         Control(Part(TRAIN, "Checkpoints.RefuseAny*"),
                 Mutant("src/train/checkpoint.cpp", "!at::isfinite(tensor).all().item<bool>()", "false",
                        "a published NaN is seen"))], also=gradients_overflow),
    row("R14", "losses ten and a hundred times as high, rows of noise, very short and very long ones",
        [Part(TRAIN, "Spike*:InBackwardRules.ASpike*")],
        [Control(Part(TRAIN, "Spikes.ARow*"),
                 Mutant("src/train/spike.cpp", "if (value <= highest) return", "if (value <= 1e9 * highest) return",
                        "a step on noise is seen"))]),
    row("R17", "hostile safetensors, index, config and tokenizer files, journals and records",
        [Part(MODEL, "*Hostile*:*SpoiltConfig*:Safetensors.FileCut*"), Part(TEXT, "*Hostile*"),
         Part(CORE, "Json.Refuses*:ThreeRecords.*"), Part(CONFIG, "FieldsLoad.Refuses*")],
        [Control(Part(MODEL, "*Hostile*"),
                 Mutant("src/model/safetensors_format.cpp", "if (tensor.offset != end) {", "if (tensor.offset > end) {",
                        "tensors that overlap are seen")),
         Control(Part(TEXT, "*Hostile*"),
                 Mutant("src/text/tokenizer_json.cpp", 'if (bool_or(value, "single_word", false, name)) {', "if (false) {",
                        "a rule that is not followed is seen"))]),
    row("R18", "token ids of golden texts, random texts of all planes there and back",
        [Part(TEXT, "*GoldenIds*:Tokenizer.*:Regex.*")],
        [Control(Part(TEXT, "*GoldenIds*"),
                 Mutant("src/text/byte_level_tokenizer.cpp", "    segments = std::move(finer);", "",
                        "ids of a text that is not split are seen"))]),
    row("R19", "names of special tokens inside prompts, whole, split and nested",
        [Part(TEXT, "ChatTemplate.Content*:*GoldenIds.PlainText*:Tokenizer.Parts*")],
        [Control(Part(TEXT, "ChatTemplate.Content*"),
                 Mutant("src/text/chat_template.cpp", "parts.push_back({user, false});",
                        "parts.push_back({user, true});", "a special token from a prompt is seen"))]),
    row("R23", "judge: 23 faults of a server, now and then and always", [Part(FAULTS, "*FaultMatrixTest*")],
        [Control(Part(FAULTS, "*FaultMatrixTest*500_50"),
                 Mutant("src/llm/client.cpp", "call.attempts < kMostAttempts", "call.attempts <= kMostAttempts",
                        "a fourth try is seen"))]),
    row("R24", "judge: replies of every wrong kind, shuffles, damaged bytes", [Part(JUDGE, "Reply.*:RepliesTest.*")],
        [Control(Part(JUDGE, "Reply.*"),
                 Mutant("src/judge/reply.cpp", "if (!seen.insert(label).second) return", "if (labels.empty()) return",
                        "a label ranked twice is seen"))]),
    row("R25", "judge: redirects, bad certificates, keys that break lines",
        [Part(LLM_FAULTS, "WireSafetyTest.no_redirect*:WireSafetyTest.a_bad*:WireSafetyTest.keys*")],
        [Control(Part(LLM_FAULTS, "WireSafetyTest.no_redirect*"),
                 Mutant("src/llm/curl_transport.cpp", "CURLOPT_FOLLOWLOCATION, 0L", "CURLOPT_FOLLOWLOCATION, 1L",
                        "a redirect that is followed is seen")),
         Control(Part(LLM_FAULTS, "WireSafetyTest.a_bad*"),
                 Mutant("src/llm/curl_transport.cpp", "CURLOPT_SSL_VERIFYPEER, 1L", "CURLOPT_SSL_VERIFYPEER, 0L",
                        "an unverified certificate is seen"))]),
    row("R26", "judge: bodies, headers and trailers without end",
        [Part(LLM_FAULTS, "WireSafetyTest.bombs*"), Part(JUDGE, "ServerTest.a_gzip*")],
        [Control(Part(LLM_FAULTS, "WireSafetyTest.bombs*"),
                 Mutant("src/llm/curl_transport.cpp", "transfer.reply.body.size() + bytes > kMostBodyBytes",
                        "transfer.reply.body.size() + bytes > (size_t{64} << 20)", "a body of 52 MB is seen"))]),
    row("R27", "judge: the bill of a server under kills and resumes, never above the cap", [Part(FAULTS, "Spending.*")],
        [Control(Part(MONEY, "Spending.*"),
                 Mutant("src/llm/call_accounts.cpp", "ledger_.spent_usd() + ledger_.reserved_usd() + call.reserved_usd",
                        "ledger_.spent_usd() + call.reserved_usd", "a bill above the cap is seen"))]),
    row("R29", "judge: 60 answers that try to win by what they say", [Part(FAULTS, "InjectionTest.*")],
        [Control(Part(FAULTS, "InjectionTest.an_obedient*"),
                 Mutant("src/judge/request_text.cpp", "  return nonce;", '  return "0123456789ab";',
                        "answers that guess the fence are seen to win"))]),
    row("R31", "memory of the device that runs out at any allocation of a training, and for keys and values",
        [Part(TRAIN, "OutOfMemory.*:MicroBatches.*:Preference.OutOfMemory*:Preference.APair*"), Part(DECODE, "*MemoryLimit*")],
        [Control(Part(TRAIN, "OutOfMemory.AtAny*"),
                 Mutant("src/train/stepper.cpp", "    arena_.zero_gradients();\n", "",
                        "gradients of a step that broke off are seen"))]),
    row("R33", "logits that are no numbers in each of 62 branches",
        [Part(DECODE, "*NotANumber*"), Part("tests/kernels/kernels_inference_test", "Vocabulary.NonFinite*")],
        [Control(Part(DECODE, "*NotANumber*"),
                 Mutant("src/kernels/linear/vocabulary.cpp", "          .is_finite = all.is_finite};", "          .is_finite = true};",
                        "a branch that goes on with NaN is seen"))]),
    row("R35", "licences: name, text and notice of what is published", [Part(TRAIN, "Licences.*")],
        [Control(Part(TRAIN, "Licences.*"),
                 Mutant("src/train/licence.cpp", 'if (!name.starts_with("Llama")) {', "if (false) {",
                        "a name without Llama is seen"))]),
]
