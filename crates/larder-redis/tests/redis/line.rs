//! A line to a server that can be disturbed.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

/// Passes on what clients and server say, until it is told otherwise. Connections are passed on for as long as the process lives.
pub(crate) struct DisturbedLine {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    rules: Mutex<Rules>,
    changed: Condvar,
}

#[derive(Default)]
struct Rules {
    is_held: bool,
    /// Passes on a byte at a time towards the client, with such a pause before each.
    trickle: Option<Duration>,
    /// How many bytes are passed on towards the server before it is held.
    allowance: Option<usize>,
    ends: Vec<(TcpStream, TcpStream)>,
}

impl DisturbedLine {
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (own_port, state) = (listener.local_addr().unwrap().port(), Arc::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A client whose server is away finds its connection closed.
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let clones = (client.try_clone().unwrap(), server.try_clone().unwrap());
                shared.rules.lock().unwrap().ends.push(clones);
                let (to_server, to_client) = (Arc::clone(&shared), Arc::clone(&shared));
                let (other_client, other_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || to_server.pass(client, server, false));
                thread::spawn(move || to_client.pass(other_server, other_client, true));
            }
        });
        Self { port: own_port, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Passes on nothing, until it is told to go on.
    pub(crate) fn hold(&self, is_held: bool) {
        self.change(|rules| rules.is_held = is_held);
    }

    /// Passes on so many bytes more towards the server, and then nothing until it is told otherwise.
    pub(crate) fn allow_the_server(&self, n_bytes: Option<usize>) {
        self.change(|rules| rules.allowance = n_bytes);
    }

    pub(crate) fn trickle(&self, pause: Option<Duration>) {
        self.change(|rules| rules.trickle = pause);
    }

    /// Ends all connections.
    pub(crate) fn cut(&self) {
        self.change(|rules| {
            for (client, server) in rules.ends.drain(..) {
                // Those that are gone are gone.
                let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
            }
        });
    }

    /// Says something to all clients that the server has not said, also while it is held.
    pub(crate) fn forge(&self, bytes: &[u8]) {
        self.change(|rules| {
            for (client, _) in &mut rules.ends {
                // Those that are gone are gone.
                let _ = client.write_all(bytes);
            }
        });
    }

    /// Tells the server that nothing more comes, and the client nothing at all.
    pub(crate) fn lose_the_server(&self) {
        self.change(|rules| {
            rules.is_held = true;
            for (_, server) in rules.ends.drain(..) {
                let _ = server.shutdown(Shutdown::Both);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.state.rules.lock().unwrap());
        self.state.changed.notify_all();
    }
}

impl State {
    fn pass(&self, mut from: TcpStream, mut to: TcpStream, is_for_client: bool) {
        let mut buffer = [0; 64 << 10];
        while let Ok(n) = from.read(&mut buffer) {
            if n == 0 {
                break;
            }
            let mut rest = &buffer[..n];
            while !rest.is_empty() {
                let n = self.pause(is_for_client).map_or(rest.len(), |n| n.min(rest.len()));
                if to.write_all(&rest[..n]).is_err() {
                    return;
                }
                rest = &rest[n..];
            }
        }
        // While it is held, nobody hears of the end either.
        self.pause(is_for_client);
        let _ = to.shutdown(Shutdown::Write);
    }

    /// Waits for as long as it is held, and between bytes: how many bytes to pass on at most.
    fn pause(&self, is_for_client: bool) -> Option<usize> {
        let is_held = |rules: &mut Rules| rules.is_held || (!is_for_client && rules.allowance == Some(0));
        let mut rules = self.changed.wait_while(self.rules.lock().unwrap(), is_held).unwrap();
        if !is_for_client {
            // Byte by byte, so that it ends where it has to.
            let left = rules.allowance.as_mut()?;
            *left -= 1;
            return Some(1);
        }
        let pause = rules.trickle?;
        drop(self.changed.wait_timeout_while(rules, pause, |rules| rules.trickle.is_some()).unwrap());
        Some(1)
    }
}
