//! The tenant as the database is told of it, for its own policies.

use std::{cell::RefCell, fmt::Write as _};

use diesel::{connection::TransactionManager, result::QueryResult};

use crate::{
    backend::{Backend, Manager},
    error::{Error, Result},
    key::KeyPart,
};

/// How a back end is told for whom statements are sent.
#[doc(hidden)]
pub struct Tenants<DB: Backend> {
    /// Begins a transaction of a tenant.
    pub(crate) begin: fn(&mut DB::Connection, &str) -> QueryResult<()>,
    /// Names the tenant of the transaction that is open.
    pub(crate) name: fn(&mut DB::Connection, &str) -> QueryResult<()>,
}

/// The id of a tenant as a text that the database reads: bytes that are none as it writes them, `\x00ff`.
pub(super) fn text(tenant: &impl KeyPart) -> String {
    let mut bytes = Vec::new();
    tenant.write_part(&mut bytes);
    String::from_utf8(bytes).unwrap_or_else(|error| {
        error.as_bytes().iter().fold("\\x".to_owned(), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    })
}

/// Reads for a tenant: in a transaction, with whose end the tenant is forgotten.
pub(crate) fn read<DB: Backend, T>(
    connection: &mut DB::Connection,
    tenant: Option<&str>,
    work: impl FnOnce(&mut DB::Connection) -> QueryResult<T>,
) -> QueryResult<T> {
    let Some((tenant, tenants)) = tenant.zip(DB::TENANTS) else { return work(connection) };
    (tenants.begin)(connection, tenant)?;
    match work(connection) {
        Ok(value) => {
            Manager::<DB>::commit_transaction(connection)?;
            Ok(value)
        }
        Err(error) => {
            // A connection on which this fails is thrown away by its pool, and why the work failed says more.
            let _ = Manager::<DB>::rollback_transaction(connection);
            Err(error)
        }
    }
}

/// Whom the database takes a transaction to be of.
#[derive(Default)]
pub(crate) struct Named {
    /// The tenant, and whether a savepoint that was rolled back has not taken the name along.
    tenant: RefCell<Option<(String, bool)>>,
}

impl Named {
    /// Names a tenant, unless it is named. A second one is refused: what is done at COMMIT for both would be done in the name of one.
    pub(crate) fn name(&self, tenant: &str, name: impl FnOnce() -> Result<()>) -> Result<()> {
        match &*self.tenant.borrow() {
            Some((named, _)) if named != tenant => {
                return Err(Error::other("with row security a transaction is of one tenant, and this is of another"));
            }
            Some((_, true)) => return Ok(()),
            _ => {}
        }
        name()?;
        *self.tenant.borrow_mut() = Some((tenant.to_owned(), true));
        Ok(())
    }

    /// A savepoint was rolled back, and with it maybe the name.
    pub(crate) fn was_rolled_back(&self) {
        if let Some((_, is_set)) = &mut *self.tenant.borrow_mut() {
            *is_set = false;
        }
    }
}
