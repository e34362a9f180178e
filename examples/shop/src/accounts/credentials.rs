//! Passwords' hashes in the database. They are no model of larder's, so they are in no cache.

use diesel::{pg::Pg, prelude::*};
use larder::{Result, Tx};
use shop_core::schema::{credentials, users};
use uuid::Uuid;

/// Who has an address, and the hash of their password, if they have one: in one statement, whatever there is.
pub(super) fn of_email(tx: &Tx<Pg>, email: &str) -> Result<Option<(Uuid, Option<String>)>> {
    tx.run(|connection| {
        let found = users::table.left_join(credentials::table).filter(users::email.eq(email));
        found.select((users::id, credentials::hash.nullable())).first(connection).optional()
    })
}

/// Gives a new user a password.
pub(crate) fn set_password(tx: &Tx<Pg>, user: Uuid, hash: &str) -> Result<()> {
    tx.run(|connection| {
        let row = (credentials::user_id.eq(user), credentials::hash.eq(hash));
        diesel::insert_into(credentials::table).values(row).execute(connection).map(drop)
    })
}
