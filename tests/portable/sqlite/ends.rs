//! Transactions that SQLite ends by itself, or that are ended by hand.

use diesel::{SqliteConnection, connection::SimpleConnection as _, prelude::*};
use larder::{Error, Result, Tx};

use super::waits::{Site, Slip, Team, slips};
use crate::site::Db;

const BEFORE: [&str; 3] = ["one", "two", "three"];

fn rename(id: i64, name: &str, connection: &mut SqliteConnection) -> QueryResult<usize> {
    diesel::update(slips::table.find(id)).set(slips::name.eq(name)).execute(connection)
}

/// Something that ends the transaction, by a statement of larder's own.
type Ending = fn(&Tx<Db>) -> Result<()>;

const ENDINGS: [Ending; 3] = [
    |tx| Slip::repository(tx).update(2, slips::name.eq("last")).map(drop),
    |tx| Team::repository(tx).insert_many(&[Team { id: 7 }, Team { id: 7 }]).map(drop),
    |tx| {
        tx.savepoint(|tx| {
            Slip::repository(tx).update(3, slips::name.eq("changed"))?;
            Slip::repository(tx).update(2, slips::name.eq("last"))
        })
        .map(drop)
    },
];

#[test]
fn a_statement_that_ends_the_transaction_ends_it_though_its_error_was_swallowed() {
    let site = Site::new();
    assert_eq!(site.names(), BEFORE);
    for (n, ending) in ENDINGS.iter().enumerate() {
        let ended = site.larder.transaction(|tx| {
            let slips = Slip::repository(tx);
            slips.update(1, slips::name.eq("changed"))?;
            let refused = ending(tx);
            assert!(matches!(refused, Err(Error::Database(_))), "{n}: {refused:?}");
            // Nothing more is sent: it would be committed by itself.
            let refused = slips.update(3, slips::name.eq("changed"));
            assert!(matches!(refused, Err(Error::Doomed)), "{n}: {refused:?}");
            let refused = tx.run(|connection| rename(3, "changed", connection));
            assert!(matches!(refused, Err(Error::Doomed)), "{n}: {refused:?}");
            Ok(())
        });
        assert!(matches!(ended, Err(Error::Doomed)), "{n}: {ended:?}");
        assert_eq!(site.names(), BEFORE);
        // And where it is returned it says why.
        let ended = site.larder.transaction(|tx| {
            Slip::repository(tx).update(1, slips::name.eq("changed"))?;
            ending(tx)
        });
        assert!(matches!(ended, Err(Error::Database(_))), "{n}: {ended:?}");
        assert_eq!(site.names(), BEFORE);
    }
    Slip::repository(&site.larder).update(1, slips::name.eq("new")).unwrap();
    assert_eq!(site.names(), ["new", "two", "three"], "its connection is as good as before");
}

#[test]
fn what_came_after_the_end_of_a_transaction_in_diesel_s_hands_is_in_doubt() {
    let site = Site::new();
    assert_eq!(site.names(), BEFORE);
    let swallow = |tx: &Tx<Db>, name: &str| {
        tx.touching::<Slip, _>(&[3], |connection| {
            rename(2, "last", connection).unwrap_err();
            rename(3, name, connection)
        })
    };
    let ended = site.larder.transaction(|tx| {
        let refused = swallow(tx, "later");
        assert!(matches!(refused, Err(Error::Doomed)), "{refused:?}");
        // What has happened has happened, but nothing more of it will.
        let refused = Slip::repository(tx).update(1, slips::name.eq("later"));
        assert!(matches!(refused, Err(Error::Doomed)), "{refused:?}");
        Ok(())
    });
    assert!(matches!(ended, Err(Error::CommitUnknown(_))), "{ended:?}");
    assert_eq!(site.names(), ["one", "two", "later"]);
    let ended = site.larder.transaction(|tx| {
        swallow(tx, "latest").unwrap_err();
        Err::<(), _>(Error::other("no"))
    });
    assert!(matches!(ended, Err(Error::Other(_))), "{ended:?}");
    assert_eq!(site.names(), ["one", "two", "latest"]);
}

#[test]
fn a_transaction_that_was_ended_by_hand_is_in_doubt() {
    let site = Site::new();
    for sql in ["COMMIT", "ROLLBACK", "COMMIT; BEGIN", "RELEASE larder"] {
        let before = site.names();
        let ended = site.larder.transaction(|tx| {
            Slip::repository(tx).update(1, slips::name.eq(sql))?;
            // What it gives is told where it can be known.
            let _ = tx.run(|connection| connection.batch_execute(sql));
            Ok(())
        });
        assert!(matches!(ended, Err(Error::CommitUnknown(_))), "{sql}: {ended:?}");
        let after = site.names();
        assert_eq!(after[0] == before[0], !sql.starts_with("COMMIT"), "{sql}: {after:?}");
    }
}
