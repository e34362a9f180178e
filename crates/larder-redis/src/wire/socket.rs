#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

use redis::ConnectionAddr;

/// A socket of which every read and write ends at a moment that was given before.
pub(crate) struct Socket {
    end: End,
    until: Instant,
}

enum End {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// The other handle of a socket, by which somebody else may end what its owner waits for.
pub(crate) struct Hangup(End);

impl Socket {
    pub(super) fn connect(address: &ConnectionAddr, until: Instant) -> io::Result<Self> {
        let end = match address {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                End::Tcp(connect_tcp(host, *port, until)?)
            }
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => End::Unix(UnixStream::connect(path)?),
            _ => return Err(io::Error::new(ErrorKind::Unsupported, "no such connections are known")),
        };
        Ok(Self { end, until })
    }

    /// Lets reads and writes wait until then from now on.
    pub(super) fn wait_until(&mut self, until: Instant) {
        self.until = until;
    }

    pub(super) fn hangup(&self) -> io::Result<Hangup> {
        Ok(Hangup(match &self.end {
            End::Tcp(socket) => End::Tcp(socket.try_clone()?),
            #[cfg(unix)]
            End::Unix(socket) => End::Unix(socket.try_clone()?),
        }))
    }

    /// What is left, of which the system takes no zero.
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::WouldBlock.into()) } else { Ok(left) }
    }
}

impl Hangup {
    /// Whoever reads from the socket finds its end. What is written still arrives.
    pub(crate) fn end_reading(&self) {
        // One that is closed already has no reader.
        let _ = match &self.0 {
            End::Tcp(socket) => socket.shutdown(Shutdown::Read),
            #[cfg(unix)]
            End::Unix(socket) => socket.shutdown(Shutdown::Read),
        };
    }
}

fn connect_tcp(host: &str, port: u16, until: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(ErrorKind::NotFound, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                return Ok(socket);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = Some(self.left()?);
            let read = match &mut self.end {
                End::Tcp(socket) => socket.set_read_timeout(left).and_then(|()| socket.read(buffer)),
                #[cfg(unix)]
                End::Unix(socket) => socket.set_read_timeout(left).and_then(|()| socket.read(buffer)),
            };
            match read {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = Some(self.left()?);
        match &mut self.end {
            End::Tcp(socket) => socket.set_write_timeout(left).and_then(|()| socket.write(bytes)),
            #[cfg(unix)]
            End::Unix(socket) => socket.set_write_timeout(left).and_then(|()| socket.write(bytes)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
