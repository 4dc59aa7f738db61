"""Rules for C. Each takes (path, text) and answers its complaints."""

import re

from c_source import calls, includes, strings, tokens
from tree import Complaint

# The dependency law: a directory of src/ may include headers of these. Headers of the
# system that belong to one directory stand below.
LAYERS = {
    "base": {"base"},
    "db": {"base", "db"},
    "queue": {"base", "db", "queue"},
    "worker": {"base", "db", "queue", "worker"},
    "handler": {"base", "handler"},
    "embed": {"base", "db", "embed"},
    "cli": {"base", "db", "queue", "worker", "handler", "embed", "cli"},
}
LIBRARY = ("base", "db", "queue", "worker")
SYSTEM_HEADERS = {
    "libpq-fe.h": {"db"},
    "libpq-events.h": {"db"},
    "pqexpbuffer.h": set(),
    "jansson.h": {"handler", "cli"},
    "csv.h": {"cli"},
    "ini.h": {"cli"},
    "libsmartcols/libsmartcols.h": {"cli"},
}

# Functions that nobody calls, with what to use.
BANNED = {
    "strcpy": "snprintf or a buffer", "strcat": "snprintf or a buffer",
    "strncpy": "snprintf", "strncat": "snprintf", "stpcpy": "snprintf",
    "sprintf": "snprintf", "vsprintf": "vsnprintf", "gets": "getline",
    "strtok": "strtok_r", "atoi": "strtol", "atol": "strtol", "atoll": "strtoll",
    "atof": "strtod", "rand": "random_u64", "srand": "random_u64",
    "random": "random_u64", "sleep": "a condition with a deadline",
    "usleep": "a condition with a deadline", "nanosleep": "a condition with a deadline",
    "clock_nanosleep": "a condition with a deadline", "system": "fork and execve",
    "popen": "fork and execve", "alloca": "malloc with a limit", "tmpnam": "mkstemp",
    "mktemp": "mkstemp", "setjmp": "a status", "longjmp": "a status",
    "localtime": "localtime_r", "gmtime": "gmtime_r", "ctime": "strftime",
    "asctime": "strftime",
}
# What a library must leave to the program.
LIBRARY_BANNED = {
    "exit": "a library does not exit", "_exit": "a library does not exit",
    "quick_exit": "a library does not exit", "printf": "a library does not print",
    "fprintf": "a library does not print", "puts": "a library does not print",
    "fputs": "a library does not print", "perror": "a library does not print",
    "sigaction": "a library installs no signal handlers",
    "signal": "a library installs no signal handlers",
    "setenv": "the environment is the program's", "putenv": "likewise",
    "unsetenv": "likewise", "setlocale": "the locale is the program's",
    "chdir": "the directory is the program's", "umask": "the mask is the program's",
}
BEGINS = re.compile(
    r"(?:^|;)\s*(?:START\s+TRANSACTION\b"
    r"|BEGIN\s*(?:$|;|\\n|WORK\b|TRANSACTION\b|ISOLATION\b|READ\b|(?:NOT\s+)?DEFERRABLE\b))",
    re.IGNORECASE)
PRINTS_A_SCRIPT = "src/db/migrate_script.c"  # for psql; it sends nothing
FUNCTION_LINES = 70
NESTING = 3
CONTROL = {"if", "for", "while", "switch"}


def layer(path: str) -> str:
    """The directory of src/ that a file is in, or an empty string."""
    parts = path.split("/")
    return parts[1] if parts[0] == "src" and len(parts) == 3 else ""


def layers(path: str, text: str) -> list:
    own = layer(path)
    found = []
    for line, header, quoted in includes(text):
        if own and quoted:
            found += layer_complaint(path, line, own, header)
        owners = SYSTEM_HEADERS.get(header)
        if owners is not None and own and own not in owners:
            found.append(Complaint(path, line, f"{own} must not include {header}"))
    return found


def layer_complaint(path: str, line: int, own: str, header: str) -> list:
    directory, slash, _ = header.rpartition("/")
    if header == "pawl.h":
        return []
    if not slash:
        return [Complaint(path, line, f"include \"{header}\" by its directory")]
    if directory not in LAYERS.get(own, set()):
        return [Complaint(path, line, f"{own} must not include {directory}")]
    return []


