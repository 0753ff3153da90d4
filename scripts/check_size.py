#!/usr/bin/env python3
"""Fails on a function of over 60 lines, a file of over 400, or a room whose tests have fewer lines than half of its code.

Usage: check_size.py [--table] [REPOSITORY]
  --table: also prints for each room its files, lines, functions (median, 90th percentile, longest) and test lines

Looks at C++, Python and bash in src, include, tests, scripts. A function counts from the first line of its signature to
its closing brace. C++ functions are found by matching braces in text without comments, literals and directives: good
enough for code that a formatter has seen. Fixtures (tests/data beside its sources) are no test lines.
"""
import ast
import re
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path

import check_layers

LONGEST_FUNCTION = 60
LONGEST_FILE = 400
CPP = {".h", ".hpp", ".inl", ".cpp", ".cc", ".cu", ".cuh"}

# Comments, raw strings, strings, characters (but not the ' in 1'000), directives with their continuations.
NOISE = re.compile(
    r"//(?:\\\n|[^\n])*"
    r"|/\*.*?\*/"
    r'|\bR"(?P<tag>[^()\s\\]{0,16})\(.*?\)(?P=tag)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'"
    r"|^[ \t]*#(?:\\\n|[^\n])*",
    re.DOTALL | re.MULTILINE,
)
NO_FUNCTION = re.compile(r"(namespace|class|struct|union|enum|extern)\b")
# What stands before a body: a parameter list, then qualifiers, return type, requirement or member initialisers.
SIGNATURE = re.compile(
    r"\)\s*(?:(?:const|noexcept|override|final|mutable|try|&&?)\b\s*|&&?\s*|noexcept\s*\([^)]*\)\s*)*"
    r"(?:->.*|requires\b.*|:[^:].*)?$",
    re.DOTALL,
)
HAS_INITIALISERS = re.compile(r"\)\s*(?:noexcept\s*)?:[^:]", re.DOTALL)


def without_noise(text):
    """The same text with every comment, literal and directive blanked, its line breaks kept."""
    return NOISE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def closing(text, start):
    """Index of the brace or parenthesis that closes the one at `start`; the end of the text if none does."""
    pairs = {"{": "}", "(": ")"}
    opened, closed = text[start], pairs[text[start]]
    depth = 0
    for match in re.compile("[" + re.escape(opened + closed) + "]").finditer(text, start):
        depth += 1 if match[0] == opened else -1
        if depth == 0:
            return match.start()
    return len(text) - 1


def declaration_of(head):
    """A head without template parameters and access specifiers in front."""
    head = head.strip()
    while match := re.match(r"(public|private|protected)\s*:(?!:)|template\s*<", head):
        end = match.end()
        depth = 1 if match[0].endswith("<") else 0
        while depth and end < len(head):
            depth += {"<": 1, ">": -1}.get(head[end], 0)
            end += 1
        head = head[end:].strip()
    return head


def is_function(head):
    declaration = declaration_of(head)
    return bool(SIGNATURE.search(declaration)) and not NO_FUNCTION.match(declaration)


def cpp_functions(text):
    """(first line, last line, signature) of each function that is not inside another one."""
    text = without_noise(text)
    found = []
    head_start = position = 0
    while match := re.compile(r"[;{}(]").search(text, position):
        at = match.start()
        position = at + 1
        if match[0] == "(":
            position = closing(text, at) + 1
        elif match[0] != "{":
            head_start = position
        elif is_function(head := text[head_start:at]):
            end = closing(text, at)
            position = end + 1
            if HAS_INITIALISERS.search(head) and text[position:].lstrip()[:1] in (",", "{"):
                continue  # Type() : a_{1}, b_{2} {: the braces of a member, not the body
            found.append(lines_of(text, head_start, end, head))
            head_start = position
        elif is_initialiser(head):
            position = closing(text, at) + 1
        else:
            head_start = position  # a namespace or a type: look inside
    return found


def is_initialiser(head):
    """The brace after `= `, `return` or a name: a value. Not after namespace, struct, …: those hold functions."""
    return not NO_FUNCTION.search(declaration_of(head))


