"""docs/lock-order.md, statement by statement: what it says is what sql/ does.

Guards against a statement that is added to a function which is listed already, against
one whose locks change, and against the naive form of each: many rows in the order in
which the scan meets them.
"""

import re

import pytest
import sql_locks

PAGE = (sql_locks.REPO / "docs" / "lock-order.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` (\d+) \| (.+?) \| (.+?) \| (.+?) \|$", re.M)
LIVE = ("delete ready", "delete scheduled", "delete waiting", "delete running")
TREE = sql_locks.of_the_tree()
# gives back keys that the same call has inserted: nobody else has seen them
OWN_KEYS = ("retry_round 2",)


def numbered(path, statements):
    stem = path.rpartition("/")[2][: -len(".sql")]
    return {f"{stem} {n}": statement for n, statement in enumerate(statements, 1)}


def listed():
    """{statement: (does, rows, waits)} of the page."""
    part = PAGE.split("## Statement by statement")[1]
    return {f"{name} {n}": (does, rows, waits) for name, n, does, rows, waits in ROW.findall(part)}


def faults(name, statement, line):
    """What is wrong with a statement and with its line of the page (None: it has none)."""
    found = [f"{action.what}: many rows, neither in an order nor skipping"
             for action in statement.actions if action.many and not action.ordered]
    whats = [action.what for action in statement.actions]
    if "delete unique_key" in whats and name not in OWN_KEYS and not set(whats) & set(LIVE):
        found.append("deletes a unique key without the live row of its job")
    if line is None:
        return [*found, f"not listed: {statement.does}"]
    does, rows, waits = line
    if does != statement.does:
        found.append(f"listed as {does!r}, but does {statement.does!r}")
    if any(a.many for a in statement.actions) and not re.search(r"\bby\b", rows):
        found.append("many rows, and the line does not say in which order")
    if ("SKIP LOCKED" in statement.does) != ("skips" in rows):
        found.append("the line does not say what is skipped")
    if any(action.waits for action in statement.actions) == (waits == "no"):
        found.append(f"the line says of its waits: {waits}")
    return found


FOUND = {name: statement for path, statements in TREE.items()
         for name, statement in numbered(path, statements).items()}


@pytest.mark.parametrize("name", FOUND)
def test_each_statement_is_listed_and_in_order(name):
    assert faults(name, FOUND[name], listed().get(name)) == []


def test_nothing_else_is_listed():
    assert set(listed()) == set(FOUND)


def test_the_statements_are_seen():
    """The reader finds those that everything rests on, in strings too."""
    does = {statement.does for statement in FOUND.values()}
    assert any("lock outcome UPDATE SKIP LOCKED; delete outcome" in text for text in does)
    assert {"lock running NO KEY UPDATE", "insert unique_key", "TRUNCATE"} <= does
    assert len(FOUND) > 40


# -- the test of the test ----------------------------------------------------------------

FUNCTION = ("CREATE OR REPLACE FUNCTION pawl.naive(jobs bigint[]) RETURNS void "
            "LANGUAGE plpgsql AS $$ BEGIN {} END $$;")
GOOD = ("DELETE FROM pawl.ready r WHERE r.ctid = ANY (ARRAY(SELECT c.ctid FROM pawl.ready c "
        "WHERE c.job_id = ANY (jobs) ORDER BY c.job_id FOR UPDATE SKIP LOCKED));")
GOOD_LINE = ("lock ready UPDATE SKIP LOCKED; delete ready", "by job id, skips", "no")

NAIVE = {
    "a delete in the order of the scan":
        "DELETE FROM pawl.ready WHERE job_id = ANY (jobs);",
    "an update that a subquery should order":
        "UPDATE pawl.worker w SET name = '' FROM (SELECT id FROM pawl.worker ORDER BY id "
        ") s WHERE w.id = s.id;",
    "locks without an order":
        "PERFORM FROM pawl.running r WHERE r.job_id = ANY (jobs) FOR UPDATE;",
    "locks in a string that is executed":
        "EXECUTE 'SELECT 1 FROM pawl.outcome o WHERE o.job_id = ANY ($1) FOR UPDATE';",
    "keys in the caller's order":
        "INSERT INTO pawl.unique_key (job_id, until_start, key) SELECT j, false, j::text "
        "FROM unnest(jobs) j ON CONFLICT DO NOTHING;",
    "keys without the live rows":
        "DELETE FROM pawl.unique_key u WHERE u.ctid = ANY (ARRAY(SELECT k.ctid FROM "
        "pawl.unique_key k WHERE k.job_id = ANY (jobs) ORDER BY k.key FOR UPDATE));",
}


def judge(body, line):
    (statement,) = sql_locks.statements("naive.sql", FUNCTION.format(body))
    return faults("naive 1", statement, line or (statement.does, "by key, skips", "no"))


@pytest.mark.parametrize("name", NAIVE)
def test_a_naive_statement_is_refused(name):
    """Also when the page has a line for it that sounds right."""
    wanted = "without the live row" if "live rows" in name else "many rows"
    assert any(wanted in fault for fault in judge(NAIVE[name], None))


def test_a_proper_statement_is_accepted():
    assert judge(GOOD, GOOD_LINE) == []


@pytest.mark.parametrize("line, fault", [
    (("delete ready", "by job id, skips", "no"), "listed as"),
    ((GOOD_LINE[0], "some rows, skips", "no"), "does not say in which order"),
    ((GOOD_LINE[0], "by job id", "no"), "what is skipped"),
    ((GOOD_LINE[0], "by job id, skips", "for everybody"), "says of its waits"),
])
def test_a_line_that_is_not_true_is_refused(line, fault):
    assert any(fault in found for found in judge(GOOD, line))


def test_a_statement_without_a_line_is_refused():
    (statement,) = sql_locks.statements("naive.sql", FUNCTION.format(GOOD))
    assert any("not listed" in fault for fault in faults("naive 1", statement, None))
