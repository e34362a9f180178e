//! What the planner is asked, and what is asked of nobody while somebody holds a table.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bigdecimal::BigDecimal;
use diesel::{connection::SimpleConnection as _, prelude::*};
use larder::{
    Models, Repository,
    catalogue::Catalogue,
    doctor::{Doctor, Kind, Plan, Proof},
};

use super::{FAULTY, HEALTHY, damage, examine};
use crate::found;

#[test]
fn a_table_that_somebody_holds_is_not_waited_for() {
    let database = HEALTHY.database();
    let (mut connection, mut other) = (database.connect(), database.connect());
    connection
        .batch_execute(
            "CREATE TABLE ghosts (id bigint PRIMARY KEY); CREATE TABLE strangers (id serial PRIMARY KEY) PARTITION BY RANGE (id);
             CREATE TABLE stranger PARTITION OF strangers FOR VALUES FROM (1) TO (9);
             SET statement_timeout = '20s'",
        )
        .unwrap();
    let free = examine(&mut connection);
    assert_eq!(found(&free), [""; 0], "{free}");
    // Two tables, the one of an index that goes, and a sequence alone.
    other
        .batch_execute(
            "BEGIN; LOCK TABLE payments, stranger IN ACCESS EXCLUSIVE MODE;
             DROP INDEX accounts_email; ALTER SEQUENCE ledgers_id_seq CACHE 2",
        )
        .unwrap();
    let begun = Instant::now();
    let report = examine(&mut connection);
    assert!(begun.elapsed() < Duration::from_secs(15), "nobody lets go: {:?}", begun.elapsed());
    assert_eq!(found(&report), [""; 0], "{report}");
    let locked: Vec<_> = report.notes.iter().filter(|note| !free.notes.contains(note)).collect();
    let not_examined = |table| format!("{table}: not examined: somebody has locked it, and would be waited for");
    assert_eq!(locked, [&not_examined("accounts"), &not_examined("payments")]);
    let models: BTreeSet<_> = report.lookups.iter().map(|lookup| lookup.model).collect();
    assert_eq!(models, ["ghosts", "ledgers", "shops"].into());
    assert!(report.lookups.iter().all(|lookup| matches!(lookup.plan, Plan::Searches { .. })));
    let catalogue = Catalogue::read(&mut connection).unwrap();
    let size = |name| catalogue.table(None, name).map(|table| (table.bytes.is_some(), table.is_locked)).unwrap();
    assert_eq!(
        ["payments", "stranger", "strangers", "refunds"].map(size),
        [(false, true), (false, true), (false, true), (true, false)]
    );
    // What is to be less patient, or more, is that again.
    let left: String = diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>("current_setting('lock_timeout')"))
        .get_result(&mut connection)
        .unwrap();
    assert_eq!(left, "0");
    other.batch_execute("ROLLBACK").unwrap();
    assert!(examine(&mut connection).notes == free.notes);
}

#[test]
fn hypopg_proves_that_what_is_advised_would_be_searched_and_without_it_that_is_not_said() {
    let database = FAULTY.database();
    let mut connection = database.connect();
    damage(&mut connection);
    let proofs = |connection: &mut _| {
        let report = examine(connection);
        let advised = [Kind::IndexMissing, Kind::IndexPartly, Kind::OrderUnserved];
        let mut findings = report.findings.clone();
        findings.retain(|finding| advised.contains(&finding.kind) && !finding.mend.is_empty());
        assert!(findings.len() >= 5, "{report}");
        (findings.into_iter().map(|finding| (finding.object, finding.proof)).collect::<Vec<_>>(), report.to_string())
    };
    let (without, text) = proofs(&mut connection);
    let is_unknown = |proof: &Proof| matches!(proof, Proof::Unknown { why } if why.contains("hypopg is not installed"));
    assert!(without.iter().all(|(_, proof)| is_unknown(proof)), "{without:#?}");
    let note =
        "note: that the planner would search what is advised is not proven: the extension hypopg is not installed\n";
    assert_eq!(text.matches(note).count(), 1, "{text}");

    connection.batch_execute("CREATE SCHEMA \"Some where\"; CREATE EXTENSION hypopg SCHEMA \"Some where\"").unwrap();
    let (with, text) = proofs(&mut connection);
    assert!(with.iter().all(|(_, proof)| matches!(proof, Proof::Searched { .. })), "{with:#?}");
    assert!(text.contains("the planner would search it (hypopg") && !text.contains("not proven"), "{text}");
    // Nothing of it is left with the connection.
    let n: i64 = diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>("count(*) FROM \"Some where\".hypopg()"))
        .get_result(&mut connection)
        .unwrap();
    assert_eq!(n, 0);
}

diesel::table! { prices (id) { id -> BigInt, amount -> Numeric, } }

#[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = prices, check_for_backend(diesel::pg::Pg))]
#[larder(index(amount))]
struct Price {
    id: i64,
    amount: BigDecimal,
}

#[test]
fn an_index_that_the_planner_may_not_search_is_told_of() {
    let database = HEALTHY.database();
    let mut connection = database.connect();
    // `=` of numbers is not leakproof, so that the policy has to see each row first.
    let role = format!("larder_test_doctor_{}_{}", std::process::id(), fastrand::u32(..));
    connection
        .batch_execute(&format!(
            "CREATE TABLE prices (id bigint PRIMARY KEY, amount numeric NOT NULL);
             CREATE INDEX prices_amount ON prices (amount, id);
             ALTER TABLE prices ENABLE ROW LEVEL SECURITY; CREATE POLICY all_of_them ON prices USING (id > 0);
             CREATE ROLE {role}; GRANT SELECT ON prices TO {role}"
        ))
        .unwrap();
    let models = Models::new().with::<Price>();
    let mut find = |role: &str| {
        connection.batch_execute(&format!("SET ROLE {role}")).unwrap();
        let report = Doctor::new(&models).examine(&mut connection).unwrap();
        found(&report)
    };
    let (theirs, everybodys) = (find(&role), find("NONE"));
    connection.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).unwrap();
    assert_eq!(theirs, ["warning IndexIgnored prices prices_amount"]);
    assert_eq!(everybodys, [""; 0]);
}
