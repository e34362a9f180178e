//! What `--help` tells of migrations.

pub(super) const MIGRATION: &str = "\
Prints a migration of what a feature of larder needs: to be read, and run by the diesel CLI.

Usage: migration KIND [OPTIONS]

Kinds:
  outbox                    the table in which writes wait that the shared store does not know of yet
  behind                    the tables of write-behind: how far each writer is written, and what the database has rejected
  triggers                  what tells of writes past larder
  view NAME                 the materialized view of a model, with its unique index
  partition NAME            the table of a model in partitions
  upkeep NAME               the columns that models maintain in another, or the table of it
  idempotency               the table of what was done once, and is not to be done again
  tenant                    policies by which the database itself keeps tenants apart

migration KIND --help tells more of each.
";

pub(super) const OUTBOX: &str = "\
Prints the migration that makes the outbox.

Usage: outbox [OPTIONS]

Options:
      --down                prints the one that takes it away
      --write FOLDER        writes FOLDER/up.sql and FOLDER/down.sql instead, as `diesel migration generate` has made them
";

pub(super) const BEHIND: &str = "\
Prints the migration that makes the tables of write-behind.

Usage: migration behind [OPTIONS]

Options:
      --down                prints the one that takes them away
      --write FOLDER        writes FOLDER/up.sql and FOLDER/down.sql instead, as `diesel migration generate` has made them
";

pub(super) const TRIGGERS: &str = "\
Prints the migration that makes the triggers which tell of writes past larder.

Usage: triggers [OPTIONS]

Options:
      --down                prints the one that takes them away
      --write FOLDER        writes FOLDER/up.sql and FOLDER/down.sql instead, as `diesel migration generate` has made them
      --check               compares with what is in the database; ends with 1 if some change would not be told of
      --at-most N           how many rows a transaction tells of one by one [default: 10000]
      --outbox-schema NAME  where the outbox is [default: public]
";

pub(super) const VIEW: &str = "\
Prints the migration that makes the materialized view of a model, with an index for each way in which its rows are found.

Usage: migration view NAME [OPTIONS]

Options:
      --query FILE          the view's query, in the place of the one that its model has
      --down                prints the one that takes it away
      --write FOLDER        writes FOLDER/up.sql and FOLDER/down.sql instead, as `diesel migration generate` has made them
";

pub(super) const UPKEEP: &str = "\
Prints the migration that makes the columns which models maintain in another: its table, where they insert its rows.

Usage: migration upkeep NAME [OPTIONS]

The columns hold zeros, until they are computed by upkeep --rebuild.

Options:
      --down                prints the one that takes them away
      --write FOLDER        writes FOLDER/up.sql and FOLDER/down.sql instead, as `diesel migration generate` has made them
";

pub(super) const IDEMPOTENCY: &str = "\
Prints the migration that makes the table of what was done once.

Usage: migration idempotency [OPTIONS]

Options:
      --for DATABASE        postgres, mysql (MariaDB too) or sqlite [default: postgres]
      --down                prints the one that takes it away
      --write FOLDER        writes FOLDER/up.sql and FOLDER/down.sql instead, as `diesel migration generate` has made them
";

pub(super) const TENANT: &str = "\
Prints the migration that makes a policy for each model whose rows belong to tenants: PostgreSQL shows and takes those of the tenant
that was named to it, and no others.

Usage: migration tenant [OPTIONS]

The tenant is named by handles that were built with row_security(). Roles that pass by policies, such as superusers, see all rows.

Options:
      --down                prints the one that takes them away
      --write FOLDER        writes FOLDER/up.sql and FOLDER/down.sql instead, as `diesel migration generate` has made them
";

pub(super) const PARTITION: &str = "\
Prints the migration that cuts the table of a model into partitions. The table has to be there, empty or not.

Usage: migration partition NAME [OPTIONS]

Rows stay where they are: their table becomes a partition. What is to be run before it, so that the table is locked for a moment only, stands
at its beginning.

Options:
      --down                prints the one that makes one table of them again, of copies of all rows
      --write FOLDER        writes FOLDER/up.sql and FOLDER/down.sql instead, as `diesel migration generate` has made them
";
