//! A connection that may be waited on: for something to come, until a given moment, and not a moment longer.
//!
//! Those of redis-rs count an answer that did not come in time as one to be passed over later, and a time-out of theirs begins anew with
//! every byte that trickles in. Here nothing is lost when a wait ends in the middle of an answer, and others can end the wait.

mod socket;
#[cfg(feature = "tls")]
mod tls;

use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

use larder::store::StoreError;
use redis::{ConnectionAddr, Parser, Value};

pub(crate) use self::socket::Hangup;
use self::socket::Socket;
use crate::{
    error::{from_connection, senseless},
    request::Request,
};

/// Where a wire leads.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) server: ConnectionAddr,
    /// Whom to trust instead of those whom the operating system trusts, in PEM.
    #[cfg(feature = "tls")]
    pub(crate) root_certificate: Option<Vec<u8>>,
}

/// A connection on which answers and messages come as they come.
pub(crate) struct Wire {
    stream: Stream,
    /// It keeps what has come of an answer when the wait for the rest of it ends.
    parser: Parser,
}

enum Stream {
    Plain(Socket),
    #[cfg(feature = "tls")]
    Encrypted(Box<tls::Encrypted>),
}

impl Wire {
    /// Connects to the first address of the server that can be reached; resolving its name is not bounded by `until`.
    pub(crate) fn connect(address: &Address, until: Instant) -> Result<Self, StoreError> {
        let socket = Socket::connect(&address.server, until).map_err(unavailable)?;
        let stream = match &address.server {
            #[cfg(feature = "tls")]
            ConnectionAddr::TcpTls { host, .. } => {
                Stream::Encrypted(Box::new(tls::encrypt(host, address.root_certificate.as_deref(), socket)?))
            }
            _ => Stream::Plain(socket),
        };
        Ok(Self { stream, parser: Parser::new() })
    }

    /// What ends every wait on this connection, from another thread.
    pub(crate) fn hangup(&mut self) -> Result<Hangup, StoreError> {
        self.stream.socket().hangup().map_err(unavailable)
    }

    /// Sends commands in one go.
    pub(crate) fn send(&mut self, request: &Request, until: Instant) -> Result<(), StoreError> {
        self.send_bytes(request.as_bytes(), until)
    }

    /// As [`send`](Self::send), the commands of several requests.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8], until: Instant) -> Result<(), StoreError> {
        self.stream.socket().wait_until(until);
        let sent = self.stream.writer().write_all(bytes).and_then(|()| self.stream.writer().flush());
        sent.map_err(unavailable)
    }

    /// The next answer or message: `None` if it has not come until then. A moment that has passed asks for what was read already.
    pub(crate) fn receive(&mut self, until: Instant) -> Result<Option<Value>, StoreError> {
        self.stream.socket().wait_until(until);
        match self.parser.parse_value(self.stream.reader()) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_timeout() => Ok(None),
            Err(error) => Err(from_connection(error)),
        }
    }

    /// Sends commands and waits for their answers, where no messages come yet.
    pub(crate) fn call(&mut self, request: &Request, until: Instant) -> Result<Vec<Value>, StoreError> {
        self.send(request, until)?;
        let mut answers = Vec::with_capacity(request.n_commands());
        while answers.len() < request.n_commands() {
            match self.receive(until)? {
                Some(Value::Push { .. }) => return Err(senseless("no messages come before they are asked for")),
                Some(answer) => answers.push(answer),
                None => return Err(StoreError::timed_out("the server did not greet in time")),
            }
        }
        Ok(answers)
    }
}

impl Stream {
    fn socket(&mut self) -> &mut Socket {
        match self {
            Self::Plain(socket) => socket,
            #[cfg(feature = "tls")]
            Self::Encrypted(stream) => &mut stream.sock,
        }
    }

    fn reader(&mut self) -> &mut dyn Read {
        match self {
            Self::Plain(socket) => socket,
            #[cfg(feature = "tls")]
            Self::Encrypted(stream) => stream,
        }
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Plain(socket) => socket,
            #[cfg(feature = "tls")]
            Self::Encrypted(stream) => stream,
        }
    }
}

/// The end of a time that begins now. One that no clock can tell is a day.
pub(crate) fn moment_in(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now + Duration::from_secs(86_400))
}

fn unavailable(error: std::io::Error) -> StoreError {
    from_connection(error.into())
}
