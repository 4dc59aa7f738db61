"""The rules for SQL: the tree obeys them, and each of them bites (see test_c.py)."""

import pytest
import rules_sql
import tree

FUNCTIONS = ("sql/functions/*.sql",)
ALL = ("sql/*.sql",)

RULES = [
    (rules_sql.one_function, FUNCTIONS),
    (rules_sql.header, FUNCTIONS),
    (rules_sql.search_path, FUNCTIONS),
    (rules_sql.not_compiled, FUNCTIONS),
    (rules_sql.bounded_waits, FUNCTIONS),
    (rules_sql.ordered_writes, ALL),
    (rules_sql.newer, ALL),
    (rules_sql.no_transactions, ("sql/functions/*.sql", "sql/views/*.sql",
                                 "sql/migrations/*.sql", "sql/queries/*.sql")),
]

PATH = "sql/functions/f.sql"
HEADER = """\
-- f: do it
--
-- Parameters: a.
-- Returns: nothing that matters.
-- Locks: rows of ready.
-- Index: ready_pkey.
"""


def function(body, settings="SECURITY DEFINER SET search_path = pawl, pg_temp", name="f",
             returns="int", header=HEADER):
    return (f"{header}CREATE OR REPLACE FUNCTION pawl.{name}(a int DEFAULT (1))\n"
            f"RETURNS {returns} LANGUAGE plpgsql {settings}\nAS $$\nBEGIN\n{body}\n"
            "END\n$$;\n")


ORDERED = """
	WITH taken AS MATERIALIZED (
		SELECT r.ctid FROM pawl.ready r WHERE r.kind = a ORDER BY r.job_id FOR UPDATE
	), more AS (
		SELECT t.ctid FROM taken t
	)
	DELETE FROM pawl.ready r USING more m WHERE r.ctid = m.ctid;"""
SKIPPING = """
	DELETE FROM pawl.ready r WHERE r.ctid = ANY (ARRAY(
		SELECT q.ctid FROM pawl.ready q LIMIT 1000 FOR UPDATE SKIP LOCKED));"""
SHARE = "PERFORM FROM pawl.worker w WHERE w.id = a FOR KEY SHARE;"

# (rule, naive text that it refuses, text that it accepts)
SNIPPETS = [
    (rules_sql.one_function, function("", name="g"), function("")),
    (rules_sql.one_function, function("") + "GRANT EXECUTE ON FUNCTION f TO PUBLIC;",
     function("") + function("", header="")),
    (rules_sql.header, function("", header=HEADER.replace("-- Locks: rows of ready.\n", "")),
     function("")),
    (rules_sql.header, function("", header=HEADER.replace("f: do it", "do it")),
     function("")),
    (rules_sql.header, function("", header=HEADER.replace("-- Returns", "--")),
     function("", returns="void", header=HEADER.replace("-- Returns", "--"))),
    (rules_sql.header,
     function("PERFORM FROM pawl.ready r;", header=HEADER.replace("-- Index", "--")),
     function("PERFORM FROM pawl.g(1);", header=HEADER.replace("-- Index", "--"))),
    (rules_sql.header, function("", header=HEADER.replace("-- Parameters: a.", "--")),
     function("", header=HEADER.replace("-- Parameters: a.", "-- Takes a."))),
    (rules_sql.search_path, function("", settings="SECURITY DEFINER"), function("")),
    (rules_sql.search_path,
     function("", settings="SECURITY DEFINER SET search_path = pg_temp, pawl"),
     function("", settings="")),
    (rules_sql.not_compiled, function("", settings="SET enable_seqscan = off"),
     function("", settings="SET enable_seqscan = off SET jit = off")),
    (rules_sql.bounded_waits, function(SHARE),
     function(SHARE, settings="SET lock_timeout = '5s'")),
    (rules_sql.bounded_waits,
     function("UPDATE pawl.worker w SET name = 'x' WHERE w.id = a AND w.shard = 0;"),
     function(SKIPPING)),
    # many rows in the order in which the scan meets them
    (rules_sql.ordered_writes, function("DELETE FROM pawl.ready r WHERE r.kind = a;"),
     function("DELETE FROM pawl.ready WHERE job_id = a AND shard = 0;")),
    # the order of a subquery is not the order of the locks
    (rules_sql.ordered_writes,
     function("UPDATE pawl.worker w SET name = 'x' FROM (SELECT id FROM pawl.worker "
              "ORDER BY id) s WHERE s.id = w.id AND w.shard = 0;"),
     function(ORDERED)),
    # locks rows, in no order
    (rules_sql.ordered_writes, function(ORDERED.replace("ORDER BY r.job_id", "")),
     function(SKIPPING)),
    # locks the rows of another table
    (rules_sql.ordered_writes,
     function(ORDERED.replace("FROM pawl.ready r WHERE r.kind", "FROM pawl.job r WHERE r.kind")),
     function(ORDERED)),
    # a part of the key is no key
    (rules_sql.ordered_writes, function("DELETE FROM pawl.attempt WHERE job_id = a;"),
     function("-- one row\nDELETE FROM pawl.attempt WHERE job_id = a;")),
    (rules_sql.ordered_writes,
     function("DELETE FROM pawl.ready WHERE job_id = ANY (a) AND shard = 0;"),
     function("DELETE FROM pawl.ready WHERE job_id = a AND shard = 0;")),
    (rules_sql.ordered_writes,
     function("DELETE FROM pawl.ready WHERE job_id = a AND shard = 0 OR kind = 'b';"),
     function("DELETE FROM pawl.ready WHERE job_id = a AND shard = 0 AND kind = 'b';")),
    # inserts meet where they conflict
    (rules_sql.ordered_writes,
     function("INSERT INTO pawl.queue (name) SELECT n FROM unnest(a) n "
              "ON CONFLICT DO NOTHING;"),
     function("INSERT INTO pawl.queue (name) SELECT n FROM unnest(a) n ORDER BY n "
              "ON CONFLICT DO NOTHING;")),
    (rules_sql.ordered_writes,
     function("INSERT INTO pawl.queue (name) VALUES ('b'), ('a') ON CONFLICT DO NOTHING;"),
     function("INSERT INTO pawl.queue (name) VALUES ('b') ON CONFLICT DO NOTHING;")),
    # what is executed as a string
    (rules_sql.ordered_writes, function("EXECUTE 'DELETE FROM pawl.ready';"),
     function("EXECUTE 'SELECT 1';")),
    (rules_sql.ordered_writes, "UPDATE pawl.queue SET paused = true;\n",
     "UPDATE pawl.queue SET paused = true WHERE name = 'a' AND shard = 0;\n"),
    (rules_sql.newer, function("MERGE INTO pawl.ready r USING x ON true;"),
     function("-- MERGE INTO\nRAISE NOTICE 'MERGE INTO';")),
    (rules_sql.newer, function("x := y['a'];"), function("x := ARRAY['a']; y := z[1];")),
    (rules_sql.newer, "CREATE UNIQUE INDEX i ON t (a) NULLS NOT DISTINCT;\n",
     "CREATE UNIQUE INDEX i ON t (a);\n"),
    (rules_sql.newer, function("SELECT date_bin('1 s', a, b);"),
     function("SELECT date_trunc('second', a);")),
    (rules_sql.no_transactions, "BEGIN;\nSELECT 1;\nCOMMIT;\n", "SELECT 1;\n"),
]


