use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

use crate::complaint::Complaint;

/// What a shell makes of a program that Ctrl-C has ended.
pub(crate) const STOPPED: u8 = 130;

/// Whether the user wants it to end.
#[derive(Debug, Clone)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Takes a first Ctrl-C or SIGTERM for a request, from now on, and a second one for the end.
    pub(crate) fn on_signals() -> Result<Self, Complaint> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order, so that the first signal is a request and the second an end.
            let registered = flag::register_conditional_shutdown(signal, STOPPED.into(), Arc::clone(&stop))
                .and_then(|_| flag::register(signal, Arc::clone(&stop)));
            registered.map_err(|error| Complaint::of(&error))?;
        }
        Ok(Self(stop))
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
