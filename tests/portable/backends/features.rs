/// Something that larder does.
pub(super) struct Feature {
    pub(super) what: &'static str,
    /// The portable test, where there is one.
    pub(super) shown_by: Option<&'static str>,
    /// On PostgreSQL, on MariaDB and MySQL, on SQLite.
    pub(super) on: [Way; 3],
}

/// How a back end does it.
pub(super) enum Way {
    /// As the others do: the portable test runs there.
    Portable,
    /// In its own way, as a test of its own shows.
    Own(&'static str, &'static str),
    /// Not at all, why, and what is seen of it.
    No(&'static str, Proof),
}

/// What whoever tries it all the same comes upon.
pub(super) enum Proof {
    /// An error of the compiler: a case of larder-derive's, and what the error says of this back end.
    Refused(&'static str, &'static str),
    /// What a test of that back end asserts.
    Shown(&'static str),
}

use Proof::{Refused, Shown};
use Way::{No, Own, Portable};

const fn everywhere(what: &'static str, shown_by: &'static str) -> Feature {
    Feature { what, shown_by: Some(shown_by), on: [Portable, Portable, Portable] }
}

/// What only PostgreSQL has: why not the others, and what the compiler says to who asks for it there.
const fn of_postgres(
    what: &'static str,
    shown_by: &'static str,
    why_not: [&'static str; 2],
    case: [&'static str; 2],
    errors: [&'static str; 2],
) -> Feature {
    let on = [
        Own("yes", shown_by),
        No(why_not[0], Refused(case[0], errors[0])),
        No(why_not[1], Refused(case[1], errors[1])),
    ];
    Feature { what, shown_by: None, on }
}

const NO_TRIGGERS: &str = "nothing there tells larder of writes that are not its own";
const NO_ARRAYS: &str = "columns are maintained by statements that bind arrays";
const NO_LEDGER: &str = "its ledger is made of PostgreSQL's statements";
const NO_VIEWS: &str = "it has no materialized views";
const NO_POLICIES: &str = "it has no policies; what larder itself sends knows the tenant all the same";
const NO_SEARCH: &str = "larder's is made of `tsvector` and `websearch_to_tsquery`";
const NO_TYPES: &str = "Diesel has no such type for it";
const NO_PATHS: &str = "they are those of `jsonb` and its GIN index";
const NO_SPANS: &str = "`bucket` is `date_bin`, which it has not";
const STREAM: &str = "a_stream_takes_the_memory_that_is_told_of_it";
const OUTBOX: &str = "a_write_that_is_to_go_on_without_the_store_does_so_where_there_is_an_outbox";

/// In the order of the document.
pub(super) const FEATURES: &[Feature] = &[
    everywhere("rows by primary key, many at once", "many_rows_cost_what_one_costs"),
    everywhere("rows by a unique column", "a_unique_column_finds_its_row_in_one_round_trip"),
    everywhere("lists by a declared pattern", "a_list_comes_in_its_declared_order_and_limited_from_the_same_cell"),
    everywhere(
        "relations, a statement a level",
        "three_levels_cost_three_statements_cold_and_none_warm_whatever_the_rows",
    ),
    everywhere(
        "views, with a limit for each parent and counts",
        "a_view_brings_nested_relations_limits_for_each_parent_and_counts",
    ),
    everywhere("any query of Diesel's in a shape", "any_query_of_diesels_keeps_its_shape"),
    everywhere("pages by cursor", "all_pages_of_any_size_give_the_list_in_its_order"),
    everywhere("cached queries", "what_depends_on_a_key_changes_with_the_rows_that_had_it_or_have_it_now"),
    everywhere("values of one's own, aside", "values_of_the_applications_own_are_loaded_put_updated_and_forgotten"),
    everywhere("the near cache", "a_write_is_seen_by_its_own_handle_at_once_and_by_others_in_a_moment"),
    everywhere("one load for many who ask", "a_thousand_threads_that_ask_for_a_hundred_keys_load_each_of_them_once"),
    everywhere("no read older than a write that has returned", "no_read_is_older_than_a_write_that_had_returned"),
    everywhere("savepoints", "a_rolled_back_savepoint_takes_its_changes_along_and_no_others"),
    everywhere("tables that were written by plain Diesel", "rows_that_were_touched_are_read_anew"),
    everywhere("rows that a foreign key deletes along", "what_the_database_deletes_along_is_gone_too"),
    Feature {
        what: "keys that the database gives",
        shown_by: None,
        on: [
            Own("any default", "keys_and_defaults_that_the_database_gives_are_known"),
            Own("`AUTO_INCREMENT` only: it returns no rows", "a_key_that_the_database_counts_is_known"),
            Own("any default", "a_key_that_sqlite_gives_is_known"),
        ],
    },
    Feature {
        what: "writers beside each other",
        shown_by: None,
        on: [
            Own("of other rows", "a_parent_is_updated_while_others_insert_its_children"),
            Own(
                "of other rows; foreign keys lock parents",
                "a_deadlock_ends_the_transaction_though_its_error_was_swallowed",
            ),
            Own("one at a time, the others wait", "a_database_that_others_keep_locked_may_be_asked_again"),
        ],
    },
    Feature {
        what: "a transaction that idles is ended by the server",
        shown_by: None,
        on: [
            Own("yes, to the millisecond", "postgres_ends_a_transaction_that_idles_too_long"),
            Own("MariaDB, in whole seconds; MySQL not", "the_server_ends_a_transaction_that_idles"),
            No(
                "there is no server, and a process that ends takes its transaction along",
                Shown("a_process_that_is_killed_takes_its_transaction_along"),
            ),
        ],
    },
    everywhere("versions, and conflicts that tell both", "a_write_at_an_old_version_is_a_conflict_that_tells_both"),
    everywhere(
        "times of insertion and change, by the database's clock",
        "times_are_the_databases_unless_they_are_told",
    ),
    everywhere("rows read for update", "who_reads_for_update_waits_and_sees_what_the_other_left"),
    Feature {
        what: "rows that others have locked",
        shown_by: None,
        on: [
            Own("skipped or refused", "what_others_have_locked_is_waited_for_skipped_or_refused"),
            Own("skipped or refused", "locked_rows_are_skipped_or_refused"),
            Own(
                "there are none: a transaction has the database to itself",
                "a_transaction_that_locks_waits_for_the_one_before_it_whatever_the_lock",
            ),
        ],
    },
    everywhere(
        "soft deletion, and unique keys that are free again",
        "a_deleted_row_is_absent_and_its_unique_key_is_free",
    ),
    everywhere(
        "what goes with a row that is deleted softly",
        "what_goes_with_a_row_is_deleted_softly_and_for_good_by_a_condition",
    ),
    everywhere("writes that are done once", "of_all_who_ask_at_once_one_does_it_and_all_get_its_result"),
    everywhere("values of their own for many rows", "each_row_gets_a_value_of_its_own"),
    everywhere(
        "a whole table in batches, and from where it broke off",
        "a_table_comes_in_batches_and_goes_on_where_it_broke_off",
    ),
    everywhere("streams", "rows_stream_in_the_order_of_their_query_and_leave_the_connection_as_it_was"),
    Feature {
        what: "streams in constant memory",
        shown_by: Some(STREAM),
        on: [
            Portable,
            No("the client library takes the whole result before it gives the first row; use batches", Shown(STREAM)),
            Portable,
        ],
    },
    everywhere("tenants", "a_tenant_finds_its_own_rows_at_the_cost_of_any"),
    everywhere("many rows of a tenant: batches, streams, values of their own", "many_rows_at_once_are_the_tenants"),
    of_postgres(
        "tenants kept apart by the database too",
        "whatever_a_tenant_sends_sees_the_tenants_rows_only",
        [NO_POLICIES; 2],
        ["backend/row_security"; 2],
        ["method not found in `larder::Builder<Mysql>`", "method not found in `larder::Builder<Sqlite>`"],
    ),
    everywhere("trees", "a_tree_is_kept_by_its_root_and_follows_its_edges"),
    everywhere("graphs over a table of edges", "what_can_be_come_to_is_found_once_by_a_shortest_way"),
    everywhere("typed documents", "a_document_comes_back_as_it_was_written_from_the_database_and_from_cells"),
    Feature {
        what: "conditions on parts of documents",
        shown_by: None,
        on: [
            Own("yes, on `jsonb`", "parts_of_documents_are_compared_exactly_contained_and_looked_for"),
            No(NO_PATHS, Refused("backend/documents", "is no valid SQL fragment for the `Mysql` backend")),
            No(NO_PATHS, Refused("backend/documents", "is no valid SQL fragment for the `Sqlite` backend")),
        ],
    },
    of_postgres(
        "arrays",
        "what_is_written_comes_back_from_the_database_from_cells_and_from_another_process",
        [NO_TYPES; 2],
        ["backend/types"; 2],
        [
            "`Mysql: HasSqlType<diesel::sql_types::Array<BigInt>>` is not satisfied",
            "`Sqlite: HasSqlType<diesel::sql_types::Array<BigInt>>` is not satisfied",
        ],
    ),
    of_postgres(
        "ranges",
        "keys_and_lists_are_of_such_types_too_and_writes_find_them",
        [NO_TYPES; 2],
        ["backend/types"; 2],
        [
            "`Mysql: HasSqlType<diesel::sql_types::Range<BigInt>>` is not satisfied",
            "`Sqlite: HasSqlType<diesel::sql_types::Range<BigInt>>` is not satisfied",
        ],
    ),
    of_postgres(
        "networks",
        "keys_and_lists_are_of_such_types_too_and_writes_find_them",
        [NO_TYPES; 2],
        ["backend/types"; 2],
        ["`Mysql: HasSqlType<Inet>` is not satisfied", "`Sqlite: HasSqlType<Inet>` is not satisfied"],
    ),
    of_postgres(
        "points, and what is near them (PostGIS)",
        "points_come_back_and_the_nearest_and_those_within_a_distance_are_found",
        [NO_TYPES; 2],
        ["backend/types"; 2],
        ["`Mysql: HasSqlType<Geography>` is not satisfied", "`Sqlite: HasSqlType<Geography>` is not satisfied"],
    ),
    of_postgres(
        "series by spans of time",
        "what_was_measured_is_put_together_by_spans_and_gaps_have_a_place",
        [NO_SPANS; 2],
        ["backend/series"; 2],
        [
            "`Bucket<columns::at>` is no valid SQL fragment for the `Mysql` backend",
            "`Bucket<columns::at>` is no valid SQL fragment for the `Sqlite` backend",
        ],
    ),
    of_postgres(
        "full-text search",
        "words_are_found_in_all_their_forms_the_best_first_and_marked",
        [NO_SEARCH; 2],
        ["backend/search"; 2],
        [
            "no method named `search` found for struct `UserRepository<'_, Mysql,",
            "no method named `search` found for struct `UserRepository<'_, Sqlite,",
        ],
    ),
    of_postgres(
        "partitions, and their keeper",
        "partitions_are_made_ahead_and_a_second_look_finds_nothing_to_do",
        ["its partitions know neither lists of any type nor a default", "it has none"],
        ["partition/on_mysql", "partition/on_sqlite"],
        ["larder has no partitions on `Mysql`", "larder has no partitions on `Sqlite`"],
    ),
    everywhere("sources that are not SQL", "values_of_a_source_are_kept_and_written_through_the_same_layers"),
    everywhere("the doctor, in one line", "the_doctor_passes_a_fit_database_and_finds_what_was_taken_away"),
    Feature {
        what: "models from an existing schema",
        shown_by: None,
        on: [
            Own("yes", "models_of_fifty_tables_compile_unedited_and_answer_as_sql_does"),
            Own("yes", "texts_that_are_equal_in_another_case_are_no_keys"),
            Own("yes", "the_tables_of_the_quickstart_become_its_models"),
        ],
    },
    everywhere(
        "a comparison of the store with the tables",
        "a_comparison_of_store_and_tables_finds_the_cell_that_is_wrong",
    ),
    everywhere("figures of each model", "who_waits_for_another_load_is_counted_with_the_time_that_it_took"),
    Feature {
        what: "writes that go on while the store is away",
        shown_by: Some(OUTBOX),
        on: [
            Own(
                "yes, with the table `larder_outbox`",
                "a_write_goes_on_while_redis_is_killed_frozen_or_full_and_its_own_handle_reads_it_from_then_on",
            ),
            No("there is no outbox for it; such a write is rolled back", Shown(OUTBOX)),
            No("there is no outbox for it; the store of the process is not away", Shown(OUTBOX)),
        ],
    },
    of_postgres(
        "writes of others: triggers, relay, log",
        "what_psql_wrote_is_seen_by_all_when_it_was_settled_although_redis_had_lost_it",
        [NO_TRIGGERS; 2],
        ["backend/relay"; 2],
        ["expected `&Larder<Pg>`, found `&Larder<Mysql>`", "expected `&Larder<Pg>`, found `&Larder<Sqlite>`"],
    ),
    of_postgres(
        "write-behind",
        "a_read_behind_sees_what_waits_whoever_has_written_it",
        [NO_LEDGER; 2],
        ["backend/write_behind"; 2],
        [
            "no method named `behind` found for struct `UserRepository<'_, Mysql,",
            "no method named `behind` found for struct `UserRepository<'_, Sqlite,",
        ],
    ),
    of_postgres(
        "materialized views",
        "a_refresh_is_seen_by_every_reader_when_it_returns",
        [NO_VIEWS; 2],
        ["backend/refresh"; 2],
        ["method not found in `&Larder<Mysql>`", "method not found in `&Larder<Sqlite>`"],
    ),
    of_postgres(
        "columns that each write maintains",
        "an_insertion_is_counted_and_summed_up_all_levels_and_seen_through_the_caches",
        [NO_ARRAYS; 2],
        ["maintains/on_mysql", "maintains/on_sqlite"],
        ["columns can't be maintained on `Mysql`", "columns can't be maintained on `Sqlite`"],
    ),
];