def threads(path: str, text: str) -> list:
    return [Complaint(path, line, "only src/worker starts threads")
            for line, name in calls(text)
            if name in ("pthread_create", "thrd_create") and layer(path) != "worker"]


def transactions(path: str, text: str) -> list:
    if path in ("src/db/txn.c", PRINTS_A_SCRIPT):
        return []
    return [Complaint(path, line, "only src/db/txn.c begins a transaction")
            for line, content in strings(text) if BEGINS.search(content)]


def banned(path: str, text: str) -> list:
    """A library may say why it aborts: an assertion has failed."""
    words = dict(BANNED)
    if layer(path) in LIBRARY:
        words.update(LIBRARY_BANNED)
    found = calls(text)
    aborts = [line for line, name in found if name == "abort"]
    return [Complaint(path, line, f"{name}(): {words[name]}")
            for line, name in found if name in words
            and not (name == "fprintf" and any(0 < at - line < 5 for at in aborts))]


def jumps(path: str, text: str) -> list:
    """goto leads forward, and only to done."""
    found = []
    seen = False
    stream = tokens(text)
    for token, after in zip(stream, stream[1:]):
        if token.text == "}" and token_starts_line(text, token):
            seen = False
        elif token.text == "done" and after.text == ":":
            seen = True
        elif token.text == "goto" and (after.text != "done" or seen):
            found.append(Complaint(path, token.line, "goto leads forward to done"))
    return found


def token_starts_line(text: str, token) -> bool:
    return text.splitlines()[token.line - 1].startswith(token.text)


def guards(path: str, text: str) -> list:
    name = path.partition("/")[2] if path.startswith("src/") else path.split("/")[-1]
    word = re.sub(r"\W", "_", name).upper()
    guard = word if word.startswith("PAWL") else f"PAWL_{word}"
    directives = [token for token in tokens(text) if token.kind == "directive"]
    heads = [re.sub(r"\s+", " ", token.text.strip()) for token in directives[:2]]
    if heads != [f"#ifndef {guard}", f"#define {guard}"]:
        return [Complaint(path, 1, f"the include guard must be {guard}")]
    return []


def banner(path: str, text: str) -> list:
    name = path.rpartition("/")[2]
    if not re.match(rf"/\*\n \* {re.escape(name)} - \S", text):
        return [Complaint(path, 1, f"must begin with a banner: {name} - what it is")]
    return []


def nesting(path: str, text: str) -> list:
    """Blocks of control statements inside each other, in braces or by indent."""
    found = []
    for line, depth in control_depths(text):
        if depth > NESTING:
            found.append(Complaint(path, line, f"nested {depth} deep, {NESTING} at most"))
    return found


def control_depths(text: str) -> list:
    """[(line, depth)] of each block that a control statement opens."""
    found = []
    blocks = []
    stream = tokens(text)
    for at, token in enumerate(stream):
        if token.text == "{" and token.kind == "mark":
            controlled = is_controlled(stream, at)
            blocks.append(controlled)
            if controlled:
                found.append((token.line, sum(blocks)))
        elif token.text == "}" and token.kind == "mark" and blocks:
            blocks.pop()
    return found


def is_controlled(stream: list, at: int) -> bool:
    """Is the brace at this place the block of an if, else, for, while, do, switch?"""
    before = stream[at - 1].text if at else ""
    if before in ("else", "do"):
        return True
    if before != ")":
        return False
    depth = 0
    for place in range(at - 1, 0, -1):
        depth += {")": 1, "(": -1}.get(stream[place].text, 0)
        if depth == 0:
            return stream[place - 1].text in CONTROL
    return False


def function_size(path: str, tags: list) -> list:
    """tags: what ctags says of the file, one dictionary a function."""
    return [Complaint(path, tag["line"], f"{tag['name']} has {length(tag)} lines, "
                      f"{FUNCTION_LINES} at most")
            for tag in tags if length(tag) > FUNCTION_LINES]


def length(tag: dict) -> int:
    return tag["end"] - tag["line"] + 1
