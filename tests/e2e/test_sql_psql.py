"""The SQL functions from psql, as the documentation shows them."""

import subprocess

import pytest
from harness.paths import PG_BIN


@pytest.fixture
def psql(db):
    """psql(script): its output, unaligned; a failing statement ends it with code 3."""

    def run(script, code=0):
        command = [PG_BIN / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        result = subprocess.run(
            command, env=db.env(), input=script, capture_output=True, text=True, timeout=60
        )
        assert result.returncode == code, result.stderr
        return (result.stdout if code == 0 else result.stderr).strip()

    return run


def test_push_and_look(psql):
    """Literals need no cast: a kind, a JSON text, named arguments."""
    assert psql("SELECT pawl.push('thumbnail', '{\"n\": 1}')") == "1"
    assert psql("SELECT pawl.push('mail', queue => 'mail', priority => 1)") == "2"
    assert psql("SELECT pawl.push('k', run_at => now() + interval '1 hour')") == "3"
    assert psql("SELECT pawl.push('k', timeout => '5 min', max_attempts => 3)") == "4"
    listed = psql("SELECT id, state, kind, queue FROM pawl.jobs ORDER BY id")
    assert listed.splitlines() == [
        "1|ready|thumbnail|default",
        "2|ready|mail|mail",
        "3|scheduled|k|default",
        "4|ready|k|default",
    ]


def test_push_in_ones_own_transaction(psql):
    """The job is there exactly when the row is."""
    psql("CREATE TABLE picture (id int)")
    psql("BEGIN; INSERT INTO picture VALUES (1); SELECT pawl.push('thumbnail'); ROLLBACK;")
    assert psql("SELECT count(*) FROM picture, pawl.jobs") == "0"
    psql("BEGIN; INSERT INTO picture VALUES (1); SELECT pawl.push('thumbnail'); COMMIT;")
    assert psql("SELECT count(*) FROM picture, pawl.jobs") == "1"


def test_push_many_of_both_forms(psql):
    """An unknown literal is the array of objects; kind and args are the fast path."""
    rows = psql("SELECT * FROM pawl.push_many('[{\"kind\": \"a\"}, {\"kind\": \"b\"}]')")
    assert rows.splitlines() == ["1|1|t", "2|2|t"]
    rows = psql("SELECT * FROM pawl.push_many('k', ARRAY['1', '2']::jsonb[])")
    assert rows.splitlines() == ["1|3|t", "2|4|t"]
    assert psql("SELECT args FROM pawl.jobs WHERE id > 2 ORDER BY id").split() == ["1", "2"]


def test_push_from_a_query(psql):
    """A job for each row of a table, in one statement."""
    psql("CREATE TABLE picture AS SELECT g AS id FROM generate_series(1, 100) g")
    psql(
        "SELECT count(*) FROM pawl.push_many('thumbnail',"
        " (SELECT array_agg(jsonb_build_object('id', id) ORDER BY id) FROM picture))"
    )
    assert psql("SELECT sum((args ->> 'id')::int) FROM pawl.jobs") == "5050"
    psql("SELECT count(pawl.push('single', to_jsonb(p))) FROM picture p WHERE id <= 3")
    assert psql("SELECT count(*) FROM pawl.jobs WHERE kind = 'single'") == "3"


def test_a_worker_in_psql(psql):
    """claim, fence, the user's own write and complete, in one transaction of the user."""
    psql("CREATE TABLE ledger (job bigint); SELECT pawl.push('k');")
    psql(
        """
        SELECT pawl.worker_start('psql') AS worker \\gset
        SELECT job, fence FROM pawl.claim(:'worker') \\gset
        BEGIN;
        SELECT pawl.fence(:job, :fence);
        INSERT INTO ledger VALUES (:job);
        SELECT pawl.complete(:job, :fence, '{"done": true}');
        COMMIT;
        SELECT pawl.worker_stop(:'worker');
        """
    )
    assert psql("SELECT state, result FROM pawl.jobs") == 'succeeded|{"done": true}'
    assert psql("SELECT job FROM ledger") == "1"


@pytest.mark.parametrize(
    "statement, code, words",
    [
        ("SELECT pawl.push('')", "22023", "kind of a job must have 1 to 255 bytes"),
        ("SELECT pawl.push('k', priority => 10)", "22023", "priority of a job must be 0 to 9"),
        ("SELECT pawl.complete(1, 1)", "PW001", "fence 1 of job 1 is stale"),
        ("SELECT * FROM pawl.claim(gen_random_uuid())", "PW002", "lease of worker"),
        ("SELECT pawl.retry(pawl.push('k'))", "PW004", "is ready, not failed or cancelled"),
        ("SELECT pawl.cancel(77)", "P0002", "job 77 does not exist"),
    ],
)
def test_errors_say_what_and_why(psql, statement, code, words):
    """SQLSTATE and primary text, in PostgreSQL's style: lower case, no full stop."""
    told = psql("\\set VERBOSITY verbose\n" + statement, code=3)
    primary = next(line for line in told.splitlines() if "ERROR:" in line)
    assert code in primary and words in primary and not primary.endswith(".")
    text = primary.partition(f"{code}: ")[2]
    assert text[0].islower()
