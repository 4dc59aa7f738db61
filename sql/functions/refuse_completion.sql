-- refuse_completion(key, job): raise PW003, because the key of a completion job is live
--
-- Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.refuse_completion(key text, job bigint)
RETURNS void
LANGUAGE plpgsql STABLE
AS $$
BEGIN
	RAISE EXCEPTION 'unique key "%" of the completion job has a live job, %', key, job
		USING ERRCODE = 'PW003',
		HINT = 'At most one job of a unique key is live; wait for its end.';
END
$$;
