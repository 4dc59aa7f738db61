-- job_states: the states of some jobs, for waiting until they end
--
-- Parameters: $1 bigint[]: ids of jobs.
-- Columns: id; state, NULL when there is no such job; error, its first 200 characters.
-- Index: the primary keys of job and of the tables of states; OFFSET 0 makes it a
-- lookup for each job, whatever the statistics say.
SELECT i.id, j.state, left(j.error, 200) AS error
FROM unnest($1::bigint[]) i (id)
LEFT JOIN LATERAL (SELECT v.state, v.error FROM pawl.jobs v
	WHERE v.id = i.id OFFSET 0) j ON true
