#!/usr/bin/env python3
"""Fails on an include that the floor plan does not allow: file:line for each, exit 1.

Usage: check_layers.py [--picture] [REPOSITORY]
  --picture: also prints how many includes lead from each room to each other one

The floor plan is CMake's: the top CMakeLists.txt names the rooms, ground floor first; the room(… STANDS_ON …) of
each says which rooms it may include. A room stands on rooms that come before it, and it includes only those;
third-party headers only where listed; a header is in include/thoughtrank/<room>/ if and only if another room needs
it; private headers stay in their room; the tests of a room stand on that room's floor. tests/support/ is for all
tests: a header there includes any room, and who includes it must be allowed to include that room, too.
"""
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

# Third-party headers, and the rooms that may include them; None: every room.
TORCH_ROOMS = {"kernels", "model", "decode", "train", "pipeline", "bench", "app"}
THIRD_PARTY = [
    (r"(spdlog/fmt|nlohmann)/", None),  # core's public headers hand them on
    (r"(spdlog|fmt|openssl)/", {"core"}),
    (r"yaml-cpp/", {"config"}),
    (r"sentencepiece|pcre2\.h$", {"text"}),
    (r"(torch|ATen|c10)/", TORCH_ROOMS),
    (r"(cuda|cub|thrust|cooperative_groups|mma\.h)", {"kernels"}),
    (r"curl/", {"llm"}),
    (r"CLI/", {"app"}),
    (r"(gtest|gmock)/", set()),  # tests only
]
SYSTEM_FOLDERS = {"sys", "linux", "netinet", "arpa", "net", "asm"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

SOURCES = {".h", ".hpp", ".inl", ".cuh", ".cpp", ".cc", ".cu"}


@dataclass
class Include:
    file: Path  # relative to the repository
    line: int
    quoted: bool
    name: str

    def violation(self, message):
        return f"{self.file}:{self.line}: {message}"


def without_comments(cmake):
    return re.sub(r"#[^\n]*", "", cmake)


def words_after(keyword, call):
    """room(data SOURCES a.cpp STANDS_ON core config USES x), STANDS_ON -> [core, config]"""
    found = re.search(rf"\b{keyword}\b((?:\s+[^A-Z\s)$][^\s)]*)*)", call)
    return found[1].split() if found else []


def room_names(root):
    """The rooms that exist, in the order in which the top CMakeLists.txt adds them."""
    top = without_comments((root / "CMakeLists.txt").read_text(encoding="utf-8"))
    listed = re.findall(r"\bset\(ROOMS_WITH(?:OUT)?_TORCH((?:\s+\w+)+)\)", top)
    if not listed:
        sys.exit("CMakeLists.txt: no set(ROOMS_WITHOUT_TORCH <rooms>), set(ROOMS_WITH_TORCH <rooms>)")
    return [name for name in " ".join(listed).split() if (root / "src" / name / "CMakeLists.txt").is_file()]


@dataclass
class House:
    root: Path
    stands_on: dict = field(default_factory=dict)  # room -> rooms that it may include, ground floor first
    includes: list = field(default_factory=list)
    faults: list = field(default_factory=list)  # of the floor plan itself

    def read(self):
        self._read_plan()
        for top in ("include", "src", "tests"):
            for path in sorted((self.root / top).rglob("*")):
                if path.suffix in SOURCES:
                    self._read_file(path)
        return self

    def _read_plan(self):
        for name in room_names(self.root):
            file = Path("src") / name / "CMakeLists.txt"
            text = without_comments((self.root / file).read_text(encoding="utf-8"))
            call = re.search(rf"\broom\(\s*{name}\b[^)]*\)", text)
            # The program itself is no room(): it may include everything below.
            below = words_after("STANDS_ON", call[0]) if call else list(self.stands_on)
            for room in below:
                if room not in self.stands_on:
                    self.faults.append(f"{file}:1: {name} stands on {room}, which does not come before it")
            self.stands_on[name] = set(below)

    def _read_file(self, path):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if match := INCLUDE.match(line):
                file = path.relative_to(self.root)
                self.includes.append(Include(file, number, match[1] == '"', match[2]))

    def room_of(self, file):
        """include/thoughtrank/data/x.h, src/data/x.h, tests/data/x.h -> data; None outside of a room."""
        parts = file.parts[2:] if file.parts[0] == "include" else file.parts[1:]
        return parts[0] if len(parts) > 1 and parts[0] in self.stands_on else None

    def may_include(self, room, file):
        """The rooms that `file` of `room` may include; tests may also look at what the rooms below stand on."""
        rooms = set(self.stands_on[room])
        if file.parts[0] == "tests":
            for below in self.stands_on[room] & set(self.stands_on):
                rooms |= self.may_include(below, file)
        return rooms

    def rooms_of_support(self, name, seen=()):
        """The rooms whose headers tests/support/x.h includes, itself or through others of that folder."""
        rooms = set()
        for include in self.includes:
            if include.file != Path("tests") / name or not include.quoted:
                continue
            if include.name.startswith("thoughtrank/"):
                rooms.add(include.name.split("/")[1])
            elif include.name.startswith("support/") and include.name not in seen:
                rooms |= self.rooms_of_support(include.name, (*seen, name))
        return rooms


def check_angled(house, include, room):
    """<…> headers: the standard's, the system's, or third-party ones in the rooms that may know them."""
    if include.name.startswith("thoughtrank/"):
        return [include.violation(f'<{include.name}> is ours: write "{include.name}"')]
    for pattern, rooms in THIRD_PARTY:
        if re.match(pattern, include.name):
            is_test = include.file.parts[0] == "tests"
            known = {room} | (house.may_include(room, include.file) if is_test else set())
            if rooms is None or known & rooms or (is_test and re.match("g(test|mock)/", include.name)):
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
    if include.file.parts[0] == "tests" and (house.root / "tests" / name).is_file():
        return check_test_header(house, include, room)
    if not (house.root / "src" / name).is_file():
        return [include.violation(f'"{name}" is not in include/, src/ or tests/')]
    if target != room:
        return [include.violation(f'"{name}" is private to {target}')]
    if include.file.parts[0] == "include":
        return [include.violation(f'a public header must not include the private "{name}"')]
    return []


def check_test_header(house, include, room):
    target = include.name.split("/")[0]
    allowed = {room} | house.may_include(room, include.file)
    if target == "support":
        if too_high := house.rooms_of_support(include.name) - allowed:
            return [include.violation(f'"{include.name}" stands on {", ".join(sorted(too_high))}: not for {room}')]
    elif target in house.stands_on and target not in allowed:
        return [include.violation(f'the tests of {room} must not stand on those of {target}: "{include.name}"')]
    return []


def check_public(house, include, room):
    if not (house.root / "include" / include.name).is_file():
        return [include.violation(f'"{include.name}" is not in include/')]
    target = include.name.split("/")[1]
    if target != room and target not in house.may_include(room, include.file):
        return [include.violation(f'{room} must not include {target}: "{include.name}"')]
    return []


def unneeded_public_headers(house):
    """Public headers that no other room includes, neither itself nor through another public header."""
    included_by = {}
    for include in house.includes:
        if include.quoted and include.name.startswith("thoughtrank/"):
            included_by.setdefault("include/" + include.name, set()).add(include.file)

    def is_needed(header, seen):
        room = house.room_of(Path(header))
        for file in included_by.get(header, ()):
            if file.parts[0] != "tests" and house.room_of(file) != room:
                return True
            if file.parts[0] == "include" and file not in seen:
                if is_needed(file.as_posix(), seen | {file}):
                    return True
        return False

    headers = sorted((house.root / "include" / "thoughtrank").rglob("*.h"))
    names = [header.relative_to(house.root).as_posix() for header in headers]
    return [
        f"{name}:1: no other room includes this header: move it to src/{house.room_of(Path(name))}/"
        for name in names
        if not is_needed(name, frozenset())
    ]


def violations(house):
    found = list(house.faults)
    for include in house.includes:
        room = house.room_of(include.file)
        if room is None:
            if include.file.parts[0] != "tests":
                found.append(include.violation("this file is in no room of the floor plan"))
        elif include.quoted:
            found += check_quoted(house, include, room)
        else:
            found += check_angled(house, include, room)
    return found + unneeded_public_headers(house)


def picture(house):
    """A row a room, a column a room that it includes: how many includes lead there, from sources and headers."""
    counts = Counter()
    for include in house.includes:
        if include.file.parts[0] != "tests" and include.quoted and include.name.startswith("thoughtrank/"):
            counts[house.room_of(include.file), include.name.split("/")[1]] += 1
    rooms = list(house.stands_on)
    width = max(map(len, rooms)) + 2
    lines = ["".join(name.rjust(width) for name in ["", *rooms])]
    for room in reversed(rooms):
        cells = ["·" if other == room else counts[room, other] or "" for other in rooms]
        lines.append(room.rjust(width) + "".join(str(cell).rjust(width) for cell in cells))
    return "\n".join(line.rstrip() for line in lines)


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--picture"]
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    house = House(root).read()
    if "--picture" in sys.argv[1:]:
        print(picture(house))
    found = violations(house)
    for line in found:
        print(line)
    print(f"layers: {len(found)} violations" if found else "layers: clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
