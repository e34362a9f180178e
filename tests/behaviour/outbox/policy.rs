//! Which writes go on while the store is away.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use diesel::{PgConnection, connection::SimpleConnection as _, pg::Pg, prelude::*};
use larder::{Builder, Error, Larder, Repository, TransactionOptions, Writes};
use shop_core::{User, schema::users};
use tests::{Failure, Operation, SHOP, Shop, nobody};
use uuid::Uuid;

use super::{begins_fail, outbox};

/// A user whose writes need the store.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
#[larder(name = "strict_users", writes = strict)]
struct Strict {
    id: Uuid,
    email: String,
    created_at: DateTime<Utc>,
}

/// A user whose writes don't.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
#[larder(name = "available_users", writes = available)]
struct Available {
    id: Uuid,
    email: String,
    created_at: DateTime<Utc>,
}

#[test]
fn the_transaction_decides_then_its_models_then_the_handle_and_the_strictest_model_counts() {
    let say = |writes: Writes| move |builder: Builder<Pg>| builder.writes(writes);
    let (silent, strict, available) =
        (Shop::new(), Shop::built(say(Writes::Strict)), Shop::built(say(Writes::Available)));
    let mut n_written = 0;
    for (shop, option, models, goes_on) in [
        (&silent, None, "user", true),
        (&strict, None, "user", false),
        (&available, None, "user", true),
        (&silent, None, "strict", false),
        (&available, None, "strict", false),
        (&strict, None, "available", true),
        (&strict, None, "available user", false),
        (&available, None, "available strict", false),
        (&available, Some(Writes::Strict), "available user", false),
        (&strict, Some(Writes::Available), "user strict", true),
        (&available, None, "user savepoint", false),
        (&available, None, "user touched", false),
    ] {
        shop.faults.clear();
        begins_fail(shop);
        shop.faults.before(Operation::Settle).fail(Failure::Unavailable);
        n_written += 1;
        let user = shop.user(&format!("user{n_written}"));
        let n_before = outbox(&mut shop.database.connect()).len();
        let email = format!("changed{n_written}@example.com");
        let options = TransactionOptions { writes: option, ..TransactionOptions::default() };
        let result = shop.larder.transaction_with(options, |tx| {
            for model in models.split(' ') {
                let email = users::email.eq(format!("{model}-{email}"));
                match model {
                    "strict" => Strict::repository(tx).update(user.id, email).map(drop)?,
                    "savepoint" => tx.savepoint(|tx| Strict::repository(tx).update(user.id, email).map(drop))?,
                    "touched" => tx.touched::<Strict>(&[nobody()])?,
                    "available" => Available::repository(tx).update(user.id, email).map(drop)?,
                    _ => User::repository(tx).update(user.id, email).map(drop)?,
                }
            }
            Ok(())
        });
        let told = outbox(&mut shop.database.connect()).len() - n_before;
        let case = format!("{models} {option:?}: {result:?}");
        assert!(if goes_on { result.is_ok() } else { matches!(result, Err(Error::Store(_))) }, "{case}");
        assert_eq!(told, usize::from(goes_on), "{case}");
        let read = User::repository(&shop.larder).get(user.id).unwrap();
        assert_eq!(read.email.ends_with(&email), goes_on, "{case}");
    }
}

/// What `tracing` was told, a line each.
#[derive(Debug, Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Told {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("larder")
    }

    fn event(&self, event: &tracing::Event<'_>) {
        struct Message(String);
        impl tracing::field::Visit for Message {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }

    fn new_span(&self, _span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _span: &tracing::span::Id, _values: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _span: &tracing::span::Id, _follows: &tracing::span::Id) {}

    fn enter(&self, _span: &tracing::span::Id) {}

    fn exit(&self, _span: &tracing::span::Id) {}
}

#[test]
fn without_the_table_writes_are_strict_and_that_is_said_at_the_start_and_with_it_they_are_available() {
    let database = SHOP.database();
    let pool = diesel::r2d2::Pool::builder()
        .max_size(2)
        .connection_timeout(std::time::Duration::from_secs(1))
        .build(diesel::r2d2::ConnectionManager::<PgConnection>::new(database.url()))
        .unwrap();
    let said_at_start = |adjust: fn(Builder<Pg>) -> Builder<Pg>| {
        let told = Told::default();
        let store = tests::Faulty::new(larder::MemoryStore::new());
        let faults = store.faults();
        faults.before(Operation::Begin).fail(Failure::Unavailable);
        let build = || adjust(Larder::builder(pool.clone()).shared(store)).build();
        let larder = tracing::subscriber::with_default(told.clone(), build);
        (larder, std::mem::take(&mut *told.0.lock().unwrap()))
    };
    let insert = |larder: &Larder<Pg>, email: &str| {
        let record = shop_core::NewUser { id: None, email: email.to_owned(), created_at: None };
        User::repository(larder).insert(&record)
    };
    let (with, said) = said_at_start(|builder| builder);
    assert!(matches!(&said[..], [line] if line.starts_with("writes are available")), "{said:?}");
    insert(&with, "one@example.com").unwrap();
    let (_, said) = said_at_start(|builder| builder.writes(Writes::Strict));
    assert!(said.is_empty(), "{said:?}");

    database.connect().batch_execute(larder::outbox::DOWN).unwrap();
    let (without, said) = said_at_start(|builder| builder);
    assert!(matches!(&said[..], [line] if line.starts_with("writes are strict: without the table")), "{said:?}");
    assert!(matches!(insert(&without, "two@example.com"), Err(Error::Store(_))));
    let (asked_for, _) = said_at_start(|builder| builder.writes(Writes::Available));
    assert!(matches!(insert(&asked_for, "two@example.com"), Err(Error::Store(_))));
    // Whoever knew the table finds it gone once, and then knows.
    assert!(matches!(insert(&with, "two@example.com"), Err(Error::Database(_))));
    assert!(matches!(insert(&with, "two@example.com"), Err(Error::Store(_))));

    // That it is not there is not remembered.
    database.connect().batch_execute(larder::outbox::UP).unwrap();
    for (number, larder) in [&with, &without, &asked_for].into_iter().enumerate() {
        insert(larder, &format!("three{number}@example.com")).unwrap();
    }
    assert_eq!(outbox(&mut database.connect()), [3, 3, 3]);
}
