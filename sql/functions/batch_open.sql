-- batch_open: begin a batch, a set of jobs that are counted together
--
-- Jobs are pushed into it until it is sealed; when it is sealed and all of them have
-- ended, it is done, and its completion job becomes ready in the same transaction.
-- Parameters: name, a label (1 to 255 bytes); stages: labels with counters of their own, 1
-- to 64; threshold, 0 to 1: a batch of whose jobs a greater part has failed ends as
-- failed, which is judged at its end; on_complete: its completion job, an object with
-- push's members kind, args, queue, priority, unique_key, unique_until, max_attempts,
-- timeout and meta (NULL: none); expected: how many jobs each stage will have, when that
-- is known in advance (NULL: it is not), for the percentages alone.
-- The completion job is made now, with its unique key, and lies in scheduled until then.
-- It runs whatever state the batch ends in.
-- Returns: the batch's id.
-- Errors: 22023; PW003 when the key of the completion job has a live job; with a key also
-- 55P03 and 40001, as push.
-- Locks: as take_key, for the completion job's key; inserts into job, scheduled, batch.
CREATE OR REPLACE FUNCTION pawl.batch_open(
	name text,
	stages text[] DEFAULT '{main}',
	threshold numeric DEFAULT 0,
	on_complete jsonb DEFAULT NULL,
	expected bigint[] DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pawl, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	id bigint;
	low bigint;
	taken boolean;
	zeros bigint[];
	key text;
	until_start boolean;
	stamp timestamptz;
BEGIN
	stages := ARRAY(SELECT unnest(coalesce(stages, '{main}')));	-- kept from 1 on
	IF expected IS NOT NULL THEN
		expected := ARRAY(SELECT unnest(expected));
	END IF;
	threshold := coalesce(threshold, 0);
	on_complete := nullif(on_complete, 'null');
	PERFORM pawl.check_batch(name, stages, threshold, expected);
	id := nextval('pawl.batch_id');
	IF on_complete IS NOT NULL THEN
		SELECT c.unique_key, c.unique_until = 'start' INTO key, until_start
		FROM pawl.read_completion(on_complete) c;
	END IF;
	IF key IS NULL THEN
		low := nextval('pawl.job_id');
	ELSE
		SELECT k.job, k.taken INTO low, taken
		FROM pawl.take_key(key, until_start, NULL,
			current_setting('lock_timeout')::interval) k;
		IF NOT taken THEN
			PERFORM pawl.refuse_completion(key, low);
		END IF;
	END IF;
	stamp := clock_timestamp();
	zeros := array_fill(0::bigint, ARRAY[cardinality(stages)]);
	INSERT INTO pawl.batch (id, opened_at, folded, low, completion, marks_at,
		marks_before_at, epoch, threshold, name, stages, expected, total, succeeded, failed,
		cancelled, marks, marks_before, counts, on_complete)
	VALUES (id, stamp, pg_current_xact_id(), low,
		CASE WHEN on_complete IS NOT NULL THEN low END, stamp, stamp, 1, threshold, name,
		stages, expected, zeros, zeros, zeros, zeros, zeros, zeros,
		array_fill('{}'::jsonb, ARRAY[cardinality(stages)]), on_complete);
	IF on_complete IS NOT NULL THEN
		PERFORM pawl.add_completion(low, id, 1, on_complete);
	END IF;
	RETURN id;
END
$$;
