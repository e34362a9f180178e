DO $larder$
DECLARE
    this regclass := to_regclass({table});
    schema text;
    name text;
    old_name text;
    old text;
    new text;
    others text;
    found record;
    is_empty boolean;
    cut bigint;
BEGIN
    IF this IS NULL THEN
        RAISE EXCEPTION 'there is no table %', {table} USING HINT = 'make it as a plain table before';
    END IF;
    SELECT n.nspname, c.relname INTO schema, name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = this;
    IF (SELECT relkind FROM pg_class WHERE oid = this) <> {kind} THEN
        RETURN;
    END IF;
    {guard}
    EXECUTE format('LOCK TABLE %I.%I IN ACCESS EXCLUSIVE MODE', schema, name);

    -- What hangs on the table by its number, and not by its name, would go on seeing the old one.
    SELECT string_agg(thing, ', ') INTO others FROM (
        SELECT DISTINCT 'the view ' || r.ev_class::regclass AS thing FROM pg_depend AS d JOIN pg_rewrite AS r ON r.oid = d.objid
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = this AND r.ev_class <> this
        UNION ALL SELECT 'the rule ' || rulename FROM pg_rewrite WHERE ev_class = this
        UNION ALL SELECT 'the trigger ' || tgname FROM pg_trigger WHERE tgrelid = this AND NOT tgisinternal
        UNION ALL SELECT 'the policy ' || polname FROM pg_policy WHERE polrelid = this
        UNION ALL SELECT 'row level security' FROM pg_class WHERE oid = this AND relrowsecurity
        UNION ALL SELECT 'the foreign key ' || conname || ' of ' || conrelid::regclass FROM pg_constraint
            WHERE confrelid = this AND contype = 'f' AND conparentid = 0
        UNION ALL SELECT 'the publication ' || p.pubname FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid
            WHERE r.prrelid = this
    ) AS things;
    IF others IS NOT NULL THEN
        RAISE EXCEPTION '%.% can''t be exchanged, since these are bound to it: %', schema, name, others
            USING HINT = 'drop them in this migration before, and make them again after';
    END IF;
    EXECUTE format('SELECT NOT EXISTS (SELECT FROM %I.%I)', schema, name) INTO is_empty;
    {before}

    old_name := name || {suffix};
    EXECUTE format('ALTER TABLE %I.%I RENAME TO %I', schema, name, old_name);
    old := format('%I.%I', schema, old_name);
    new := format('%I.%I', schema, name);
    EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL) {partition_by}', new, old);
    {after_create}

    -- What LIKE leaves behind: the owner, rights, the comment, foreign keys, and where sequences stand.
    FOR found IN SELECT rolname FROM pg_class AS c JOIN pg_roles AS r ON r.oid = c.relowner WHERE c.oid = this AND rolname <> current_user LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO %I', new, found.rolname);
    END LOOP;
    FOR found IN
        SELECT a.privilege_type, '' AS columns, a.is_grantable, a.grantee FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE c.oid = this
        UNION ALL
        SELECT a.privilege_type, format(' (%I)', t.attname), a.is_grantable, a.grantee
        FROM pg_attribute AS t, aclexplode(t.attacl) AS a WHERE t.attrelid = this AND t.attnum > 0 AND NOT t.attisdropped
    LOOP
        EXECUTE format('GRANT %s%s ON %s TO %s%s', found.privilege_type, found.columns, new,
            CASE found.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(found.grantee)) END,
            CASE WHEN found.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
    END LOOP;
    EXECUTE format('COMMENT ON TABLE %s IS %L', new, obj_description(this, 'pg_class'));
    FOR found IN SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint WHERE conrelid = this AND contype = 'f' LOOP
        EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', new, found.conname, found.definition);
    END LOOP;
    FOR found IN
        SELECT a.attname, a.attidentity, d.objid::regclass::text AS sequence, pg_get_serial_sequence(new, a.attname) AS new_sequence
        FROM pg_depend AS d JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
        JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.refobjid = this AND d.deptype IN ('a', 'i')
    LOOP
        IF found.attidentity <> '' THEN
            EXECUTE format('SELECT setval(%L, last_value, is_called) FROM %s', found.new_sequence, found.sequence);
            EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP IDENTITY', old, found.attname);
        ELSE
            EXECUTE format('ALTER SEQUENCE %s OWNED BY %s.%I', found.sequence, new, found.attname);
        END IF;
    END LOOP;
    {finish}
END
$larder$;
