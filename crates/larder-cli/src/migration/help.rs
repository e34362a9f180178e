//! What `--help` tells of migrations.

pub(super) const MIGRATION: &str = "\
Prints a migration of what a feature of larder needs: to be read, and run by the diesel CLI.

Usage: migration KIND [OPTIONS]

Kinds:
  outbox                    the table in which writes wait that the shared store does not know of yet
  behind                    the tables of write-behind: how far each writer is written, and what the database has rejected
  triggers                  what tells of writes past larder
  view NAME                 the materialized view of a model, with its unique index
  upkeep NAME               the columns that models maintain in another, or the table of it

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