def rule_name(value):
    """Names a case after its rule, not after a page of SQL."""
    return getattr(value, "__name__", "")


@pytest.mark.parametrize("rule, patterns", RULES, ids=rule_name)
def test_the_tree_obeys(rule, patterns):
    tree.check(rule, *patterns)


@pytest.mark.parametrize("rule, naive, proper", SNIPPETS, ids=rule_name)
def test_the_rule_bites(rule, naive, proper):
    assert rule(PATH, naive), "the naive snippet was accepted"
    assert rule(PATH, proper) == [], "the proper snippet was refused"


INNER = function(SHARE, settings="", name="inner", header="-- inner: x\n-- Internal.\n")
CALL = "PERFORM pawl.inner(a);"


def test_no_way_leads_to_a_wait_without_a_bound():
    texts = {path: tree.read(path) for path in tree.matching(*FUNCTIONS)}
    tree.expect_none(rules_sql.unbounded_calls(texts))


@pytest.mark.parametrize("outer, inner, complaints", [
    (function(CALL), INNER, 1),
    (function(CALL, settings="SET lock_timeout = '5s'"), INNER, 0),
    (function(CALL), INNER.replace("LANGUAGE", "SET lock_timeout = '5s' LANGUAGE"), 0),
    (function("PERFORM pawl.other(a);"), INNER, 0),
    # an insert waits where it meets another of the same key
    (function(CALL), INNER.replace(SHARE, "INSERT INTO pawl.unique_key (key) VALUES (a);"), 1),
    (function(CALL), INNER.replace(SHARE, "INSERT INTO pawl.ready (job_id) VALUES (a);"), 0),
])
def test_a_way_to_a_wait_is_found(outer, inner, complaints):
    texts = {PATH: outer, "sql/functions/inner.sql": inner}
    assert len(rules_sql.unbounded_calls(texts)) == complaints


def test_every_rule_has_a_naive_snippet():
    assert {rule for rule, _ in RULES} == {snippet[0] for snippet in SNIPPETS}


def test_the_keys_are_read_from_the_migrations():
    assert rules_sql.primary_keys()["ready"] == ["shard", "job_id"]


def test_the_tree_has_writes_to_judge():
    """The rule of orders sees the writes that everything else rests on."""
    seen = {(write.verb, write.table) for path in tree.matching(*FUNCTIONS)
            for statement in rules_sql.everything(tree.read(path))
            for write in rules_sql.writes(statement)}
    assert {("INSERT", "job"), ("DELETE", "ready"), ("DELETE", "running"),
            ("INSERT", "outcome"), ("UPDATE", "worker")} <= seen
