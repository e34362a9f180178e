//! `cargo run -p shop-import -- examples/shop-import/data/cdnow.csv`

use std::{
    env,
    error::Error,
    fs::File,
    io::{self, BufReader, Write as _},
    iter,
    process::{self, ExitCode},
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant, UNIX_EPOCH},
};

use diesel::{Connection as _, PgConnection, pg::Pg};
use larder::{Larder, MemoryStore};
use larder_redis::{RedisStore, RedisStoreBuilder};
use shop_import::{
    batch::Batches,
    counters::Counters,
    figures::Figures,
    import::{self, Imported},
    options::{self, HELP, Options, Request, Work},
    parse::Reader,
    progress::Progress,
    read::{self, Pass},
    report::{grouped, write_comparison, write_passes},
    verify,
};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

/// What a shell makes of a program that Ctrl-C has ended.
const STOPPED: u8 = 130;

fn main() -> ExitCode {
    let options = match options::parse(env::args_os().skip(1), |name| env::var(name).ok()) {
        Ok(Request::Help) => return print(HELP),
        Ok(Request::Run(options)) => options,
        Err(error) => {
            complain(&error);
            return ExitCode::from(2);
        }
    };
    run(&options).unwrap_or_else(|error| {
        complain(error.as_ref());
        ExitCode::FAILURE
    })
}

fn run(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let file = File::open(&options.file).map_err(|error| format!("{}: {error}", options.file.display()))?;
    let n_bytes = file.metadata()?.len();
    let batches = Batches::new(Reader::new(BufReader::new(file))?, options.n_batch_lines);
    let mut connection = PgConnection::establish(&options.database_url)?;
    let expected = if options.work == Work::Verify {
        import::count(batches)?
    } else {
        let larder = handle(options, &Counters::default(), |redis| redis.namespace("shop:"))?;
        let imported = import(batches, n_bytes, &mut connection, &larder)?;
        if imported.was_stopped {
            return Ok(ExitCode::from(STOPPED));
        }
        if options.work == Work::Import {
            return Ok(ExitCode::SUCCESS);
        }
        imported.figures
    };
    let is_exact = compare(&expected, &verify::in_database(&mut connection)?)?;
    let is_readable = read_back(options, &expected)?;
    Ok(if is_exact && is_readable { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A handle on the database, with Redis or a store of this process in front of it.
fn handle(
    options: &Options,
    counters: &Counters,
    redis: impl FnOnce(RedisStoreBuilder) -> RedisStoreBuilder,
) -> Result<Larder<Pg>, Box<dyn Error>> {
    Ok(match &options.redis_url {
        Some(url) => counters.handle(&options.database_url, redis(RedisStore::builder(url)).build()?)?,
        None => counters.handle(&options.database_url, MemoryStore::with_capacity_bytes(256 << 20))?,
    })
}

/// Reads everything through the cache, twice.
///
/// In a namespace of its own, so that the first reading is a cold one: the import itself has left its users in the other.
fn read_back(options: &Options, expected: &Figures) -> Result<bool, Box<dyn Error>> {
    let namespace = format!("shop-import-{}-{}:", process::id(), UNIX_EPOCH.elapsed()?.as_millis());
    let counters = Counters::default();
    // Nobody else writes under these keys, so there is nothing that a Redis which was started just now could have forgotten.
    let larder = handle(options, &counters, |redis| redis.namespace(namespace).quarantine(Duration::ZERO))?;
    let ids = read::imported_users(&larder)?;
    let cold = read::read_all(&larder, &counters, &ids)?;
    let warm = read::read_all(&larder, &counters, &ids)?;
    let mut out = io::stdout().lock();
    let cache = if options.redis_url.is_some() { "Redis" } else { "a store of this process, since no Redis is named" };
    writeln!(out, "\nEvery user with its orders and their lines, read through {cache}:")?;
    write_passes(&mut out, &[("cold", &cold), ("warm", &warm)])?;
    let differs = |pass: &Pass| pass.figures != *expected;
    if differs(&cold) || differs(&warm) {
        writeln!(out, "What was read is not what the file has.")?;
        return Ok(false);
    }
    writeln!(out, "Both times exactly what the file has.")?;
    Ok(true)
}

fn import(
    batches: Batches<BufReader<File>>,
    n_bytes: u64,
    connection: &mut PgConnection,
    larder: &Larder<Pg>,
) -> Result<Imported, Box<dyn Error>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order, so that the first signal is a request and the second an end.
        flag::register_conditional_shutdown(signal, STOPPED.into(), Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    shop_core::migrate(connection).map_err(|error| error as Box<dyn Error>)?;

    let start = Instant::now();
    let mut progress = Progress::of(n_bytes);
    let outcome = import::import(batches, larder, &stop, |n_bytes, imported| {
        progress.show(n_bytes, imported.figures.n_orders);
    });
    progress.end();
    let imported = outcome?;

    let mut out = io::stdout().lock();
    let seconds = start.elapsed().as_secs_f64();
    let n_read = grouped(imported.figures.n_orders);
    let (n_users, n_orders) = (grouped(imported.written.n_users), grouped(imported.written.n_orders));
    writeln!(out, "{n_read} purchases read in {seconds:.1} s: {n_users} users and {n_orders} orders were new.")?;
    if imported.was_stopped {
        writeln!(out, "Stopped. Whole batches are in; start it again to go on.")?;
    }
    Ok(imported)
}

fn compare(expected: &Figures, found: &Figures) -> Result<bool, Box<dyn Error>> {
    let mut out = io::stdout().lock();
    write_comparison(&mut out, expected, found)?;
    if expected != found {
        writeln!(out, "The database does not have what the file has.")?;
        return Ok(false);
    }
    let is_published = *expected == Figures::published();
    let whose = if is_published { "as published" } else { "not those that were published: the file is another" };
    writeln!(out, "The database has exactly what the file has. Its figures are {whose}.")?;
    Ok(true)
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Writes an error and what caused it to standard error.
fn complain(error: &(dyn Error + 'static)) {
    let causes: Vec<_> = iter::successors(Some(error), |&error| error.source()).map(ToString::to_string).collect();
    // There is nobody left to tell if this fails.
    let _ = writeln!(io::stderr(), "error: {}", causes.join(": "));
}
