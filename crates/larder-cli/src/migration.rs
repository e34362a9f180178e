//! `migration`, and `outbox` and `triggers` for short.

mod help;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

use diesel::{Connection as _, PgConnection, pg::Pg};
use larder::{
    Models,
    migration::{self, Migration},
    once, outbox,
    triggers::Triggers,
};
use lexopt::{Arg, Parser, ValueExt as _};
use serde_json::json;

use crate::{
    command::{Command, Request, help},
    complaint::Complaint,
    options::{Builder, Common, Needs, UsageError, next, number},
    print,
};

/// What a migration is to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Outbox,
    Behind,
    Triggers,
    View,
    Upkeep,
    Idempotency,
    Tenant,
    Partition,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    subject: Subject,
    /// The model that it is of.
    model: Option<String>,
    is_down: bool,
    folder: Option<PathBuf>,
    triggers: TriggerOptions,
    /// The file that has the view's query.
    query: Option<PathBuf>,
    /// The database that it is for, where that may be another.
    database: once::Database,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TriggerOptions {
    at_most: Option<u32>,
    outbox_schema: Option<String>,
}

/// Reads what stands behind `migration`: what it is to make, and then as [`parse`].
pub(crate) fn parse_kind(mut parser: Parser, common: Builder) -> Result<Request, UsageError> {
    let kind = match parser.next()? {
        None | Some(Arg::Short('h') | Arg::Long("help")) => return Ok(help(help::MIGRATION)),
        Some(Arg::Value(kind)) => kind.string()?,
        Some(other) => return Err(other.unexpected().into()),
    };
    match kind.as_str() {
        "outbox" => parse(Subject::Outbox, parser, common),
        "behind" => parse(Subject::Behind, parser, common),
        "triggers" => parse(Subject::Triggers, parser, common),
        "view" => parse(Subject::View, parser, common),
        "upkeep" => parse(Subject::Upkeep, parser, common),
        "idempotency" => parse(Subject::Idempotency, parser, common),
        "tenant" => parse(Subject::Tenant, parser, common),
        "partition" => parse(Subject::Partition, parser, common),
        _ => Err(UsageError::Kind(kind)),
    }
}

pub(crate) fn parse(subject: Subject, mut parser: Parser, mut common: Builder) -> Result<Request, UsageError> {
    let model = if matches!(subject, Subject::View | Subject::Upkeep | Subject::Partition) {
        take_model(&mut parser)?
    } else {
        None
    };
    let triggers = TriggerOptions::default();
    let database = once::Database::PostgreSql;
    let mut options = Options { subject, model, is_down: false, folder: None, triggers, query: None, database };
    let mut checks = false;
    while let Some(name) = next(&mut parser)? {
        match (name.as_str(), subject) {
            ("help", Subject::Outbox) => return Ok(help(help::OUTBOX)),
            ("help", Subject::Behind) => return Ok(help(help::BEHIND)),
            ("help", Subject::Triggers) => return Ok(help(help::TRIGGERS)),
            ("help", Subject::View) => return Ok(help(help::VIEW)),
            ("help", Subject::Partition) => return Ok(help(help::PARTITION)),
            ("help", Subject::Upkeep) => return Ok(help(help::UPKEEP)),
            ("help", Subject::Idempotency) => return Ok(help(help::IDEMPOTENCY)),
            ("for", Subject::Idempotency) => options.database = database_of(&parser.value()?.string()?)?,
            ("help", Subject::Tenant) => return Ok(help(help::TENANT)),
            ("query", Subject::View) => options.query = Some(parser.value()?.into()),
            ("down", _) => options.is_down = true,
            ("write", _) => options.folder = Some(parser.value()?.into()),
            ("check", Subject::Triggers) => checks = true,
            ("at-most", Subject::Triggers) => options.triggers.at_most = Some(number("at-most", &mut parser)?),
            ("outbox-schema", Subject::Triggers) => {
                options.triggers.outbox_schema = Some(parser.value()?.string()?);
            }
            (name, _) if common.take(name, &mut parser)? => {}
            (name, _) => return Err(lexopt::Arg::Long(name).unexpected().into()),
        }
    }
    Ok(if checks {
        Request::Run(common.build(Needs::Database)?, Command::CheckTriggers(options.triggers))
    } else {
        Request::Migration(options)
    })
}

