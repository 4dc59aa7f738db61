"""What each statement of sql/ locks, read from its text.

A statement is a sentence of SQL between two semicolons, those of function bodies and of
strings that are executed included.  Its actions are what it does to rows in the order of
its text: `lock TABLE MODE [SKIP LOCKED]`, `insert TABLE`, `update TABLE`, `delete TABLE`,
and what is done to whole tables, `LOCK TABLE` and its like.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tests" / "lint"))

import rules_sql  # noqa: E402
from sql_source import flat, groups, names, scan, unquote  # noqa: E402

MODE = re.compile(r"\bFOR ((?:NO KEY )?UPDATE|(?:KEY )?SHARE)\b(?: OF \w+)?(?: (SKIP LOCKED|NOWAIT))?")
WHOLE = re.compile(r"\s*(LOCK TABLE|TRUNCATE|ALTER TABLE|DROP TABLE)\b")
INSERTS_THAT_WAIT = ("unique_key",)  # inserts into it meet, also without ON CONFLICT


class Action(NamedTuple):
    """One thing that a statement does to rows."""

    what: str
    line: int
    many: bool  # it may be about more than one row
    ordered: bool  # in an order, or skipping what is locked
    waits: bool


class Statement(NamedTuple):
    path: str
    line: int
    actions: list

    @property
    def does(self):
        return "; ".join(action.what for action in self.actions)


def statements(path, text):
    """The statements of a file that lock or write, in the order of the text."""
    one_row = {comment.line for comment in rules_sql.all_comments(text)
               if rules_sql.ONE_ROW.search(comment.text)}
    found = []
    for statement in rules_sql.everything(text):
        actions = row_actions(statement, one_row) or whole_actions(statement)
        if actions:
            found.append(Statement(path, actions[0].line, sorted(actions, key=lambda a: a.line)))
    return sorted(found, key=lambda s: s.line)


def own_words(nodes):
    """The words of a list without those of its groups and of strings."""
    return " ".join(node.word for node in nodes
                    if getattr(node, "kind", "mark") in ("word", "mark"))


def row_actions(statement, one_row):
    found = []
    for nodes in groups(statement):
        match = MODE.search(own_words(nodes))
        if match:
            found.append(lock_action(nodes, match))
    for write in rules_sql.writes(statement):
        lines = {token.line for token in flat(write.nodes)} | {write.line - 1}
        found.append(write_action(write, bool(lines & one_row)))
    return found


def lock_action(nodes, match):
    tables = names(nodes, ("FROM",)) or [(0, "?")]
    stream = own_words(nodes)
    key = rules_sql.primary_keys().get(tables[0][1], ["?"])
    compared = rules_sql.compared_columns(rules_sql.after_word(nodes, "WHERE"))
    skips = match[2] is not None
    line = next(token.line for token in flat(nodes) if token.word == "FOR")
    what = f"lock {tables[0][1]} {match[1]}" + (f" {match[2]}" if skips else "")
    return Action(what, line, not all(column.upper() in compared for column in key),
                  skips or "ORDER BY" in stream, not skips)


def write_action(write, one_row):
    inserts = write.verb == "INSERT"
    stream = own_words(write.nodes)
    if inserts:
        meets = "ON CONFLICT" in stream or write.table in INSERTS_THAT_WAIT
        many = meets and not re.search(r"\bVALUES \((?! ,)", stream)
        ordered = not meets or "ORDER BY" in stream
        return Action(f"insert {write.table}", write.line, many, ordered, meets)
    taken = rules_sql.takes_from(write)
    many = not (rules_sql.has_key(write) or one_row)
    return Action(f"{write.verb.lower()} {write.table}", write.line, many,
                  taken or one_row, not (taken or one_row))


def whole_actions(statement):
    """LOCK TABLE, TRUNCATE, ALTER and DROP, written or in a string that is executed."""
    found = []
    stream = " ".join(token.word for token in statement if hasattr(token, "kind"))
    match = WHOLE.match(stream)
    if match:
        found.append(Action(match[1], statement[0].line, False, True, True))
    for token in flat(statement):
        if token.kind in ("string", "escape", "dollar") and len(token.text) > 2:
            match = WHOLE.match(" ".join(unquote(token)[0].upper().split()))
            if match:
                found.append(Action(match[1], token.line, False, True, True))
    return found


def of_the_tree():
    """{file name: its statements} of sql/, but for those without any."""
    found = {}
    for path in sorted((REPO / "sql").rglob("*.sql")):
        listed = statements(str(path.relative_to(REPO)), path.read_text(encoding="utf-8"))
        if listed:
            found[str(path.relative_to(REPO / "sql"))] = listed
    return found
