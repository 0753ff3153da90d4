#!/usr/bin/env python3
"""Fails on a function of over 60 lines or a file of over 400 in src, include, tests, scripts (C++, Python, bash).

Usage: check_size.py [REPOSITORY]

A function counts from the first line of its signature to its closing brace. C++ functions are found by matching
braces in text without comments, literals and directives: good enough for code that a formatter has seen.
"""
import ast
import re
import sys
from pathlib import Path

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


def violations_of(name, path):
    text = path.read_text(encoding="utf-8", errors="replace")
    find = finder_for(path, text)
    if find is None:
        return []
    found = []
    if (count := len(text.splitlines())) > LONGEST_FILE:
        found.append(f"{name}:1: {count} lines, a file has at most {LONGEST_FILE}")
    for first, last, signature in find(text):
        if (count := last - first + 1) > LONGEST_FUNCTION:
            found.append(f"{name}:{first}: {count} lines, a function has at most {LONGEST_FUNCTION}: {signature}")
    return found


def violations(root):
    root = Path(root)
    found = []
    for top in ("src", "include", "tests", "scripts", ".ci"):
        for path in sorted((root / top).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                found += violations_of(path.relative_to(root).as_posix(), path)
    return found


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    found = violations(root)
    for line in found:
        print(line)
    print(f"sizes: {len(found)} violations" if found else "sizes: clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