fn database_of(name: &str) -> Result<once::Database, UsageError> {
    match name {
        "postgres" => Ok(once::Database::PostgreSql),
        "mysql" | "mariadb" => Ok(once::Database::MySql),
        "sqlite" => Ok(once::Database::SQLite),
        _ => Err(UsageError::Value { option: "for", takes: "postgres, mysql or sqlite", given: name.to_owned() }),
    }
}

/// The name of a model, if that is what comes next.
fn take_model(parser: &mut Parser) -> Result<Option<String>, UsageError> {
    let is_named = parser
        .try_raw_args()
        .is_some_and(|raw| raw.peek().is_some_and(|next| !next.to_string_lossy().starts_with('-')));
    Ok(if is_named { Some(parser.value()?.string()?) } else { None })
}

fn triggers(models: &Models<Pg>, options: &TriggerOptions) -> Triggers {
    let mut triggers = Triggers::of(models.clone());
    if let Some(n_rows) = options.at_most {
        triggers = triggers.at_most(n_rows);
    }
    if let Some(schema) = &options.outbox_schema {
        triggers = triggers.outbox_schema(schema.as_str());
    }
    triggers
}

/// Prints a migration, or writes both its files.
pub(crate) fn run(models: &Models<Pg>, options: &Options) -> Result<ExitCode, Complaint> {
    let name = options.model.as_deref().unwrap_or_default();
    let (up, down) = match options.subject {
        Subject::Outbox => (outbox::UP.to_owned(), outbox::DOWN.to_owned()),
        Subject::Behind => {
            let Migration { up, down, .. } = migration::behind();
            (up, down)
        }
        Subject::Triggers => {
            let triggers = triggers(models, &options.triggers);
            (triggers.up(), triggers.down())
        }
        Subject::View => {
            let read = |path: &PathBuf| fs::read_to_string(path).map_err(|error| Complaint::at(path, &error));
            let query = options.query.as_ref().map(read).transpose()?;
            texts(migration::view(models, name, query.as_deref()))?
        }
        Subject::Idempotency => (once::up(options.database).to_owned(), once::down().to_owned()),
        Subject::Upkeep => texts(migration::upkeep(models, name))?,
        Subject::Tenant => texts(migration::tenant(models))?,
        Subject::Partition => texts(migration::partition(models, name, SystemTime::now()))?,
    };
    match &options.folder {
        Some(folder) => write(folder, &up, &down).map_err(|error| Complaint::at(folder, &error))?,
        None => print(if options.is_down { &down } else { &up })?,
    }
    Ok(ExitCode::SUCCESS)
}

fn texts(migration: Result<Migration, migration::Error>) -> Result<(String, String), Complaint> {
    let Migration { up, down, .. } = migration.map_err(|error| Complaint::of(&error))?;
    Ok((up, down))
}

/// Writes the files as the diesel CLI has them. What is there already is not written over, but for a migration that is still empty.
fn write(folder: &Path, up: &str, down: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let files = [(folder.join("up.sql"), up), (folder.join("down.sql"), down)];
    for (path, _) in &files {
        let text = fs::read_to_string(path).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(String::new()),
            _ => Err(error),
        })?;
        // The diesel CLI leaves a comment in a new one.
        if text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with("--")) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it has a migration already"));
        }
    }
    // The way back first, and each file whole or not at all: what can be run can be reverted.
    for (path, text) in files.iter().rev() {
        let unfinished = path.with_extension("sql.new");
        fs::write(&unfinished, text)?;
        fs::rename(unfinished, path)?;
    }
    Ok(())
}

/// Tells of triggers that would not tell of changes.
pub(crate) fn check(models: &Models<Pg>, common: &Common, options: &TriggerOptions) -> Result<ExitCode, Complaint> {
    let mut connection = PgConnection::establish(&common.database_url).map_err(|error| Complaint::of(&error))?;
    let gaps = triggers(models, options).check(&mut connection).map_err(|error| Complaint::of(&error))?;
    let text = if common.is_json {
        let gaps: Vec<_> = gaps
            .iter()
            .map(|gap| json!({ "model": gap.model, "trigger": gap.trigger, "gap": gap.to_string() }))
            .collect();
        format!("{}\n", json!({ "gaps": gaps }))
    } else if gaps.is_empty() {
        "every change is told of\n".to_owned()
    } else {
        gaps.iter().map(|gap| format!("{gap}\n")).collect()
    };
    print(&text)?;
    Ok(if gaps.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
