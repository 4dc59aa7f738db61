-- refuse(job, fence): say why a claim could not be settled
--
-- Raises 55P03 when the claim stands but is fenced by an open transaction, PW001 when it
-- has been superseded.  Internal.
-- Locks: none.
CREATE OR REPLACE FUNCTION pawl.refuse(job bigint, fence bigint)
RETURNS void
LANGUAGE plpgsql STABLE
AS $$
BEGIN
	IF EXISTS (SELECT FROM pawl.running r
		WHERE r.shard = 0 AND r.job_id = refuse.job AND r.fence = refuse.fence) THEN
		RAISE EXCEPTION 'claim of job % is fenced by an open transaction', job
			USING ERRCODE = '55P03', HINT = 'Try again when that transaction has ended.';
	END IF;
	RAISE EXCEPTION 'fence % of job % is stale', coalesce(fence::text, 'NULL'),
		coalesce(job::text, 'NULL')
		USING ERRCODE = 'PW001',
		DETAIL = 'The claim has ended: settled, cancelled, or taken over after its worker '
			'was lost.',
		HINT = 'Stop the handler and write nothing more.';
END
$$;
