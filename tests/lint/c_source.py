"""C as tokens: enough to tell a call from a word in a comment or a string."""

import re
from typing import NamedTuple

TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)
      | (?P<string>(?:u8|[uUL])?"(?:[^"\\\n]|\\.)*")
      | (?P<char>[uUL]?'(?:[^'\\\n]|\\.)*')
      | (?P<directive>^[ \t]*\#(?:[^\n\\]|\\.|\\\n)*)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
      | (?P<space>\s+)
      | (?P<mark>.)""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
INCLUDE = re.compile(r'\s*#\s*include\s*(["<])([^">]+)[">]')


class Token(NamedTuple):
    kind: str
    text: str
    line: int


def tokens(text: str) -> list:
    """All but white space and comments. The body of a macro is read as well."""
    found = []
    for match in TOKEN.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match.lastgroup == "directive":
            found.append(Token("directive", match.group(), line))
            found += macro_tokens(match.group(), line)
        elif match.lastgroup not in ("space", "comment"):
            found.append(Token(match.lastgroup, match.group(), line))
    return found


def macro_tokens(directive: str, line: int) -> list:
    define = re.match(r"\s*#\s*define\s+\w+(\([^)]*\))?", directive)
    if not define:
        return []
    body = directive[define.end():].replace("\\\n", " \n")
    return [Token(kind, word, line + at - 1) for kind, word, at in tokens(body)]


def includes(text: str) -> list:
    """[(line, path, is it in quotes)]"""
    found = []
    for token in tokens(text):
        match = INCLUDE.match(token.text) if token.kind == "directive" else None
        if match:
            found.append((token.line, match.group(2), match.group(1) == '"'))
    return found


def calls(text: str) -> list:
    """[(line, name)] of every word in front of a parenthesis, macros included."""
    stream = tokens(text)
    return [(token.line, token.text) for token, after in zip(stream, stream[1:])
            if token.kind == "word" and after.text == "("]


def strings(text: str) -> list:
    """[(line, content)] of string literals; neighbours are joined."""
    found = []
    previous = None
    for token in tokens(text):
        if token.kind == "string":
            content = token.text[token.text.index('"') + 1:-1]
            if previous is not None and previous.kind == "string":
                found[-1] = (found[-1][0], found[-1][1] + content)
            else:
                found.append((token.line, content))
        previous = token
    return found
