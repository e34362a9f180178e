use std::{
    io,
    net::{Ipv4Addr, TcpListener},
};

use crate::Error;

/// Below the range that operating systems hand out to clients, so that no connection takes the port of a server that is down.
const PORTS: std::ops::Range<u16> = 20_000..32_768;

/// A port that nobody listens on just now. Somebody may until the server does: try again then.
pub(crate) fn free() -> Result<u16, Error> {
    for _ in 0..1_000 {
        let port = fastrand::u16(PORTS);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Error::system("find a free port")(io::Error::from(io::ErrorKind::AddrInUse)))
}
