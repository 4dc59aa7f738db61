-- Two migrations at once go one after the other.  0x7061776c is "pawl"; released at the
-- end of the transaction.  Bounded by lock_timeout.
SELECT pg_advisory_xact_lock(x'7061776c'::bigint)
