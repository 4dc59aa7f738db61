"""Code blocks of a document, and how each language is run.

The conventions of the documents:

- A block names its language: sh, sql, c, python or ini. `text` is for what is no code.
- A paragraph in front of it that is nothing but a name in backquotes is the name of the
  file that the reader is to make of it. A file of C, Python or INI is compiled, run or
  checked as well; a script of the shell is for later blocks to use.
- The blocks of a page are one session in one directory: a shell that keeps its
  variables, in which any failure is the page's. It begins with the PG* variables of a
  database that has the schema.
- `sh background` is what the reader leaves running in another terminal. It is ended by
  SIGTERM when the page is over, and has to end by it.
"""

import pathlib
import re
from typing import NamedTuple

LANGUAGES = ("sh", "sql", "c", "python", "ini")
SUFFIX = {"sh": "sh", "sql": "sql", "c": "c", "python": "py", "ini": "conf"}
FENCE = re.compile(r"^( *)```(.*)$")
NAME = re.compile(r"^`([\w./-]+)`:?$")
FLAGS = "-std=gnu11 -Wall -Wextra -Werror"


class Block(NamedTuple):
    page: str
    line: int
    language: str
    background: bool
    name: str  # of the file, or empty
    code: str

    def __str__(self):
        return f"{self.page}:{self.line}"


def read_blocks(page: str, text: str) -> list:
    """The blocks of a page, `text` ones left out."""
    found = []
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        fence = FENCE.match(lines[at])
        if not fence:
            at += 1
            continue
        end = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == "```")
        indent = len(fence.group(1))
        language, _, rest = fence.group(2).strip().partition(" ")
        code = "".join(line[indent:] + "\n" for line in lines[at + 1:end])
        if language != "text":
            found.append(Block(page, at + 1, language, rest == "background",
                               name_before(lines[:at]), code))
        at = end + 1
    return found


def name_before(lines: list) -> str:
    """The name in a paragraph of its own that the block follows, or nothing."""
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    if not lines or (len(lines) > 1 and lines[-2].strip()):
        return ""
    match = NAME.match(lines[-1].strip())
    return match.group(1) if match else ""


def place(block: Block, directory: pathlib.Path) -> pathlib.Path:
    """Write the block where the reader would: under its name, or out of the way."""
    name = block.name or f".block-{block.line}.{SUFFIX[block.language]}"
    path = directory / pathlib.Path(name).name
    path.write_text(block.code, encoding="utf-8")
    if block.code.startswith("#!"):
        path.chmod(0o755)
    return path


def command(block: Block, path: pathlib.Path) -> str:
    """What the shell runs for a block that has been written to path."""
    if block.background:
        return f"sh -eu '{path}' &"
    if block.language == "sh":
        return f"sh -n '{path}'" if block.name else f". '{path}'"
    if block.language == "sql":
        return f"psql -X -v ON_ERROR_STOP=1 -f '{path}'"
    if block.language == "python":
        return f"/usr/bin/python3 '{path}'"
    if block.language == "ini":
        return ini_command(block, path)
    flags = f"{FLAGS} $(pkg-config --cflags pawl) -I$(pg_config --includedir)"
    if re.search(r"\bmain\s*\(", block.code):
        return f"gcc {flags} -o '{path}.out' '{path}' $(pkg-config --libs pawl)"
    return f"gcc {flags} -c -fPIC -o '{path}.o' '{path}'"


def ini_command(block: Block, path: pathlib.Path) -> str:
    """Settings of Pawl's are checked by Pawl; others have to be INI."""
    if re.search(r"^\[(worker|handler )", block.code, re.M):
        return f"pawl work -c '{path}' --check-config"
    return ("/usr/bin/python3 -c 'import configparser, sys; "
            "configparser.RawConfigParser(strict=False).read_file(open(sys.argv[1]))' "
            f"'{path}'")
