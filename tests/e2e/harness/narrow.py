"""Partitions of a few ids each, so that a test fills one in no time.

The schema has one width, ten million, in one function; here it is another one's.  What
reads the partitions takes their bounds from the catalogue.
"""

from .paths import REPO

AHEAD = 25  # more than a worker that starts looks ahead
SIZE = "size constant bigint := 10000000"

DROP = """
DO $$
DECLARE
	name text;
BEGIN
	FOR name IN SELECT i.inhrelid::regclass::text FROM pg_inherits i
		WHERE i.inhparent IN ('pawl.job'::regclass, 'pawl.outcome'::regclass)
	LOOP
		EXECUTE 'DROP TABLE ' || name;
	END LOOP;
END
$$
"""

# as one would write it: first the survivors, then the lock
NAIVE_EMPTY = """
CREATE OR REPLACE FUNCTION pawl.empty_partition(part text, low bigint, high bigint,
	keep interval, OUT gone bigint, OUT kept bigint)
LANGUAGE plpgsql SET lock_timeout = '10s'
AS $$
DECLARE
	jobs pawl.job[];
	outcomes pawl.outcome[];
BEGIN
	jobs := ARRAY(SELECT j FROM pawl.job j WHERE j.id >= low AND j.id < high
		AND j.id = ANY (pawl.live_between(low, high, 5000)));
	outcomes := ARRAY(SELECT o FROM pawl.outcome o WHERE o.job_id >= low AND o.job_id < high
		AND o.finished_at > clock_timestamp() - keep);
	EXECUTE format('LOCK TABLE pawl.%I, pawl.%I', 'job_p' || part, 'outcome_p' || part);
	EXECUTE format('TRUNCATE pawl.%I, pawl.%I', 'job_p' || part, 'outcome_p' || part);
	INSERT INTO pawl.job SELECT j.* FROM unnest(jobs) j;
	INSERT INTO pawl.outcome SELECT o.* FROM unnest(outcomes) o;
	gone := 1;
	kept := cardinality(jobs);
END
$$
"""


def narrow(db, width):
    """Partitions of `width` ids in an empty database: 0 to AHEAD, and those that follow."""
    text = (REPO / "sql" / "functions" / "extend_partitions.sql").read_text(encoding="utf-8")
    assert SIZE in text
    with db.connect() as connection, connection.transaction():
        connection.execute(DROP)
        connection.execute(text.replace(SIZE, f"size constant bigint := {width}"))
        connection.execute("SELECT pawl.extend_partitions(%s)", [AHEAD])
