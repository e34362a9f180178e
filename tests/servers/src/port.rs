use std::{
    io,
    net::{Ipv4Addr, TcpListener},
};

use crate::Error;

/// Below the range that operating systems hand out to clients, so that no connection takes the port of a server that is down.
const PORTS: std::ops::Range<u16> = 20_000..32_768;

/// Starts a server on a port that is free: somebody may take a port between its choice and the server's start, and then
/// another is tried.
pub(crate) fn on_a_free_one(start: impl FnMut(u16) -> Result<(), Error>) -> Result<(), Error> {
    on_one_of(std::iter::from_fn(|| Some(free())), start)
}

fn on_one_of(
    ports: impl Iterator<Item = Result<u16, Error>>,
    mut start: impl FnMut(u16) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut outcome = Err(Error::system("find a free port")(io::Error::from(io::ErrorKind::AddrInUse)));
    for port in ports.take(5) {
        outcome = start(port?);
        if !outcome.as_ref().is_err_and(Error::is_port_taken) {
            break;
        }
    }
    outcome
}

/// A port that nobody listens on just now.
fn free() -> Result<u16, Error> {
    for _ in 0..1_000 {
        let port = fastrand::u16(PORTS);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Error::system("find a free port")(io::Error::from(io::ErrorKind::AddrInUse)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_passed_over_and_another_failure_is_not() {
        let taken = || Err(Error::Failed { program: "redis", log: "bind: Address already in use".to_owned() });
        let mut tried = Vec::new();
        let mut start = |port| {
            tried.push(port);
            match port {
                1 => taken(),
                2 => Ok(()),
                _ => Err(Error::Failed { program: "redis", log: "out of memory".to_owned() }),
            }
        };
        assert!(on_one_of([1, 2, 3].map(Ok).into_iter(), &mut start).is_ok());
        assert!(on_one_of([3, 2].map(Ok).into_iter(), &mut start).is_err());
        assert!(on_one_of([1; 9].map(Ok).into_iter(), &mut start).unwrap_err().is_port_taken());
        assert_eq!(tried, [1, 2, 3, 1, 1, 1, 1, 1]);
    }
}
