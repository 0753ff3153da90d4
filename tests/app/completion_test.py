"""The completions in the real shells, none of them interactive; the manual page in groff. A shell that is not installed is
skipped with a reason."""
import os
import re
import shutil
import subprocess
import unittest

from program import ProgramTest

# What is typed, and words that must and must not be offered. The same in every shell.
CASES = {
    "thoughtrank ": (["run", "judge", "judge-test", "bench", "help"], ["decode", "--config"]),
    "thoughtrank ju": (["judge", "judge-test"], ["run"]),
    "thoughtrank -q --config round.yaml sel": (["select"], ["run"]),
    "thoughtrank -q sel": (["select"], ["run"]),
    "thoughtrank bench ": (["decode", "train"], ["run"]),
    "thoughtrank config ": (["show", "schema", "check"], ["run"]),
    "thoughtrank run --": (["--config", "--set", "--fork-from", "--round", "--export"], ["--model", "--verify"]),
    "thoughtrank generate --ver": (["--verify", "--verify-tokens"], ["--round", "--model"]),
    "thoughtrank bench decode --": (["--new-tokens", "--slots", "--config"], ["--rows"]),
    "thoughtrank bench train --": (["--rows"], ["--slots"]),
    "thoughtrank run --set judge.max_u": (["judge.max_usd="], ["judge.kind="]),
    "thoughtrank run --set judge.kind=": (["openai", "likelihood", "replay"], ["auto"]),
    "thoughtrank run --set train.optimizer_in_backward=": (["true", "false"], ["openai"]),
    "thoughtrank run --set judge.kind=lik": (["likelihood"], ["openai"]),
    "thoughtrank run --round ": ([], ["1", "run", "round.yaml", "runs"]),
    "thoughtrank run --config r": (["round.yaml"], ["run"]),
    "thoughtrank judge --import ": (["round.yaml"], ["judge"]),
    "thoughtrank ask --model ": (["runs"], ["round.yaml"]),
    "thoughtrank status r": (["runs"], ["round.yaml", "run"]),
    "thoughtrank sample --mode ": (["literal", "token", "constrained"], ["auto"]),
    "thoughtrank sample --dtype b": (["bfloat16"], ["float32"]),
    "thoughtrank --log-format ": (["text", "json"], ["run"]),
    "thoughtrank help ": (["judge", "exit-codes", "gpu"], ["run", "bash"]),
    "thoughtrank help judge": (["judge"], ["--export"]),
    "thoughtrank completion ": (["bash", "zsh", "fish"], ["judge"]),
}

BASH = """
source "$1"
COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
COMP_LINE=$2 COMP_POINT=${#2} COMP_WORDS=() COMP_TYPE=9
rest=$2
while [[ -n $rest ]]; do  # as readline does: blanks separate, "=" is a word of its own
  case $rest in
    ' '*) rest=${rest# } ;;
    =*) COMP_WORDS+=("=") rest=${rest#=} ;;
    *) word=${rest%%[ =]*} && COMP_WORDS+=("$word") && rest=${rest#"$word"} ;;
  esac
done
case $2 in *' ' | *=) COMP_WORDS+=("") ;; esac
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_thoughtrank thoughtrank
printf '%s\\n' "${COMPREPLY[@]}"
"""

