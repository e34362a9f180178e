//! Row-level security: what PostgreSQL itself keeps a tenant from seeing.

use diesel::{
    PgConnection,
    connection::{AnsiTransactionManager, SimpleConnection as _},
    pg::Pg,
    result::QueryResult,
};

use super::Tenants;
use crate::{handle::Builder, models::Models, triggers::identifier};

/// What tells PostgreSQL of tenants.
pub(crate) const TENANTS: Tenants<Pg> = Tenants { begin, name };

impl Builder<Pg> {
    /// Names the tenant to PostgreSQL, as `larder.tenant`, in the transactions and reads of [`tenant`](crate::Larder::tenant) sessions:
    /// policies that ask for it, such as those of [`migration::tenant`](crate::migration::tenant()), then hold for all that is sent, raw
    /// SQL too. Defaults to not doing so.
    ///
    /// The name is the transaction's, and gone with it: none is left on a connection of the pool. A read that the caches answer costs
    /// nothing more, and passes by the policies; another has a transaction of its own, which is two round trips more. A transaction
    /// costs one more, and is of one tenant: a second one in it is an error. Values of tenants' rows are not
    /// [refreshed early](Self::refresh_early).
    #[must_use]
    pub fn row_security(self) -> Self {
        self.name_tenants()
    }
}

fn begin(connection: &mut PgConnection, tenant: &str) -> QueryResult<()> {
    let sql = format!("BEGIN; {}", naming(tenant));
    AnsiTransactionManager::begin_transaction_sql(connection, &sql)
}

fn name(connection: &mut PgConnection, tenant: &str) -> QueryResult<()> {
    connection.batch_execute(&naming(tenant))
}

/// The statement that names a tenant until the end of the transaction.
fn naming(tenant: &str) -> String {
    // Escaped in the one form of a literal that reads the same whatever the server's settings are.
    let literal = tenant.replace('\\', "\\\\").replace('\'', "''");
    format!("SET LOCAL larder.tenant = E'{literal}'")
}

/// The SQL that makes a policy for each tenants' model, and what takes them away again: `None` if there are no such models.
pub(crate) fn migration(models: &Models<Pg>) -> Option<(String, String)> {
    let of_tenants = || models.iter().filter_map(|model| Some((model, model.tenant?)));
    let (views, tables): (Vec<_>, Vec<_>) = of_tenants().partition(|(model, _)| model.view.is_some());
    if tables.is_empty() {
        return None;
    }
    let (mut up, mut down) = (NAMED.to_owned(), String::new());
    for (model, column) in tables {
        let (table, quoted, column) = (&model.table, identifier(column), column.replace('\'', "''"));
        up += &format!(
            "
DROP POLICY IF EXISTS larder_tenant ON {table};
DO $$ BEGIN
    -- The text that was named is read as the column's own type, of any length.
    EXECUTE 'CREATE POLICY larder_tenant ON {in_text} USING ({quoted_in_text} = (SELECT larder_tenant())::'
        || (SELECT format_type(atttypid, -1) FROM pg_attribute
            WHERE attrelid = '{in_text}'::regclass AND attname = '{column}') || ')';
END $$;
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
",
            in_text = table.replace('\'', "''"),
            quoted_in_text = quoted.replace('\'', "''"),
        );
        down += &format!(
            "ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;\n\
             DROP POLICY IF EXISTS larder_tenant ON {table};\n"
        );
    }
    for (view, _) in views {
        up += &format!("\n-- {} is a materialized view, which PostgreSQL has no policies for.\n", view.table);
    }
    down += "DROP FUNCTION IF EXISTS larder_tenant();\n";
    Some((up, down))
}

/// What policies ask. Where nobody was named it fails: that nothing is seen would look like rows that do not exist.
const NAMED: &str = "\
-- In one transaction: between a policy's end and the next one's beginning no tenant sees a row.
CREATE OR REPLACE FUNCTION larder_tenant() RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    tenant text := current_setting('larder.tenant', true);
BEGIN
    IF tenant IS NULL OR tenant = '' THEN
        RAISE EXCEPTION 'no tenant is named' USING ERRCODE = 'insufficient_privilege',
            HINT = 'Rows of a tenant are read by larder.tenant(id) of a handle with row_security, or after SET LOCAL larder.tenant.';
    END IF;
    RETURN tenant;
END $$;
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_ends_its_literal() {
        assert_eq!(naming("o'neil"), "SET LOCAL larder.tenant = E'o''neil'");
        assert_eq!(naming(r"\'; x"), r"SET LOCAL larder.tenant = E'\\''; x'");
    }
}
