//! The statements, which name tables by their numbers.

pub(super) const SERVER: &str = "
    SELECT current_setting('server_version') AS version, current_schemas(false)::text[] AS search_path,
        (SELECT stats_reset::text FROM pg_stat_database WHERE datname = current_database()) AS counted_since";

/// How long is waited for a lock, unless the connection is less patient itself: nobody should wait behind one who only looks.
pub(crate) const PATIENCE: &str = "
    SELECT set_config('lock_timeout', '1s', true) FROM pg_settings
    WHERE name = 'lock_timeout' AND setting::int8 NOT BETWEEN 1 AND 1000";

// Rows of a partitioned table are in its partitions. `pg_partition_tree` would lock them.
pub(super) const TABLES: &str = "
    WITH RECURSIVE tree (root, part) AS (
        SELECT oid, oid FROM pg_class WHERE relkind = 'p'
        UNION ALL SELECT tree.root, i.inhrelid FROM tree JOIN pg_inherits AS i ON i.inhparent = tree.part)
    SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
        pn.nspname::text AS parent_schema, p.relname::text AS parent,
        CASE WHEN c.relkind = 'p' THEN (
            SELECT CASE WHEN min(l.reltuples) FILTER (WHERE l.relkind <> 'p') < 0 THEN NULL
                ELSE sum(l.reltuples) FILTER (WHERE l.relkind <> 'p') END
            FROM tree AS t JOIN pg_class AS l ON l.oid = t.part WHERE t.root = c.oid)::int8
            WHEN c.reltuples >= 0 AND c.relkind IN ('r', 'm') THEN c.reltuples::int8 END AS n_rows,
        CASE WHEN c.relkind = 'p' THEN (
            SELECT sum(s.seq_scan + coalesce(s.idx_scan, 0))
            FROM tree AS t JOIN pg_stat_all_tables AS s ON s.relid = t.part WHERE t.root = c.oid)::int8
            ELSE (SELECT s.seq_scan + coalesce(s.idx_scan, 0) FROM pg_stat_all_tables AS s WHERE s.relid = c.oid)
            END AS n_reads
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        LEFT JOIN pg_inherits AS i ON c.relispartition AND i.inhrelid = c.oid
        LEFT JOIN pg_class AS p ON p.oid = i.inhparent
        LEFT JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^(pg_|information_schema$)'
        AND NOT EXISTS (
            SELECT FROM pg_depend AS d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";

// A domain is sent as what it is of; one of another domain is left unknown. To write an expression out is to wait for whoever holds its table, as it
// is with a size: those of tables that somebody holds, or waits to hold, are left out, here and below.
pub(super) const COLUMNS: &str = "
    WITH held AS MATERIALIZED (
        SELECT DISTINCT relation FROM pg_locks
        WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock' AND pid <> pg_backend_pid()
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
    SELECT a.attrelid AS \"table\", a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS sql_type,
        CASE WHEN t.typtype <> 'd' THEN t.oid WHEN b.typtype <> 'd' THEN b.oid END AS type_id,
        NOT (a.attnotnull OR t.typtype = 'd' AND t.typnotnull) AS is_nullable,
        CASE WHEN a.attidentity <> '' THEN 'identity'
            WHEN d.adbin IS NOT NULL AND a.attrelid IN (SELECT relation FROM held) THEN 'unknown'
            ELSE coalesce(pg_get_expr(d.adbin, d.adrelid), t.typdefault) END AS \"default\",
        a.attgenerated <> '' AS is_generated,
        t.typname = 'citext' OR b.typname IS NOT DISTINCT FROM 'citext'
            OR coalesce(NOT co.collisdeterministic, false) AS is_lenient,
        CASE WHEN st.n_distinct < 0 AND c.reltuples > 0 THEN (-st.n_distinct * c.reltuples)::int8
            WHEN st.n_distinct > 0 THEN st.n_distinct::int8 END AS n_distinct
    FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
        JOIN pg_class AS c ON c.oid = a.attrelid
        LEFT JOIN pg_type AS b ON b.oid = t.typbasetype
        LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        LEFT JOIN pg_collation AS co ON co.oid = a.attcollation
        LEFT JOIN pg_namespace AS n ON n.oid = c.relnamespace
        LEFT JOIN pg_stats AS st ON st.schemaname = n.nspname AND st.tablename = c.relname
            AND st.attname = a.attname AND st.inherited = (c.relkind = 'p')
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND c.relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^(pg_|information_schema$)')
    ORDER BY a.attrelid, a.attnum";

// What is asked of an index that was dropped since is NULL. Options of a part: bit 0 is DESC, bit 1 NULLS FIRST. What an index of partitions was used for is counted there.
pub(super) const INDEXES: &str = "
    WITH RECURSIVE tree (root, part) AS (
        SELECT oid, oid FROM pg_class WHERE relkind = 'I'
        UNION ALL SELECT tree.root, i.inhrelid FROM tree JOIN pg_inherits AS i ON i.inhparent = tree.part),
    held AS MATERIALIZED (
        SELECT DISTINCT relation FROM pg_locks
        WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock' AND pid <> pg_backend_pid()
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
    SELECT c.oid, i.indrelid AS \"table\", c.relname::text AS name, m.amname::text AS method,
        ARRAY(SELECT coalesce(a.attname::text, '') FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, at)
            LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND k.attnum > 0
            ORDER BY k.at) AS columns,
        ARRAY(SELECT coalesce(pg_get_indexdef(i.indexrelid, k, true), '') FROM generate_series(1, i.indnkeyatts) AS k) AS texts,
        ARRAY(SELECT o::int4 FROM unnest(i.indoption::int2[]) WITH ORDINALITY AS u(o, at) ORDER BY u.at) AS options,
        ARRAY(SELECT coalesce(a.attcollation <> u.col AND u.col <> 0, false)
            FROM unnest(i.indcollation::oid[], (i.indkey::int2[])[0:i.indnkeyatts - 1])
                WITH ORDINALITY AS u(col, attnum, at)
            LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = u.attnum AND u.attnum > 0
            ORDER BY u.at) AS collations,
        ARRAY(SELECT coalesce(NOT p.opcdefault, false) FROM unnest(i.indclass::oid[]) WITH ORDINALITY AS u(class, at)
            LEFT JOIN pg_opclass AS p ON p.oid = u.class ORDER BY u.at) AS orders,
        i.indnkeyatts::int4 AS n_parts, i.indisunique AS is_unique, i.indisprimary AS is_primary,
        EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x', 'f'))
            AS is_constraint,
        NOT i.indimmediate AS is_deferrable, i.indisvalid AND i.indisready AS is_valid,
        coalesce((to_jsonb(i)->>'indnullsnotdistinct')::bool, false) AS nulls_are_equal,
        i.indisreplident AS is_replica_identity, c.relispartition AS is_inherited,
        pg_get_expr(i.indpred, i.indrelid, true) AS predicate,
        pg_get_indexdef(i.indexrelid) AS definition,
        CASE WHEN c.relkind = 'I'
            THEN (SELECT sum(pg_stat_get_numscans(t.part)) FROM tree AS t WHERE t.root = c.oid)::int8
            ELSE pg_stat_get_numscans(c.oid) END AS scans
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam
    WHERE i.indislive AND i.indrelid NOT IN (SELECT relation FROM held)
        AND c.relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^(pg_|information_schema$)')
    ORDER BY i.indrelid, c.relname";

pub(super) const SIZES: &str = "
    WITH RECURSIVE tree (root, part) AS (
        SELECT oid, oid FROM pg_class WHERE relkind IN ('r', 'm', 'p', 'i', 'I')
            AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^(pg_|information_schema$)')
        UNION ALL SELECT tree.root, i.inhrelid FROM tree JOIN pg_inherits AS i ON i.inhparent = tree.part
            JOIN pg_class AS p ON p.oid = tree.part AND p.relkind IN ('p', 'I')),
    held AS MATERIALIZED (
        SELECT DISTINCT relation FROM pg_locks
        WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock' AND pid <> pg_backend_pid()
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
    SELECT t.root AS oid, bool_or(h.relation IS NOT NULL) AS is_locked,
        CASE WHEN NOT bool_or(h.relation IS NOT NULL) THEN sum(CASE WHEN h.relation IS NOT NULL THEN NULL
            WHEN c.relkind IN ('i', 'I') THEN pg_relation_size(c.oid) ELSE pg_table_size(c.oid) END)::int8 END AS bytes
    FROM tree AS t JOIN pg_class AS c ON c.oid = t.part LEFT JOIN held AS h ON h.relation = c.oid
    GROUP BY t.root";

// Those of a partition are told of where they were made.
pub(super) const CONSTRAINTS: &str = "
    WITH held AS MATERIALIZED (
        SELECT DISTINCT relation FROM pg_locks
        WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock' AND pid <> pg_backend_pid()
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
    SELECT k.conrelid AS \"table\", k.conname::text AS name, k.contype = 'c' AS is_check, k.confrelid AS target,
        ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(attnum, at)
            JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.attnum ORDER BY u.at) AS columns,
        ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u(attnum, at)
            JOIN pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = u.attnum ORDER BY u.at)
            AS target_columns,
        k.confdeltype::text AS on_delete, k.confupdtype::text AS on_update, k.convalidated AS is_valid,
        CASE WHEN k.conrelid NOT IN (SELECT relation FROM held) THEN pg_get_expr(k.conbin, k.conrelid, true) END AS expression
    FROM pg_constraint AS k
    WHERE k.contype IN ('f', 'c') AND k.conparentid = 0 AND k.conrelid <> 0
    ORDER BY k.conrelid, k.conname";

// What the column can hold is asked of its type: a sequence may go on beyond that.
pub(super) const SEQUENCES: &str = "
    SELECT d.refobjid AS \"table\", a.attname::text AS \"column\", format('%I.%I', n.nspname, c.relname) AS name,
        CASE WHEN has_sequence_privilege(c.oid, 'SELECT, USAGE') AND NOT EXISTS (
                SELECT FROM pg_locks AS l WHERE l.relation = c.oid AND l.pid <> pg_backend_pid()
                    AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))
            THEN pg_sequence_last_value(c.oid) END AS last,
        least(s.seqmax, CASE a.atttypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647
            ELSE 9223372036854775807 END) AS largest
    FROM pg_sequence AS s JOIN pg_class AS c ON c.oid = s.seqrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
            AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
        JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE s.seqincrement > 0 AND NOT s.seqcycle";
