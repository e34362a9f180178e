//! From the first request to the end.

use std::{
    error::Error,
    io, process,
    process::ExitCode,
    time::{Duration, Instant},
};

use shop::{App, Options, listen, router};
use tokio::{
    net::TcpListener,
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
    task, time,
};

/// It has ended, but not all was answered and written.
const UNDONE: u8 = 3;

/// It was told to end twice: 128 and the number of SIGINT, as shells have it.
const AT_ONCE: i32 = 130;

/// Serves until it is told to end.
///
/// # Errors
/// What it needs is not there at the start, or the socket fails.
pub(crate) fn run(options: Options) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(serve(options));
    // What still waits for a server that does not answer has had its time.
    runtime.shutdown_background();
    code
}

async fn serve(options: Options) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let (times, idle) = (options.ending, options.idle);
    let listener = TcpListener::bind(options.listen).await?;
    // Until there is something to drain, a signal ends it at once.
    let app = task::spawn_blocking(move || App::open(&options)).await??;
    let mut signals = Signals::new()?;
    println!("listening on http://{}", listener.local_addr()?);
    let ending = app.ending();
    let closed = {
        let ending = ending.clone();
        async move { ending.closed().await }
    };
    let mut served = Box::pin(listen(listener, router(app.clone()), idle, closed));
    let name = tokio::select! {
        () = &mut served => return Ok(ExitCode::SUCCESS),
        name = signals.next() => name,
    };
    tracing::info!(signal = name, grace = ?times.grace, drain = ?times.drain, "ending: not ready any more");
    ending.leave();
    task::spawn(async move {
        let name = signals.next().await;
        tracing::warn!(signal = name, "ending at once");
        process::exit(AT_ONCE);
    });
    // It goes on until it is closed, and that comes next.
    let _ = time::timeout(times.grace, &mut served).await;
    tracing::info!("ending: no request is taken any more");
    ending.close();
    let begun = Instant::now();
    let answered = time::timeout(times.drain / 2, served).await;
    match &answered {
        Ok(_) => tracing::info!(took = ?begun.elapsed(), "ending: all requests are answered"),
        Err(_) => tracing::warn!("ending: some requests are not answered yet, and will not be"),
    }
    let until = begun + times.drain;
    let closing = task::spawn_blocking(move || app.close(until));
    // A little longer, so that it can say what it has left.
    let left = until.saturating_duration_since(Instant::now()) + Duration::from_millis(500);
    let is_drained = matches!(time::timeout(left, closing).await, Ok(Ok(true)));
    let is_done = is_drained && answered.is_ok();
    tracing::info!(is_done, took = ?begun.elapsed(), "ended");
    Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::from(UNDONE) })
}

/// What tells the program to end.
struct Signals {
    interrupted: Signal,
    terminated: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupted: signal(SignalKind::interrupt())?, terminated: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupted.recv() => "SIGINT",
            _ = self.terminated.recv() => "SIGTERM",
        }
    }
}
