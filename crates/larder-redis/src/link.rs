//! One connection to one reign of one server.

use std::{sync::Arc, time::Duration};

use larder::store::{Fence, StoreError};
use redis::{Connection, ServerErrorKind, Value};

use crate::{
    error::{asks_for_a_new_connection, from_connection, from_server, senseless},
    pipe::Pipe,
    pool::Met,
    reign::Reign,
    request::Request,
    scripts::Script,
    server::Seen,
};

pub(crate) struct Link {
    carrier: Carrier,
    /// `None` while it is being made.
    reign: Option<Arc<Reign>>,
    seen: Seen,
    era: u64,
    is_broken: bool,
}

/// What brings commands to the server.
enum Carrier {
    /// Nobody else has anything to do with it meanwhile.
    Own(Box<Connection>),
    Shared(Arc<Pipe>),
}

impl Link {
    pub(crate) fn new(connection: Connection, era: u64) -> Self {
        let carrier = Carrier::Own(Box::new(connection));
        Self { carrier, reign: None, seen: Seen::NEVER, era, is_broken: false }
    }

    /// One of several on the same connection.
    pub(crate) fn shared(pipe: Arc<Pipe>, Met { reign, seen, era }: Met) -> Self {
        Self { carrier: Carrier::Shared(pipe), reign: Some(reign), seen, era, is_broken: false }
    }

    /// How long it waits from now on, for a request to be taken or for the next part of an answer.
    pub(crate) fn set_timeout(&self, timeout: Duration) -> Result<(), StoreError> {
        let Carrier::Own(connection) = &self.carrier else {
            return Ok(());
        };
        connection.set_read_timeout(Some(timeout)).map_err(from_connection)?;
        connection.set_write_timeout(Some(timeout)).map_err(from_connection)
    }

    /// Learns which server it leads to, and when that was met.
    pub(crate) fn leads_to(&mut self, reign: Reign, seen: Seen) {
        self.reign = Some(Arc::new(reign));
        self.seen = seen;
    }

    pub(crate) fn fence(&self) -> Fence {
        self.reign.as_ref().expect("a connection is given out when it knows where it leads to").fence()
    }

    /// Asks whether the server is still in the reign that it was in when the connection was made.
    pub(crate) fn is_up_to_date(&mut self) -> Result<bool, StoreError> {
        let mut request = Request::default();
        request.command(2).arg(&[b"INFO"]).arg(&[b"replication"]);
        let answer = self.call(&request)?.into_iter().next();
        match (&self.reign, answer) {
            (Some(reign), Some(answer)) => {
                let lasts = reign.lasts(&answer);
                lasts.inspect_err(|_| self.give_up())
            }
            _ => Err(self.refuse("INFO is answered")),
        }
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen
    }

    /// Which connections it was made with; see `Health`.
    pub(crate) fn era(&self) -> u64 {
        self.era
    }

