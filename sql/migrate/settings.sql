-- What a role's settings may not change in the statements that make the schema.  Bodies
-- of functions are not checked, so that functions may be created in any order.
SELECT set_config('search_path', 'pg_catalog, pg_temp', true),
	set_config('check_function_bodies', 'off', true),
	set_config('standard_conforming_strings', 'on', true),
	set_config('client_min_messages', 'warning', true),
	set_config('TimeZone', 'UTC', true),
	set_config('DateStyle', 'ISO', true),
	set_config('IntervalStyle', 'postgres', true)
