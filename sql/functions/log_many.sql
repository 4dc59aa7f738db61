-- log_many: store lines of jobs' logs
--
-- Parameters: arrays that belong together (contexts may be NULL); ats: when each line was
-- written, by the writer's clock, believed within the last hour alone; levels: debug,
-- info, warn, error; messages are cut at 8 KiB with a mark; a context of more than
-- 16 KiB is stored as {"bytes_cut": n}, as a worker does with what is longer than 8 KiB:
-- jsonb writes it with spaces.  Lines get their ids in the order of the arrays.  A line is
-- stored whether its fence is stale or not.
-- Returns: how many were stored.
-- Errors: 22023 when the arrays differ in length; 22P02 for an unknown level.
-- Locks: none but those of inserts.
CREATE OR REPLACE FUNCTION pawl.log_many(jobs bigint[], fences bigint[],
	ats timestamptz[], levels text[], messages text[], contexts jsonb[] DEFAULT NULL)
RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	stamp timestamptz := clock_timestamp();
	most constant int := 16384;
	stored int;
BEGIN
	PERFORM pawl.check_pairs(jobs, fences, 'fences'), pawl.check_pairs(jobs, ats, 'ats'),
		pawl.check_pairs(jobs, levels, 'levels'),
		pawl.check_pairs(jobs, messages, 'messages'),
		pawl.check_pairs(jobs, contexts, 'contexts');
	INSERT INTO pawl.log (job_id, fence, at, level, message, context)
	SELECT l.id, l.fence,
		CASE WHEN l.at BETWEEN stamp - interval '1 hour' AND stamp THEN l.at ELSE stamp END,
		coalesce(l.level, 'info')::pawl.log_level,
		CASE WHEN octet_length(l.message) <= 8192 THEN l.message
			ELSE pawl.cut(coalesce(l.message, ''), 8192) END,
		CASE WHEN octet_length(l.context::text) > most THEN
			jsonb_build_object('bytes_cut', octet_length(l.context::text))
			ELSE l.context END
	FROM unnest(jobs, fences, ats, levels, messages, contexts)
		l (id, fence, at, level, message, context);
	GET DIAGNOSTICS stored = ROW_COUNT;
	RETURN stored;
END
$$;
