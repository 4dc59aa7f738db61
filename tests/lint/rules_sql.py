"""Rules for SQL. Each takes (path, text) and answers its complaints.

Locks are taken in one order. So a statement that writes many rows says which: it
takes them from a SELECT that locks them in an order or skips what is locked. A write
of one row is recognised by its key (each column of the primary key is compared with
something, and no other relation is joined); where only a reader can know it, the
statement carries the comment `-- one row`.
"""

import functools
import re
from typing import NamedTuple

from sql_source import (Group, flat, groups, names, scan, statements, unquote, words)
from tree import Complaint, matching, read

ONE_ROW = re.compile(r"--\s*one row\b")
LOCKING = re.compile(r"\bFOR (?:NO KEY )?UPDATE\b")
LOCK = re.compile(r"\bFOR (?:(?:NO KEY )?UPDATE|(?:KEY )?SHARE)\b")

# What PostgreSQL 13 does not know yet, in code alone (not in comments or strings).
NEWER = {
    "MERGE INTO": 15, "BEGIN ATOMIC": 14, "DETACH PARTITION .* CONCURRENTLY": 14,
    "RANGE_AGG": 14, r"\w*MULTIRANGE": 14, "DATE_BIN": 14, "STRING_TO_TABLE": 14,
    "BIT_COUNT": 14, "TRIM_ARRAY": 14, "GROUP BY DISTINCT": 14, "UNISTR": 14,
    "SEARCH (?:DEPTH|BREADTH) FIRST": 14, "CYCLE": 14, "NULLS NOT DISTINCT": 15,
    "SECURITY_INVOKER": 15, r"REGEXP_(?:LIKE|COUNT|INSTR|SUBSTR)": 15,
    "JSON_TABLE": 17, r"JSON_(?:VALUE|QUERY|EXISTS|SCALAR|SERIALIZE)": 16,
    "IS JSON": 16, "ANY_VALUE": 16, "ARRAY_SAMPLE": 16, "ARRAY_SHUFFLE": 16,
    "RANDOM_NORMAL": 16, "PG_INPUT_IS_VALID": 16, "UUIDV7": 18, "UUIDV4": 18,
    "TRANSACTION_TIMEOUT": 17, "SYSTEM_USER": 16, "COMPRESSION LZ4": 14,
}
TRANSACTION = ("BEGIN", "COMMIT", "ROLLBACK", "START", "END", "ABORT")


class Write(NamedTuple):
    """One INSERT, UPDATE or DELETE: its verb, its table, and where it stands."""

    verb: str
    table: str
    line: int
    nodes: list  # from the verb to the end of its parentheses
    statement: list  # the whole statement


class Function(NamedTuple):
    """A CREATE FUNCTION: its nodes, and its body with the line where that begins."""

    name: str
    line: int
    nodes: list
    parameters: list
    body: str
    body_line: int


def code(text: str) -> list:
    return statements(scan(text)[0])


def functions(text: str) -> list:
    found = []
    for statement in code(text):
        if words(statement)[:4] != ["CREATE", "OR", "REPLACE", "FUNCTION"]:
            continue
        tokens = [node for node in statement if not isinstance(node, Group)]
        body = next((token for token in tokens if token.kind == "dollar"), None)
        content, line = unquote(body) if body else ("", statement[0].line)
        arguments = next(node for node in statement if isinstance(node, Group))
        found.append(Function(tokens[6].text, statement[0].line, statement,
                              parameter_names(arguments), content, line))
    return found


def parameter_names(arguments: Group) -> list:
    """Names of what goes in; what comes out is described under Returns."""
    found, fresh, out = [], True, False
    for node in arguments.nodes:
        if isinstance(node, Group):
            continue
        if node.text == ",":
            fresh, out = True, False
        elif fresh and node.word in ("IN", "INOUT", "VARIADIC", "OUT"):
            out = node.word == "OUT"
        elif fresh:
            if not out:
                found.append(node.text)
            fresh = False
    return found


def one_function(path: str, text: str) -> list:
    """A file of sql/functions holds one name, its own, and nothing else."""
    wanted = path.rpartition("/")[2][:-len(".sql")]
    found = []
    for statement in code(text):
        if words(statement)[:4] != ["CREATE", "OR", "REPLACE", "FUNCTION"]:
            found.append(Complaint(path, statement[0].line,
                                   "only CREATE OR REPLACE FUNCTION stands here"))
    for function in functions(text):
        if function.name != wanted:
            found.append(Complaint(path, function.line,
                                   f"function {function.name} belongs in its own file"))
    return found


