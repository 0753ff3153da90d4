#!/usr/bin/env python3
"""Fails on an include that the floor plan does not allow: file:line for each, exit 1.

Usage: check_layers.py [REPOSITORY]

Rules: a room includes only the rooms below; third-party headers only where listed; a header is in
include/thoughtrank/<room>/ if and only if another room needs it; private headers stay in their room; the tests
of a room stand on that room's floor.
"""
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

# What each room may include, ground floor first.
ROOMS = {
    "core": set(),
    "config": {"core"},
    "data": {"core"},
    "text": {"core", "config"},
    "kernels": {"core"},
    "comm": {"core"},
    "model": {"core", "kernels"},
    "decode": {"core", "kernels", "model"},
    "generate": {"core", "config", "data", "text", "decode"},
    "llm": {"core", "config", "data"},
    "rank": {"core"},
    "judge": {"core", "config", "data", "llm", "rank"},
    "train": {"core", "config", "data", "text", "kernels", "comm", "model"},
    "report": {"core", "data"},
    "pipeline": {"core", "config", "data", "text", "model", "comm", "decode", "generate", "judge", "train"},
}
ROOMS["app"] = set(ROOMS)

# Third-party headers, and the rooms that may include them.
TORCH_ROOMS = {"kernels", "comm", "model", "decode", "train", "pipeline", "app"}
THIRD_PARTY = [
    (r"(spdlog/fmt|nlohmann)/", set(ROOMS)),  # core's public headers hand them on
    (r"(spdlog|fmt|openssl)/", {"core"}),
    (r"yaml-cpp/", {"config"}),
    (r"sentencepiece|pcre2\.h$", {"text"}),
    (r"(torch|ATen|c10)/", TORCH_ROOMS),
    (r"(cuda|cub|thrust|cooperative_groups|mma\.h)", {"kernels"}),
    (r"(gloo/|nccl\.h$)", {"comm"}),
    (r"curl/", {"llm"}),
    (r"CLI/", {"app"}),
    (r"(gtest|gmock)/", set()),  # tests only
]
SYSTEM_FOLDERS = {"sys", "linux", "netinet", "arpa", "net", "asm"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')



def may_include(room, file):
    """The rooms that `file` of `room` may include; tests may also look at what the rooms below stand on."""
    rooms = set(ROOMS[room])
    if file.parts[0] == "tests":
        for below in ROOMS[room]:
            rooms |= may_include(below, file)
    return rooms


@dataclass
class Include:
    file: Path  # relative to the repository
    line: int
    quoted: bool
    name: str

    def violation(self, message):
        return f"{self.file}:{self.line}: {message}"


@dataclass
class House:
    root: Path
    includes: list = field(default_factory=list)

    def read(self):
        for top in ("include", "src", "tests"):
            for path in sorted((self.root / top).rglob("*")):
                if path.suffix in {".h", ".hpp", ".inl", ".cuh", ".cpp", ".cc", ".cu"}:
                    self._read_file(path)
        return self

    def _read_file(self, path):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if match := INCLUDE.match(line):
                file = path.relative_to(self.root)
                self.includes.append(Include(file, number, match[1] == '"', match[2]))


def room_of(file):
    """include/thoughtrank/data/x.h, src/data/x.h, tests/data/x.h -> data; None outside of a room."""
    parts = file.parts[2:] if file.parts[0] == "include" else file.parts[1:]
    return parts[0] if len(parts) > 1 and parts[0] in ROOMS else None


def check_angled(include, room):
    """<…> headers: the standard's, the system's, or third-party ones in the rooms that may know them."""
    if include.name.startswith("thoughtrank/"):
        return [include.violation(f'<{include.name}> is ours: write "{include.name}"')]
    for pattern, rooms in THIRD_PARTY:
        if re.match(pattern, include.name):
            is_test = include.file.parts[0] == "tests"
            known = {room} | (may_include(room, include.file) if is_test else set())
            if known & rooms or (is_test and re.match("g(test|mock)/", include.name)):
                return []
            return [include.violation(f"{room} must not include <{include.name}>")]
    folder = include.name.split("/")[0] if "/" in include.name else None
    if folder and folder not in SYSTEM_FOLDERS:
        return [include.violation(f"<{include.name}> is in no room's list of third-party headers")]
    return []


def check_quoted(house, include, room):
    """"…" headers: public ones of the rooms below, private ones of the own room."""
    name = include.name
    if ".." in Path(name).parts:
        return [include.violation(f'"{name}": name the header from include/, src/ or tests/')]
    if name.startswith("thoughtrank/"):
        return check_public(house, include, room)
    if (house.root / include.file.parent / name).is_file():
        return []  # beside the file
    target = name.split("/")[0]
    if include.file.parts[0] == "tests":
        if (house.root / "tests" / name).is_file():
            is_allowed = target not in ROOMS or target == room or target in may_include(room, include.file)
            message = f'the tests of {room} must not stand on those of {target}: "{name}"'
            return [] if is_allowed else [include.violation(message)]
    if not (house.root / "src" / name).is_file():
        return [include.violation(f'"{name}" is not in include/, src/ or tests/')]
    if target != room:
        return [include.violation(f'"{name}" is private to {target}')]
    if include.file.parts[0] == "include":
        return [include.violation(f'a public header must not include the private "{name}"')]
    return []


def check_public(house, include, room):
    if not (house.root / "include" / include.name).is_file():
        return [include.violation(f'"{include.name}" is not in include/')]
    target = include.name.split("/")[1]
    if target != room and target not in may_include(room, include.file):
        return [include.violation(f'{room} must not include {target}: "{include.name}"')]
    return []


def unneeded_public_headers(house):
    """Public headers that no other room includes, neither itself nor through another public header."""
    included_by = {}
    for include in house.includes:
        if include.quoted and include.name.startswith("thoughtrank/"):
            included_by.setdefault("include/" + include.name, set()).add(include.file)

    def is_needed(header, seen):
        room = room_of(Path(header))
        for file in included_by.get(header, ()):
            if file.parts[0] != "tests" and room_of(file) != room:
                return True
            if file.parts[0] == "include" and file not in seen:
                if is_needed(file.as_posix(), seen | {file}):
                    return True
        return False

    headers = sorted((house.root / "include" / "thoughtrank").rglob("*.h"))
    names = [header.relative_to(house.root).as_posix() for header in headers]
    return [
        f"{name}:1: no other room includes this header: move it to src/{room_of(Path(name))}/"
        for name in names
        if not is_needed(name, frozenset())
    ]


def violations(root):
    house = House(Path(root)).read()
    found = []
    for include in house.includes:
        room = room_of(include.file)
        if room is None:
            if include.file.parts[0] != "tests":
                found.append(include.violation("this file is in no room of the floor plan"))
        elif include.quoted:
            found += check_quoted(house, include, room)
        else:
            found += check_angled(include, room)
    return found + unneeded_public_headers(house)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    found = violations(root)
    for line in found:
        print(line)
    print(f"layers: {len(found)} violations" if found else "layers: clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
