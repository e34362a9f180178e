//! Searches of texts that several tenants have in one table.

use std::time::Duration;

use diesel::{connection::SimpleConnection as _, pg::Pg, prelude::*};
use larder::{
    Larder, MemoryStore, Repository, View,
    search::{self, Hit, Searched},
};
use tests::{Meter, Shop, Template, pool};
use uuid::Uuid;

use super::tables::{acme, globex};

const HOUR: Duration = Duration::from_secs(3_600);

diesel::table! { memos (tenant_id, id) { tenant_id -> Uuid, id -> BigInt, words -> Text, } }

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Repository)]
#[diesel(table_name = memos, primary_key(tenant_id, id), check_for_backend(Pg))]
#[larder(tenant = tenant_id)]
struct Memo {
    tenant_id: Uuid,
    id: i64,
    words: String,
}

impl Searched for Memo {
    const DOCUMENT: &'static str = "searched";
    const LANGUAGE: &'static str = "english";
    const TEXT: &'static [&'static str] = &["words"];
}

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = Memo)]
struct Words {
    words: String,
}

static MEMOS: Template = Template::new("memos", |connection| {
    let table = "CREATE TABLE memos (tenant_id uuid, id bigint, words text NOT NULL, PRIMARY KEY (tenant_id, id));";
    let policies = larder::migration::tenant(&larder::Models::new().with::<Memo>()).expect("it is a tenant's");
    let role =
        "DO $$ BEGIN CREATE ROLE larder_memos; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
        GRANT SELECT, INSERT, UPDATE, DELETE ON memos TO larder_memos;";
    let document = search::up::<Memo>().expect("the name can be written");
    for sql in [table, &document, &policies.up, role] {
        connection.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
});

/// Each tenant has memos 1 to 3, of which two are of engines; the other's are better.
fn shop() -> Shop {
    let shop = Shop::of(&MEMOS);
    for (tenant, words) in [
        (acme(), ["an engine", "engines", "nothing"]),
        (globex(), ["engine engine", "engine of engines", "engines engine engine"]),
    ] {
        let of_tenant = shop.larder.tenant(tenant);
        let memos = (1..).zip(words).map(|(id, words)| Memo { tenant_id: tenant, id, words: words.into() });
        Memo::repository(&of_tenant).insert_many(&memos.collect::<Vec<_>>()).unwrap();
    }
    shop.meter.reset();
    shop
}

fn ids(hits: &[Hit<Memo>], tenant: Uuid) -> Vec<i64> {
    assert!(hits.iter().all(|hit| hit.row.tenant_id == tenant), "{hits:?}");
    let mut ids: Vec<i64> = hits.iter().map(|hit| hit.row.id).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn a_search_of_a_tenant_finds_its_own_texts() {
    let shop = shop();
    for (tenant, own) in [(acme(), &[1, 2][..]), (globex(), &[1, 2, 3])] {
        let of_tenant = shop.larder.tenant(tenant);
        let memos = Memo::repository(&of_tenant);
        // The limit is of the tenant's own: those of others, which are better, take no place.
        assert_eq!(ids(&memos.search("engine").limit(3).load().unwrap(), tenant), own);
        assert_eq!(memos.search("engine").limit(1).offset(1).load().unwrap().len(), 1);
        assert_eq!(memos.search("engine").offset(own.len()).load().unwrap(), []);
        let words = memos.clone().select::<Words>().search("engine or nothing").load().unwrap();
        assert_eq!(words.len(), 3, "{words:?}");
    }
}

#[test]
fn what_was_found_is_kept_for_the_tenant_alone() {
    let shop = shop();
    for _ in 0..2 {
        for (tenant, own) in [(acme(), &[1, 2][..]), (globex(), &[1, 2, 3])] {
            let of_tenant = shop.larder.tenant(tenant);
            let found = Memo::repository(&of_tenant).search("engine").load_kept(HOUR).unwrap();
            assert_eq!(ids(&found, tenant), own);
        }
    }
    assert_eq!(shop.meter.counts().sql, 2, "the second time it was kept: {}", shop.meter.log());
    let of_tenant = shop.larder.tenant(acme());
    Memo::repository(&of_tenant).insert(&Memo { tenant_id: acme(), id: 9, words: "engine".into() }).unwrap();
    let found = Memo::repository(&of_tenant).search("engine").load_kept(HOUR).unwrap();
    assert_eq!(ids(&found, acme()), [1, 2, 9]);
}

#[test]
fn policies_see_the_tenant_of_searches_batches_and_streams() {
    let shop = shop();
    let url = shop.database.url();
    let separator = if url.contains('?') { '&' } else { '?' };
    let pool = pool(&format!("{url}{separator}options=-c%20role%3Dlarder_memos"), &Meter::new(), 2);
    let larder: Larder<Pg> = Larder::builder(pool).shared(MemoryStore::new()).row_security().build();
    for (tenant, own) in [(acme(), &[1, 2][..]), (globex(), &[1, 2, 3])] {
        let of_tenant = larder.tenant(tenant);
        let memos = Memo::repository(&of_tenant);
        assert_eq!(ids(&memos.search("engine").load().unwrap(), tenant), own);
        assert_eq!(ids(&memos.search("engine").load_kept(HOUR).unwrap(), tenant), own);
        let (mut walked, mut streamed) = (0, 0);
        memos
            .for_each_batch(2, |batch| {
                walked += batch.rows.len();
                Ok(std::ops::ControlFlow::Continue(()))
            })
            .unwrap();
        let raw = diesel::dsl::sql::<diesel::sql_types::Bool>("true OR true");
        memos
            .stream(
                |rows| rows.filter(raw),
                |_| {
                    streamed += 1;
                    Ok(std::ops::ControlFlow::Continue(()))
                },
            )
            .unwrap();
        assert_eq!((walked, streamed), (3, 3), "raw SQL gets at no others");
        let changed = memos.update_each(memos::words, &[(1, "new"), (9, "none")]).unwrap();
        assert_eq!(changed.iter().flatten().count(), 1);
    }
}