    /// Nobody is to use it again: an answer may be on its way that the next question would take for its own.
    pub(crate) fn give_up(&mut self) {
        self.is_broken = true;
        if let Carrier::Shared(pipe) = &self.carrier {
            pipe.kill();
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Sends commands in one go and returns their answers, of which each may be an error of the server.
    pub(crate) fn call(&mut self, request: &Request) -> Result<Vec<Value>, StoreError> {
        let answers = self.exchange(request)?;
        for answer in &answers {
            if let Value::ServerError(error) = answer
                && asks_for_a_new_connection(error)
            {
                self.give_up();
            }
        }
        Ok(answers)
    }

    fn exchange(&mut self, request: &Request) -> Result<Vec<Value>, StoreError> {
        match &mut self.carrier {
            Carrier::Own(connection) => {
                let answers = exchange(connection, request);
                self.is_broken |= answers.is_err();
                answers
            }
            // An answer that comes too late for one is no harm to the others.
            Carrier::Shared(pipe) => {
                let answers = pipe.call(request);
                self.is_broken |= pipe.is_dead();
                answers
            }
        }
    }

    /// Sends commands that all run `script`, and returns their answers.
    ///
    /// A command that the server answers with "no such script" has done nothing, and is sent once more with the script before
    /// it. No other command is ever sent again.
    pub(crate) fn run(&mut self, script: &Script, request: &Request) -> Result<Vec<Value>, StoreError> {
        let mut answers = self.call(request)?;
        let unknown: Vec<usize> = (0..answers.len()).filter(|&n| is_no_script(&answers[n])).collect();
        self.replay(script, request, &mut answers, unknown)?;
        Ok(answers)
    }

    /// As [`run`](Self::run), but no command takes effect after one that follows it: what follows one that has done nothing is sent again
    /// as well. Also tells whether any took effect twice.
    pub(crate) fn run_in_order(
        &mut self,
        script: &Script,
        request: &Request,
    ) -> Result<(Vec<Value>, bool), StoreError> {
        let mut answers = self.call(request)?;
        let first = answers.iter().position(is_no_script).unwrap_or(answers.len());
        let is_repeated = !answers[first..].iter().all(is_no_script);
        self.replay(script, request, &mut answers, (first..request.n_commands()).collect())?;
        Ok((answers, is_repeated))
    }

    fn replay(
        &mut self,
        script: &Script,
        request: &Request,
        answers: &mut [Value],
        commands: Vec<usize>,
    ) -> Result<(), StoreError> {
        if commands.is_empty() {
            return Ok(());
        }
        let mut again = Request::default();
        again.command(3).arg(&[b"SCRIPT"]).arg(&[b"LOAD"]).arg(&[script.source.as_bytes()]);
        for &n in &commands {
            again.repeat(request, n);
        }
        let mut replayed = self.call(&again)?.into_iter();
        match replayed.next() {
            Some(Value::BulkString(hash)) if hash == script.hash.as_bytes() => {}
            Some(Value::ServerError(error)) => return Err(from_server(&error)),
            _ => return Err(self.refuse("SCRIPT LOAD answers with the hash of the script")),
        }
        for (n, answer) in commands.into_iter().zip(replayed) {
            answers[n] = answer;
        }
        Ok(())
    }

    /// Reads the answer of a command that gives one value for each of `n` keys.
    pub(crate) fn list(&mut self, answer: Value, n: usize) -> Result<Vec<Value>, StoreError> {
        match answer {
            Value::Array(values) if values.len() == n => Ok(values),
            Value::ServerError(error) => Err(from_server(&error)),
            _ => Err(self.refuse("an answer is a list with one item a key")),
        }
    }

    /// Reads the answer of a script: one digit for each of `n` keys, none above `max`.
    pub(crate) fn digits(&mut self, answer: Value, n: usize, max: u8) -> Result<Vec<u8>, StoreError> {
        match answer {
            Value::BulkString(digits) if digits.len() == n && are_digits(&digits, max) => Ok(digits),
            Value::ServerError(error) => Err(from_server(&error)),
            _ => Err(self.refuse("the answer of a script is one digit a key")),
        }
    }

    /// Reads the answer of a script that begins with digits as [`digits`](Self::digits) reads them: what comes after them.
    pub(crate) fn digits_and_more(&mut self, answer: Value, n: usize, max: u8) -> Result<Vec<u8>, StoreError> {
        match answer {
            Value::BulkString(mut digits) if digits.len() >= n && are_digits(&digits[..n], max) => {
                Ok(digits.split_off(n))
            }
            Value::ServerError(error) => Err(from_server(&error)),
            _ => Err(self.refuse("the answer of a script begins with one digit a key")),
        }
    }

    /// An answer that makes no sense; the connection may be out of step.
    pub(crate) fn refuse(&mut self, expected: &'static str) -> StoreError {
        self.give_up();
        senseless(expected)
    }
}

// Not `req_packed_commands`, which after a time-out goes on to wait for each answer that is left.
fn exchange(connection: &mut Connection, request: &Request) -> Result<Vec<Value>, StoreError> {
    connection.send_packed_command(request.as_bytes()).map_err(from_connection)?;
    let mut answers = Vec::with_capacity(request.n_commands());
    while answers.len() < request.n_commands() {
        match connection.recv_response().map_err(from_connection)? {
            Value::Push { .. } => {}
            answer => answers.push(answer),
        }
    }
    Ok(answers)
}

fn are_digits(bytes: &[u8], max: u8) -> bool {
    bytes.iter().all(|digit| (b'0'..=max).contains(digit))
}

fn is_no_script(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::NoScript))
}
