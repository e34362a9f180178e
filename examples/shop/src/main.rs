//! `cargo xtask services -- cargo run -p shop`

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use std::{env, error::Error, net::SocketAddr, process::ExitCode};

use shop::{App, HELP, Options, Request, parse, router};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task,
};
use tracing_subscriber::{EnvFilter, fmt};

fn main() -> ExitCode {
    let options = match parse(env::args_os().skip(1), |name| env::var(name).ok()) {
        Ok(Request::Help) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Ok(Request::Run(options)) => *options,
        Err(error) => {
            eprintln!("shop: {error}");
            return ExitCode::from(2);
        }
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if options.log_json {
        log.json().init()
    } else {
        log.init()
    }
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shop: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(options: Options) -> Result<(), Box<dyn Error + Send + Sync>> {
    let listener = TcpListener::bind(options.listen).await?;
    let app = task::spawn_blocking(move || App::open(&options)).await??;
    let (mut interrupted, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router(app).into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move {
            tokio::select! {
                _ = interrupted.recv() => {}
                _ = terminated.recv() => {}
            }
            tracing::info!("ending when all requests are answered");
        })
        .await?;
    Ok(())
}