# A terminal of zsh's own, in which every match is written down as it is added.
ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1= PS2=; stty columns 250; autoload -Uz compinit && compinit -u -D; source '${(q)1}
zpty -w shell 'compadd() { local -a found; builtin compadd -O found "$@"; print -rl -- $found >>'${(q)3}'; builtin compadd "$@" }'
zpty -w shell 'show() { print -r -- done >>'${(q)3}' }; zle -N show; bindkey "^O" show; print ready >>'${(q)3}
while ! grep -q ready $3 2>/dev/null; do zpty -r -t shell line; sleep 0.05; done
zpty -n -w shell "$2"$'\\t'$'\\x0f'
repeat 200; do zpty -r -t shell line; grep -q done $3 && break; sleep 0.05; done
zpty -d shell
"""


class Completion(ProgramTest):
    """The three shells; each class below says how its shell is asked."""

    shell = ""

    def setUp(self):
        if not self.shell:
            self.skipTest("the cases are run by a class for each shell")
        if shutil.which(self.shell) is None:
            self.skipTest(f"{self.shell} is not installed")
        super().setUp()
        (self.folder / "round.yaml").touch()
        (self.folder / "runs").mkdir()
        self.script = self.folder / ".completion"
        self.script.write_text(self.expect(0, "completion", self.shell).stdout, encoding="utf-8")

    def ask(self, words, *command):
        done = subprocess.run([*map(str, command)], cwd=self.folder, capture_output=True, text=True, timeout=120,
                              env={**os.environ, "HOME": str(self.folder), "TERM": "xterm", "LC_ALL": "C.UTF-8"})
        self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        return done.stdout.splitlines()

    def check_cases(self):
        for words, (offered, not_offered) in CASES.items():
            with self.subTest(words):
                found = self.offers(words)
                for word in offered:
                    self.assertIn(word, found)
                for word in not_offered:
                    self.assertNotIn(word, found)


class Bash(Completion):
    shell = "bash"

    def offers(self, words):
        return [word.rstrip("/") for word in self.ask(words, "bash", "--norc", "-c", BASH, "bash", self.script, words)]

    def test_cases(self):
        self.check_cases()

    def test_an_equals_sign_before_a_value(self):
        self.assertEqual(self.offers("thoughtrank sample --mode=tok"), ["token"])
        self.assertEqual(self.offers("thoughtrank run --config=r"), ["round.yaml", "runs"])


class Fish(Completion):
    shell = "fish"

    def offers(self, words):
        """`complete -C` prints a word, a tab, its description; after "=" the whole of the argument."""
        command = f'source "$argv[1]"; complete -C "$argv[2]"'
        lines = self.ask(words, "fish", "--no-config", "-c", command, self.script, words)
        found = [line.split("\t")[0].rstrip("/") for line in lines]
        return [word.split("=", 1)[1] if "=" in words and "=" in word else word for word in found]

    def test_cases(self):
        self.check_cases()


class Zsh(Completion):
    shell = "zsh"

    def offers(self, words):
        found = self.folder / ".found"
        found.write_text("")
        self.ask(words, "zsh", "-f", "-c", ZSH, "zsh", self.script, words, found)
        lines = found.read_text().splitlines()
        self.assertIn("ready", lines)
        # _describe hands keys on without the "=" that it appends.
        keys = [f"{line}=" for line in lines if "." in line]
        return [*lines, *keys]

    def test_cases(self):
        self.check_cases()

    def test_as_a_file_of_fpath(self):
        done = self.ask("", "zsh", "-f", "-c", f"fpath=({self.folder} $fpath); mv {self.script} {self.folder}/_thoughtrank; "
                        "autoload -Uz compinit && compinit -u -D; print $_comps[thoughtrank]")
        self.assertEqual(done, ["_thoughtrank"])


class Manual(ProgramTest):
    def test_groff_has_nothing_to_say(self):
        if shutil.which("groff") is None:
            self.skipTest("groff is not installed")
        page = self.expect(0, "man").stdout
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-rLL=100n"], input=page, capture_output=True, text=True,
                              timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        shown = re.sub(r".\x08|\x1b\[[0-9;]*m", "", done.stdout)  # bold and underlined, in both ways of terminals
        for words in ("NAME", "EXIT STATUS", "thoughtrank bench decode", "judge.max_usd", "--fork-from", "CONFIG FILE"):
            self.assertTrue(words in shown, words)

    def test_it_names_every_option_key_and_code(self):
        page = self.expect(0, "man").stdout.replace("\\-", "-").replace("\\&", "")
        for line in self.expect(0, "config", "show").stdout.splitlines():
            self.assertIn(f"\\fB{line.split(': ')[0]}\\fR", page)
        for option in ("--probe", "--discard-batch", "--no-thought", "--checkpointing", "--special", "-v"):
            self.assertIn(f"\\fB{option}\\fR", page)
        self.assertNotIn("```", page)

    def test_ascii_only(self):
        self.assertTrue(self.expect(0, "man").stdout.isascii(), "groff reads other bytes by the locale")


class Refusals(ProgramTest):
    def test_unknown_words(self):
        self.expect(64, "completion")
        self.expect(64, "completion", "tcsh", says="SHELL")
        self.expect(64, "man", "--set", "seed=1", says="man reads no config")


if __name__ == "__main__":
    unittest.main()
