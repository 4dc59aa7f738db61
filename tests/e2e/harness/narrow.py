"""Partitions of a few ids each, so that a test fills one in no time.

The schema knows no width but its ten million; retention reads the bounds from the
catalogue, so the narrow ones are to it as any.
"""

COUNT = 25  # more than extend_partitions looks ahead, so that it attaches none of its own

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


def attach(connection, width, numbers):
    """Attach the partitions with these numbers, as their owner."""
    connection.execute("SET ROLE pawl_owner")
    for number in numbers:
        bounds = [str(number * width), str((number + 1) * width)]
        for parent, key in (("job", "id"), ("outcome", "job_id")):
            connection.execute(
                "SELECT pawl.attach_partition(%s, %s, %s, %s, %s)",
                [parent, f"{parent}_p{number}", key, *bounds],
            )
    connection.execute("RESET ROLE")


def narrow(db, width, count=COUNT):
    """Replace the partitions of an empty database by `count` of `width` ids each."""
    with db.connect() as connection, connection.transaction():
        connection.execute(DROP)
        attach(connection, width, range(count))
