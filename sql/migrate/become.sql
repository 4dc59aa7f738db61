-- Act as the schema's owner until the transaction ends, so that he owns what it creates.
SELECT set_config('role', pg_get_userbyid(n.nspowner), true)
FROM pg_namespace n
WHERE n.nspname = 'pawl'