def header(path: str, text: str) -> list:
    """The comment on top: purpose, parameters, what it returns, locks, index."""
    comment = "\n".join(line for line in text.split("\nCREATE", 1)[0].splitlines()
                        if line.startswith("--"))
    wanted = path.rpartition("/")[2][:-len(".sql")]
    missing = []
    if not re.match(rf"-- {wanted}(\([^)]*\))?: \S", comment):
        missing.append(f"a first line \"{wanted}: purpose\"")
    if "Locks:" not in comment:
        missing.append("Locks:")
    if "Internal." not in comment:
        missing += header_of_public(comment, functions(text))
    return [Complaint(path, 1, f"the header lacks {what}") for what in missing]


def header_of_public(comment: str, found: list) -> list:
    missing = []
    if not re.search(r"\bParameters:|\bas \w+'s\b|\bas in \w+|\bsee \w+",
                     comment.replace("\n--", "")):
        missing += unnamed_parameters(comment, found)
    asks = comment.partition("\n")[0].endswith("?")
    if "Returns:" not in comment and not asks and any(map(answers, found)):
        missing.append("Returns:")
    if "Index:" not in comment and any(map(reads, found)):
        missing.append("Index:")
    return missing


def unnamed_parameters(comment: str, found: list) -> list:
    wanted = sorted({name for function in found for name in function.parameters})
    return [f"the parameter {name}" for name in wanted
            if not re.search(rf"\b{re.escape(name)}\b", comment)]


def answers(function: Function) -> bool:
    return not re.search(r"\bRETURNS VOID\b", " ".join(words(function.nodes)))


def reads(function: Function) -> bool:
    """Does it look for rows in a table of Pawl's?"""
    return any(table in primary_keys() for statement in body_statements(function)
               for _, table in names(statement, ("FROM", "JOIN", "UPDATE")))


def body_statements(function: Function) -> list:
    """The statements of a body, and those in strings that it executes."""
    found = statements(scan(function.body, function.body_line)[0])
    for statement in list(found):
        for token in flat(statement):
            if token.kind in ("string", "escape", "dollar"):
                content, line = unquote(token)
                inner = statements(scan(content, line)[0])
                if inner and words(inner[0])[0] in (
                        "WITH", "INSERT", "UPDATE", "DELETE", "SELECT"):
                    found += inner
    return found


def search_path(path: str, text: str) -> list:
    """What runs with the owner's rights finds nothing that a caller has put there."""
    found = []
    for function in functions(text):
        stream = " ".join(words(function.nodes))
        if "SECURITY DEFINER" not in stream:
            continue
        setting = re.search(r"\bSET SEARCH_PATH (?:=|TO) (.*?)(?= SET | AS | LANGUAGE |$)",
                            stream)
        if not setting or not re.search(r"\bPG_TEMP'?$", setting.group(1).strip(),
                                        re.IGNORECASE):
            found.append(Complaint(path, function.line, f"{function.name}: SECURITY "
                                   "DEFINER needs SET search_path = ..., pg_temp"))
    return found


def not_compiled(path: str, text: str) -> list:
    """Who chooses a plan for the planner gives it false costs: high enough, beside enough
    rows, that a statement of a millisecond is compiled to machine code first, for 0.6 s."""
    found = []
    for function in functions(text):
        stream = " ".join(words(function.nodes))
        if "SET ENABLE_" in stream and "SET JIT = OFF" not in stream:
            found.append(Complaint(path, function.line, f"{function.name} needs SET jit = "
                                   "off beside SET enable_..."))
    return found


def bounded_waits(path: str, text: str) -> list:
    """A function that can wait for a lock bounds the wait by itself; an internal one may
    leave that to those that call it, see unbounded_calls."""
    if is_internal(text):
        return []
    found = []
    for function in functions(text):
        line = 0 if is_bounded(function) else waits_at(function)
        if line:
            found.append(Complaint(path, line, f"{function.name} can wait here, and "
                                   "has no SET lock_timeout"))
    return found


def is_internal(text: str) -> bool:
    return "-- Internal." in text or " Internal.\n" in text


def is_bounded(function: Function) -> bool:
    return "SET LOCK_TIMEOUT" in " ".join(words(function.nodes))


