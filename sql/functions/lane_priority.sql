-- lane_priority(priority, crashes): the lane of its queue that a job belongs in
--
-- Ten more than its priority when it has crashed a worker: suspects have lanes of their own
-- (see ready in the tables).  Written so that it becomes a part of the statement that
-- calls it.  Internal.
-- Locks: none.
-- Index: none.
CREATE OR REPLACE FUNCTION pawl.lane_priority(priority smallint, crashes int)
RETURNS int
LANGUAGE sql IMMUTABLE
AS $$
	SELECT priority + CASE WHEN crashes > 0 THEN 10 ELSE 0 END
$$;
