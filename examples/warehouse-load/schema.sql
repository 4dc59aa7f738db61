-- Sink one: the table, and which batches it has.  No key keeps a row from being there
-- twice: that each batch is applied once is Pawl's doing, and is looked at afterwards.

CREATE TABLE package (
	section text NOT NULL,
	name text NOT NULL,
	architecture text NOT NULL,
	version text NOT NULL,
	size_kib bigint,
	maintainer text,
	day date NOT NULL          -- of its installation
);

CREATE TABLE loaded (
	position bigint GENERATED ALWAYS AS IDENTITY,
	section text NOT NULL,
	batch int NOT NULL
);
