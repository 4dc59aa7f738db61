-- The owner of a schema pawl that this superuser must not trust; no row: there is none.
-- Whoever may create schemas could have made it, with functions that would run with the
-- rights of a superuser who reads it.
SELECT o.rolname
FROM pg_namespace n JOIN pg_roles o ON o.oid = n.nspowner
	JOIN pg_roles u ON u.rolname = current_user
WHERE n.nspname = 'pawl' AND u.rolsuper
	AND NOT o.rolsuper AND o.rolname <> 'pawl_owner'
