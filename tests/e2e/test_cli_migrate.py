"""`pawl migrate` as a command."""

import json
import subprocess

from harness.paths import PG_BIN
from harness.program import run_pawl


def test_status_up_and_again(cluster):
    """The bug: a script cannot tell whether there is something to migrate."""
    empty = cluster.new_database(template="template0")
    try:
        before = run_pawl(empty, "migrate", "status", "-o", "json", check=6)
        (row,) = json.loads(before.stdout)
        assert (row["current"], row["status"]) == (0, "missing")
        run_pawl(empty, "migrate", "up")
        (row,) = json.loads(run_pawl(empty, "migrate", "status", "-o", "json").stdout)
        assert row["current"] == row["wanted"] and row["status"] == "up to date"
        assert run_pawl(empty, "migrate", "up").stdout == ""
        empty.execute("DROP FUNCTION pawl.held(uuid)")
        run_pawl(empty, "migrate", "up")
    finally:
        empty.drop()


def test_grants_of_the_past_are_taken_back(cluster):
    """The bug: what an older version granted stays granted for ever."""
    empty = cluster.new_database(template="template0")
    reads = "SELECT has_table_privilege('pawl_reader', 'pawl.%s', 'SELECT')"
    try:
        run_pawl(empty, "migrate", "up")
        empty.execute("GRANT SELECT ON pawl.job TO pawl_reader")
        empty.execute("COMMENT ON SCHEMA pawl IS NULL")  # as if the grants' text had changed
        run_pawl(empty, "migrate", "up")
        assert (empty.value(reads % "job"), empty.value(reads % "jobs")) == (False, True)
    finally:
        empty.drop()


def test_sql_is_a_script_for_psql(cluster):
    """The bug: the script differs from what `migrate up` does, so that a database made by
    hand is one that the program does not know."""
    script = run_pawl(None, "migrate", "sql").stdout
    empty = cluster.new_database(template="template0")
    try:
        psql = subprocess.run(
            [PG_BIN / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", empty.conninfo()],
            input=script, capture_output=True, text=True,
        )
        assert psql.returncode == 0, psql.stderr
        run_pawl(empty, "migrate", "status")
        assert run_pawl(empty, "push", "k").stdout.strip() == "1"
    finally:
        empty.drop()


STRANGER = """
    CREATE SCHEMA pawl;
    CREATE FUNCTION pawl.spring() RETURNS int LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE 'ALTER ROLE mallory SUPERUSER';
        RETURN 0;
    END $$;
    CREATE VIEW pawl.migration AS SELECT pawl.spring() AS version, ''::text AS name,
        ''::text AS checksum, now() AS applied_at;
    CREATE VIEW pawl.jobs AS SELECT * FROM pawl.migration"""


def test_schema_of_a_stranger_is_not_run(cluster):
    """The bug: who may create schemas makes one named pawl before Pawl does, and its
    functions run with the rights of the superuser who looks at it."""
    database = cluster.new_database(template="template0")
    rises = "SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'"
    try:
        database.execute("CREATE ROLE mallory")
        database.execute(f'GRANT CREATE ON DATABASE "{database.name}" TO mallory')
        database.execute(f"SET ROLE mallory; {STRANGER}")
        for command in (["migrate", "status"], ["migrate", "up"], ["push", "k"],
                        ["job", "list"], ["work", "-H", "k=true"]):
            said = run_pawl(database, *command, check=6).stderr
            assert 'schema pawl belongs to role "mallory"' in said
        psql = subprocess.run(
            [PG_BIN / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database.conninfo()],
            input=run_pawl(None, "migrate", "sql").stdout, capture_output=True, text=True,
        )
        assert psql.returncode != 0 and "belongs to role" in psql.stderr
        assert not database.value(rises)
        database.execute("SELECT version FROM pawl.migration")  # what a naive check does
        assert database.value(rises)
    finally:
        database.drop()
        cluster.database("postgres").execute("DROP ROLE IF EXISTS mallory")
