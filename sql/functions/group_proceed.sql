-- group_proceed: complete what was dispatched of a group, and dispatch the next
--
-- All that a job without effect costs, in one transaction: group_hold, complete_many,
-- group_dispatch; and group_give_back when nothing more can be done.
-- Parameters: worker, group_key and token: the owner; jobs and fences, results and counts
-- as complete_many's; kinds and sizes as group_dispatch's; more: whether to go on at all
-- (false: nothing is dispatched, and the group is given back).  Nothing is, either, when
-- one of them is busy: it is to be settled first.
-- Returns: as group_dispatch, with the answer left when more is false; settled: the
-- answers of complete_many, in the order of the input; given: whether the group was given
-- back.  With busy it is not, nor while something of it runs.
-- Errors: as of those functions; nothing is done then.
-- Locks: the lease's row, by its update; the worker's row FOR KEY SHARE; then as
-- complete_many, and what follows as group_dispatch and group_give_back, which wait for
-- nothing that is not held already.
-- Index: as those functions.
CREATE OR REPLACE FUNCTION pawl.group_proceed(
	worker uuid,
	INOUT group_key text,
	token bigint,
	jobs bigint[],
	fences bigint[],
	results jsonb[] DEFAULT NULL,
	counts jsonb[] DEFAULT NULL,
	kinds text[] DEFAULT NULL,
	sizes int[] DEFAULT NULL,
	more boolean DEFAULT true,
	OUT answer text, OUT job bigint, OUT fence bigint, OUT kind text, OUT args jsonb,
	OUT queue text, OUT attempt int, OUT deadline_at timestamptz, OUT batch bigint,
	OUT stage text, OUT meta jsonb, OUT timeout_ms bigint, OUT run_key bigint,
	OUT crashes int, OUT settled text[], OUT given boolean)
RETURNS SETOF record
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
SET lock_timeout = '5s'
AS $$
#variable_conflict use_variable
DECLARE
	next record;
BEGIN
	PERFORM pawl.group_hold(worker, group_key, token);
	PERFORM pawl.hold_worker(worker);
	settled := ARRAY(SELECT c.answer
		FROM pawl.complete_many(jobs, fences, results, counts) c);
	given := false;
	answer := 'left';
	IF 'busy' = ANY (settled) THEN
		answer := 'busy';
	ELSIF more THEN
		FOR next IN
			SELECT d.* FROM pawl.group_dispatch(worker, group_key, token, kinds, sizes) d
		LOOP
			answer := next.answer;
			job := next.job;
			fence := next.fence;
			kind := next.kind;
			args := next.args;
			queue := next.queue;
			attempt := next.attempt;
			deadline_at := next.deadline_at;
			batch := next.batch;
			stage := next.stage;
			meta := next.meta;
			timeout_ms := next.timeout_ms;
			run_key := next.run_key;
			crashes := next.crashes;
			IF answer = 'job' THEN
				RETURN NEXT;
			END IF;
		END LOOP;
	END IF;
	IF answer NOT IN ('job', 'busy', 'again') THEN
		given := pawl.group_give_back(worker, group_key, token);
	END IF;
	IF answer <> 'job' THEN
		RETURN NEXT;
	END IF;
END
$$;
