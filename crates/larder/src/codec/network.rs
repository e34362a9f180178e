//! Addresses and networks.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{Codec, Corrupt, Fingerprint, Input};
use crate::key::KeyPart;

/// `inet` and `cidr`. The bits behind the prefix are kept, as `inet` keeps them.
impl Codec for IpNet {
    const FINGERPRINT: Fingerprint = Fingerprint::of("network");

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::V4(network) => {
                out.push(4);
                out.extend_from_slice(&network.addr().octets());
            }
            Self::V6(network) => {
                out.push(6);
                out.extend_from_slice(&network.addr().octets());
            }
        }
        out.push(self.prefix_len());
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
        match input.byte()? {
            4 => {
                let octets: [u8; 4] = input.take(4)?.try_into().map_err(|_| Corrupt)?;
                let network = Ipv4Net::new(Ipv4Addr::from(octets), input.byte()?);
                network.map(Self::V4).map_err(|_| Corrupt)
            }
            6 => {
                let octets: [u8; 16] = input.take(16)?.try_into().map_err(|_| Corrupt)?;
                let network = Ipv6Net::new(Ipv6Addr::from(octets), input.byte()?);
                network.map(Self::V6).map_err(|_| Corrupt)
            }
            _ => Err(Corrupt),
        }
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

impl KeyPart for IpNet {
    fn write_part(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_come_back_with_all_their_bits_and_no_others_do() {
        for text in ["10.1.2.3/8", "0.0.0.0/0", "192.168.0.1/32", "::1/128", "2001:db8::7/32"] {
            let (network, mut bytes): (IpNet, _) = (text.parse().unwrap(), Vec::new());
            network.encode(&mut bytes);
            assert_eq!(IpNet::decode(&mut Input::new(&bytes)), Ok(network));
            for end in 0..bytes.len() {
                assert_eq!(IpNet::decode(&mut Input::new(&bytes[..end])), Err(Corrupt));
            }
        }
        assert_eq!(IpNet::decode(&mut Input::new(&[4, 1, 2, 3, 4, 33])), Err(Corrupt));
        assert_eq!(IpNet::decode(&mut Input::new(&[5, 1, 2, 3, 4, 3])), Err(Corrupt));
    }
}
