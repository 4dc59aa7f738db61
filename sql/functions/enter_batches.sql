-- enter_batches(batches, stages, parents, fences): hold the batches of many jobs, as
-- enter_batch does
--
-- The arrays belong to the jobs, with NULLs.
-- Returns: epochs and into_stages, likewise.  Internal.
-- Locks: as fence, for the parents in the order of their fences; then as enter_batch, in
-- the order of the batches.
CREATE OR REPLACE FUNCTION pawl.enter_batches(batches bigint[], stages text[],
	parents bigint[], fences bigint[], OUT epochs int[], OUT into_stages text[])
LANGUAGE plpgsql
AS $$
DECLARE
	b record;
	e record;
	seen_ordinals bigint[];
	seen_epochs int[];
	seen_stages text[];
BEGIN
	FOR b IN SELECT DISTINCT u.parent, u.fence FROM unnest(parents, fences) u (parent, fence)
		WHERE u.fence IS NOT NULL ORDER BY u.fence LOOP
		PERFORM pawl.enter_batch(NULL, NULL, b.parent, b.fence);
	END LOOP;
	FOR b IN SELECT u.batch, u.stage, u.parent, u.fence, array_agg(u.o) AS ordinals
		FROM unnest(batches, stages, parents, fences) WITH ORDINALITY
			u (batch, stage, parent, fence, o)
		WHERE u.batch IS NOT NULL OR u.stage IS NOT NULL OR u.parent IS NOT NULL
		GROUP BY 1, 2, 3, 4 ORDER BY u.batch, u.stage LOOP
		SELECT * INTO e FROM pawl.enter_batch(b.batch, b.stage, b.parent, b.fence);
		seen_ordinals := seen_ordinals || b.ordinals;
		seen_epochs := seen_epochs || array_fill(e.epoch, ARRAY[cardinality(b.ordinals)]);
		seen_stages := seen_stages || array_fill(e.into_stage,
			ARRAY[cardinality(b.ordinals)]);
	END LOOP;
	SELECT array_agg(s.epoch ORDER BY u.o), array_agg(s.stage ORDER BY u.o)
	INTO epochs, into_stages
	FROM unnest(batches) WITH ORDINALITY u (batch, o)
	LEFT JOIN unnest(seen_ordinals, seen_epochs, seen_stages) s (o, epoch, stage)
		ON s.o = u.o;
END
$$;
