-- The user's own tables: contacts, and the CRM's copy of them.

CREATE TABLE contact (
	id int PRIMARY KEY,
	version int NOT NULL,      -- counts the changes that were committed
	name text NOT NULL,
	phone text NOT NULL
);

CREATE TABLE crm_contact (
	id int PRIMARY KEY,
	version int NOT NULL,      -- of contact, when it was read
	name text NOT NULL,
	phone text NOT NULL
);