def waits_at(function: Function) -> int:
    return next(filter(None, map(waits, body_statements(function))), 0)


def unbounded_calls(texts: dict) -> list:
    """Ways {path: text} from a public function to a wait on which nobody bounds it."""
    bodies, public = {}, set()
    for path, text in texts.items():
        for function in functions(text):
            bodies.setdefault(function.name, []).append(function)
            if not is_internal(text):
                public.add((path, function.name))
    found = []
    for path, name in sorted(public):
        way = way_to_wait(name, bodies, [])
        if way:
            found.append(Complaint(path, bodies[name][0].line, " calls ".join(way)
                                   + ", which can wait, and none has SET lock_timeout"))
    return found


def way_to_wait(name: str, bodies: dict, before: list) -> list:
    """The names from this function to one that waits without a bound, or []."""
    for function in bodies.get(name, ()):
        if is_bounded(function) or name in before:
            continue
        way = [*before, name]
        if waits_at(function) or meets_at(function):
            return way
        for called in sorted(calls(function)):
            further = way_to_wait(called, bodies, way)
            if further:
                return further
    return []


def calls(function: Function) -> set:
    return set(re.findall(r"\bpawl\.(\w+)\s*\(", function.body))


def meets_at(function: Function) -> int:
    """The line of an insert that waits for another of the same key, or 0."""
    for statement in body_statements(function):
        for write in writes(statement):
            conflicts = "ON CONFLICT" in own_words(write.nodes)
            if write.verb == "INSERT" and (conflicts or write.table == "unique_key"):
                return write.line
    return 0


def waits(statement: list) -> int:
    """The line of a lock that does not skip, or 0."""
    for nodes in groups(statement):
        stream = own_words(nodes)
        if LOCK.search(stream) and "SKIP LOCKED" not in stream:
            return next(flat(nodes)).line
    for write in writes(statement):
        # who deletes a unique key holds the live row of its job: nobody else does so
        if (write.verb, write.table) == ("DELETE", "unique_key"):
            continue
        if write.verb != "INSERT" and not takes_from(write):
            return write.line
    return 0


def writes(statement: list) -> list:
    found = []
    for nodes in groups(statement):
        for at, node in enumerate(nodes):
            verb = verb_at(nodes, at)
            if verb and not isinstance(node, Group):
                relation = names(nodes[at:at + 6], (relation_word(verb),))
                if relation:
                    found.append(Write(verb, relation[0][1], node.line, nodes[at:],
                                       statement))
    return found


def relation_word(verb: str) -> str:
    return {"INSERT": "INTO", "DELETE": "FROM", "UPDATE": "UPDATE"}[verb]


def verb_at(nodes: list, at: int) -> str:
    word = nodes[at].word
    before = nodes[at - 1].word if at else ""
    if word == "UPDATE" and before not in ("FOR", "KEY", "DO", "OR", "ON"):
        return word
    after = nodes[at + 1].word if at + 1 < len(nodes) else ""
    if (word, after) in (("INSERT", "INTO"), ("DELETE", "FROM")):
        return word
    return ""


def own_words(nodes: list) -> str:
    """The words of a list without what its groups hold."""
    return " ".join(node.word for node in nodes)


def ordered_writes(path: str, text: str) -> list:
    """Every write of many rows carries its order, or skips what is locked."""
    comments = {comment.line for comment in all_comments(text)
                if ONE_ROW.search(comment.text)}
    found = []
    for statement in everything(text):
        for write in writes(statement):
            lines = {token.line for token in flat(write.nodes)} | {write.line - 1}
            if not lines & comments and not is_ordered(write):
                found.append(Complaint(path, write.line, f"{write.verb} of {write.table} "
                                       "writes many rows without an order"))
    return found


def everything(text: str) -> list:
    """The statements of a file, and those of the bodies of its functions."""
    found = code(text)
    for function in functions(text):
        found = found + body_statements(function)
    return found


def all_comments(text: str) -> list:
    found = list(scan(text)[1])
    for token in scan(text)[0]:
        if token.kind == "dollar":
            content, line = unquote(token)
            found += scan(content, line)[1]
    return found


def is_ordered(write: Write) -> bool:
    if write.verb == "INSERT":
        return is_ordered_insert(write)
    return has_key(write) or takes_from(write)


