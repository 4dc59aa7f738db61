"""SQL as tokens, statements and parentheses: enough to say which write is which.

A statement is a list of nodes; a node is a token or, for what stands in parentheses,
a group with its own list. Bodies in dollar quotes are parsed again by whoever wants.
"""

import re
from typing import NamedTuple

TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*)
      | (?P<block>/\*.*?\*/)
      | (?P<dollar>\$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$)
      | (?P<escape>[eE]'(?:[^'\\]|\\.|'')*')
      | (?P<string>(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")*")
      | (?P<parameter>\$\d+)
      | (?P<word>[A-Za-z_][\w$]*)
      | (?P<number>\d[\d.]*(?:[eE][+-]?\d+)?)
      | (?P<space>\s+)
      | (?P<mark>::|:=|=>|<>|<=|>=|\|\||.)""",
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    kind: str
    text: str
    line: int

    @property
    def word(self) -> str:
        """Keywords and names in upper case; other tokens as they are."""
        return self.text.upper() if self.kind == "word" else self.text


class Group(NamedTuple):
    """What stands between two parentheses."""

    nodes: list
    line: int
    word = "("


class Comment(NamedTuple):
    text: str
    line: int


def scan(text: str, line: int = 1) -> tuple:
    """(tokens, comments)"""
    found, comments = [], []
    for match in TOKEN.finditer(text):
        at = line + text.count("\n", 0, match.start())
        kind = match.lastgroup
        if kind == "tag":
            kind = "dollar"
        if kind in ("comment", "block"):
            comments.append(Comment(match.group(), at))
        elif kind != "space":
            found.append(Token(kind, match.group(), at))
    return found, comments


def statements(tokens: list) -> list:
    """Statements as trees; a semicolon counts outside parentheses alone."""
    found, current, stack = [], [], []
    for token in tokens:
        if token.text == "(":
            stack.append((current, token.line))
            current = []
        elif token.text == ")" and stack:
            outer, line = stack.pop()
            outer.append(Group(current, line))
            current = outer
        elif token.text == ";" and not stack:
            found.append(current)
            current = []
        else:
            current.append(token)
    found.append(current)
    return [statement for statement in found if statement]


def flat(nodes: list):
    """All tokens of a tree."""
    for node in nodes:
        if isinstance(node, Group):
            yield Token("mark", "(", node.line)
            yield from flat(node.nodes)
            yield Token("mark", ")", node.line)
        else:
            yield node


def words(nodes: list) -> list:
    return [token.word for token in flat(nodes)]


def groups(nodes: list):
    """The list itself and that of each group in it, at any depth."""
    yield nodes
    for node in nodes:
        if isinstance(node, Group):
            yield from groups(node.nodes)


def unquote(token: Token) -> tuple:
    """(content, line) of a string in dollar quotes or in quotes."""
    if token.kind == "dollar":
        tag = token.text[:token.text.index("$", 1) + 1]
        return token.text[len(tag):-len(tag)], token.line
    content = token.text[token.text.index("'") + 1:-1]
    return content.replace("''", "'"), token.line


def names(nodes: list, words_before: tuple) -> list:
    """[(line, name)] of the relation after each of these words: FROM pawl.job."""
    found = []
    stream = list(flat(nodes))
    for at, token in enumerate(stream[:-1]):
        if token.word in words_before:
            rest = [t for t in stream[at + 1:at + 5]]
            if rest and rest[0].word == "ONLY":
                rest = rest[1:]
            if len(rest) >= 3 and rest[0].word == "PAWL" and rest[1].text == ".":
                found.append((token.line, rest[2].text.lower()))
    return found
