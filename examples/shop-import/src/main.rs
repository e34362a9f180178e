//! `cargo run -p shop-import -- examples/shop-import/data/cdnow.csv`

use std::{
    env,
    error::Error,
    fs::File,
    io::{self, BufReader, Write as _},
    iter,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use diesel::{Connection as _, PgConnection};
use shop_import::{
    batch::Batches,
    figures::Figures,
    import::{self, Imported},
    options::{self, HELP, Options, Request},
    parse::Reader,
    progress::Progress,
    report::{grouped, write_comparison},
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
    let expected = if options.verify_only {
        import::count(batches)?
    } else {
        let imported = import(batches, n_bytes, &mut connection)?;
        if imported.was_stopped {
            return Ok(ExitCode::from(STOPPED));
        }
        imported.figures
    };
    compare(&expected, &verify::in_database(&mut connection)?)
}

fn import(
    batches: Batches<BufReader<File>>,
    n_bytes: u64,
    connection: &mut PgConnection,
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
    let outcome = import::import(batches, connection, &stop, |n_bytes, imported| {
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

fn compare(expected: &Figures, found: &Figures) -> Result<ExitCode, Box<dyn Error>> {
    let mut out = io::stdout().lock();
    write_comparison(&mut out, expected, found)?;
    if expected != found {
        writeln!(out, "The database does not have what the file has.")?;
        return Ok(ExitCode::FAILURE);
    }
    let is_published = *expected == Figures::published();
    let whose = if is_published { "as published" } else { "not those that were published: the file is another" };
    writeln!(out, "The database has exactly what the file has. Its figures are {whose}.")?;
    Ok(ExitCode::SUCCESS)
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
