-- backoff(failures): how long to wait after one more failure
--
-- min(1 h, 2 s * 2^failures), spread by 20 % either way so that jobs that failed together
-- do not come back together.  failures counts those before this one.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.backoff(failures int)
RETURNS interval
LANGUAGE sql VOLATILE
AS $$
	SELECT interval '1 s' * (least(3600, 2 * 2 ^ least(failures, 11))
		* (0.8 + 0.4 * random()))
$$;