def lines_of(text, start, end, head):
    start += re.match(r"\s*(?:(?:public|private|protected)\s*:(?!:)\s*)*", head).end()
    return text.count("\n", 0, start) + 1, text.count("\n", 0, end) + 1, " ".join(head.split())


def python_functions(text):
    nodes = [n for n in ast.walk(ast.parse(text)) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return [(node.lineno, node.end_lineno, node.name) for node in nodes]


def bash_functions(text):
    found = []
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if match := re.match(r"(\s*)(?:function\s+)?([\w-]+)\s*\(\)\s*\{\s*$", line):
            rest = enumerate(lines[number:], start=number + 1)
            end = next((n for n, later in rest if later.rstrip() == match[1] + "}"), len(lines))
            found.append((number, end, match[2]))
    return found


def finder_for(path, text):
    if path.suffix in CPP:
        return cpp_functions
    if path.suffix == ".py":
        return python_functions
    if path.suffix == ".sh" or text.startswith(("#!/usr/bin/env bash", "#!/bin/bash")):
        return bash_functions
    return None


@dataclass
class Measured:
    """A source file: how many lines, and (first line, last line, signature) of its functions."""

    name: str
    lines: int
    functions: list

    def violations(self):
        found = []
        if self.lines > LONGEST_FILE:
            found.append(f"{self.name}:1: {self.lines} lines, a file has at most {LONGEST_FILE}")
        for first, last, signature in self.functions:
            if (count := last - first + 1) > LONGEST_FUNCTION:
                found.append(
                    f"{self.name}:{first}: {count} lines, a function has at most {LONGEST_FUNCTION}: {signature}"
                )
        return found


def measure(root):
    """Every source file of the tree, by name."""
    measured = []
    for top in ("src", "include", "tests", "scripts", ".ci"):
        for path in sorted((root / top).rglob("*")):
            if not path.is_file() or "__pycache__" in path.parts:
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
            if find := finder_for(path, text):
                name = path.relative_to(root).as_posix()
                measured.append(Measured(name, len(text.splitlines()), find(text)))
    return measured


@dataclass
class Room:
    name: str
    code: list = field(default_factory=list)
    tests: list = field(default_factory=list)

    def lines(self):
        return sum(file.lines for file in self.code)

    def test_lines(self):
        return sum(file.lines for file in self.tests)

    def is_tested(self):
        return 2 * self.test_lines() >= self.lines()

    def row(self):
        functions = sorted(last - first + 1 for file in self.code for first, last, _ in file.functions) or [0]
        ninth_decile = functions[min(len(functions) - 1, len(functions) * 9 // 10)]
        files = sorted(file.lines for file in self.code) or [0]
        return [self.name, len(self.code), self.lines(), int(statistics.median(files)), files[-1], len(functions),
                int(statistics.median(functions)), ninth_decile, functions[-1], len(self.tests), self.test_lines(),
                f"{self.test_lines() / max(1, self.lines()):.2f}"]


def rooms_of(root, measured):
    rooms = []
    for name in check_layers.room_names(root):
        code = (f"src/{name}/", f"include/thoughtrank/{name}/")
        rooms.append(Room(name, code=[file for file in measured if file.name.startswith(code)],
                          tests=[file for file in measured if file.name.startswith(f"tests/{name}/")]))
    return rooms


def table(rooms):
    whole = Room("all", [file for room in rooms for file in room.code], [file for room in rooms for file in room.tests])
    head = ["room", "files", "lines", "median", "longest", "functions", "median", "p90", "longest", "tests", "lines",
            "per line"]
    rows = [head, *(room.row() for room in rooms), whole.row()]
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(head))]
    return "\n".join("  ".join(str(cell).rjust(width) for cell, width in zip(row, widths)) for row in rows)


def violations(measured, rooms):
    found = [violation for file in measured for violation in file.violations()]
    found += [
        f"tests/{room.name}: {room.test_lines()} lines of tests for {room.lines()} of code, half of that is wanted"
        for room in rooms
        if not room.is_tested()
    ]
    return found


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--table"]
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    measured = measure(root)
    rooms = rooms_of(root, measured)
    if "--table" in sys.argv[1:]:
        print(table(rooms))
    found = violations(measured, rooms)
    for line in found:
        print(line)
    print(f"sizes: {len(found)} violations" if found else "sizes: clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