def is_ordered_insert(write: Write) -> bool:
    """Rows with fresh keys wait for nobody; ON CONFLICT is where inserts meet."""
    stream = own_words(write.nodes)
    if "ON CONFLICT" not in stream:
        return True
    source = stream.split("ON CONFLICT")[0]
    if "VALUES" in source and "SELECT" not in source:
        return source.split("VALUES")[1].count("(") == 1
    return "ORDER BY" in source


def has_key(write: Write) -> bool:
    """Is each column of the primary key compared with a value, without a join?"""
    stream = own_words(write.nodes)
    if re.search(r"\bUSING\b", stream) or (write.verb == "UPDATE"
                                           and re.search(r"\bFROM\b", stream)):
        return False
    condition = after_word(write.nodes, "WHERE")
    key = primary_keys().get(write.table)
    if not key or not condition or "OR" in own_words(condition).split():
        return False
    compared = compared_columns(condition)
    return all(column.upper() in compared for column in key)


def compared_columns(condition: list) -> set:
    found = set()
    for at, node in enumerate(condition[:-1]):
        many = condition[at + 2].word if at + 2 < len(condition) else ""
        if condition[at + 1].word == "=" and many not in ("ANY", "SOME"):
            found.add(node.word)
    return found


def after_word(nodes: list, word: str) -> list:
    for at, node in enumerate(nodes):
        if node.word == word:
            return nodes[at + 1:]
    return []


def takes_from(write: Write) -> bool:
    """Does it draw its rows from a SELECT that locks that table, ordered or skipping?"""
    tables = with_tables(write.statement)
    seen, queue = set(), [write.nodes]
    while queue:
        nodes = queue.pop()
        if any(locks_in_order(inner, write.table) for inner in groups(nodes)):
            return True
        for name in set(words(nodes)) & set(tables) - seen:
            seen.add(name)
            queue.append(tables[name])
    return False


def with_tables(statement: list) -> dict:
    """{name: nodes} of each WITH name AS [NOT] [MATERIALIZED] (...)"""
    found = {}
    for nodes in groups(statement):
        for at, node in enumerate(nodes):
            if isinstance(node, Group) and at >= 2:
                back = [n.word for n in nodes[max(0, at - 4):at]]
                while back and back[-1] in ("MATERIALIZED", "NOT"):
                    back.pop()
                if len(back) >= 2 and back[-1] == "AS":
                    found[back[-2]] = node.nodes
    return found


def locks_in_order(nodes: list, table: str) -> bool:
    stream = own_words(nodes)
    if not LOCKING.search(stream):
        return False
    if not any(name == table for _, name in names(nodes, ("FROM", "JOIN", ","))):
        return False
    return "ORDER BY" in stream or "SKIP LOCKED" in stream


@functools.lru_cache(maxsize=None)
def primary_keys() -> dict:
    """{table: [column]} as the migrations have them."""
    found = {}
    for path in matching("sql/migrations/*.sql"):
        for statement in code(read(path)):
            if words(statement)[:2] != ["CREATE", "TABLE"]:
                continue
            stream = words(statement)
            start = " ".join(stream).find("PRIMARY KEY (")
            table = names(statement, ("TABLE",))
            if table and start >= 0:
                columns = " ".join(stream)[start:].split("(")[1].split(")")[0]
                found[table[0][1]] = [c.strip().lower() for c in columns.split(",")]
    return found


def newer(path: str, text: str) -> list:
    """Works on PostgreSQL 13 and later."""
    found = []
    for statement in everything(text):
        stream = " ".join(token.word for token in flat(statement)
                          if token.kind in ("word", "mark"))
        for pattern, version in NEWER.items():
            if re.search(rf"(?<![\w.]){pattern}(?!\w)", stream):
                found.append(Complaint(path, statement[0].line, f"{pattern} came with "
                                       f"PostgreSQL {version}"))
        if assigns_subscript(statement):
            found.append(Complaint(path, statement[0].line,
                                   "a subscript with a string came with PostgreSQL 14"))
    return found


def assigns_subscript(statement: list) -> bool:
    """jsonb['member']"""
    stream = list(flat(statement))
    return any(token.text == "[" and after.kind == "string" and before.word != "ARRAY"
               for before, token, after in zip(stream, stream[1:], stream[2:]))


def no_transactions(path: str, text: str) -> list:
    """Whoever runs the file holds the transaction."""
    return [Complaint(path, statement[0].line, "files of sql/ begin and end nothing")
            for statement in code(text) if words(statement)[0] in TRANSACTION]
