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
    /// How long a read waits, as the system was told last.
    told: Duration,
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
        Ok(Self { end, until, told: Duration::ZERO })
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

    /// Lets the next read wait, and no longer than is left. The system is told only if what it was told last is too long for that, or
    /// less than half of it: most reads need one call of it, not two.
    fn let_read_wait(&mut self) -> io::Result<()> {
        let left = self.left()?;
        if self.told > left || self.told < left / 2 {
            let told = left - left / 4;
            match &self.end {
                End::Tcp(socket) => socket.set_read_timeout(Some(told))?,
                #[cfg(unix)]
                End::Unix(socket) => socket.set_read_timeout(Some(told))?,
            }
            self.told = told;
        }
        Ok(())
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
            self.let_read_wait()?;
            let read = match &mut self.end {
                End::Tcp(socket) => socket.read(buffer),
                #[cfg(unix)]
                End::Unix(socket) => socket.read(buffer),
            };
            match read {
                // The system may have been told less than is left.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                }
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
