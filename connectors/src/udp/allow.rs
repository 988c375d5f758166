//! Which datagrams are for the codec: from a sender that is allowed, not empty, not longer than allowed.

use ipnet::IpNet;
use rhumb_engine::reject::Reason;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Senders that a source takes datagrams from: an address, or all that share its first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AllowedNet(IpNet);

impl AllowedNet {
    /// IPv4 addresses are compared as IPv4 also if the socket is an IPv6 one.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.0.contains(&ip.to_canonical())
    }
}

impl FromStr for AllowedNet {
    type Err = String;

    /// `10.0.0.0/8`, `2001:db8::/32`, or one address.
    fn from_str(text: &str) -> Result<AllowedNet, String> {
        let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.map(AllowedNet).map_err(|_| {
            format!("{text:?} is neither an IP address nor a network; write such as \"192.168.1.7\" or \"10.0.0.0/8\"")
        })
    }
}

impl From<IpAddr> for AllowedNet {
    fn from(ip: IpAddr) -> AllowedNet {
        AllowedNet(ip.into())
    }
}

impl std::fmt::Display for AllowedNet {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a datagram is not for the codec, with the detail for a person; `None`: it is. `length`: bytes that were sent, of
/// which `bytes` may be the head.
#[inline]
pub(super) fn refusal(
    bytes: &[u8],
    length: usize,
    sender: impl Fn() -> SocketAddr,
    allow: &[AllowedNet],
) -> Option<(Reason, String)> {
    if !allow.is_empty() && !allow.iter().any(|net| net.contains(sender().ip())) {
        return Some((Reason::Sender, format!("sent by {}", sender())));
    }
    if bytes.is_empty() {
        return Some((Reason::EmptyDatagram, format!("sent by {}", sender())));
    }
    (length > bytes.len()).then(|| {
        let kept = bytes.len();
        (Reason::OversizeDatagram, format!("{length} bytes sent by {}, the most is {kept}", sender()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(net: &str, inside: &[&str], outside: &[&str]) {
        let net: AllowedNet = net.parse().unwrap();
        let ip = |text: &&str| text.parse::<IpAddr>().unwrap();
        assert!(inside.iter().map(ip).all(|ip| net.contains(ip)));
        assert!(!outside.iter().map(ip).any(|ip| net.contains(ip)));
    }

    #[test]
    fn net_holds_the_addresses_that_share_its_prefix() {
        check("10.1.0.0/16", &["10.1.0.0", "10.1.255.255", "::ffff:10.1.2.3"], &["10.2.0.0", "::1"]);
        check("127.0.0.1", &["127.0.0.1"], &["127.0.0.2"]);
        check("2001:db8::/32", &["2001:db8::1"], &["2001:db9::1", "10.1.0.0"]);
        check("0.0.0.0/0", &["1.2.3.4"], &["::1"]);
    }

    #[test]
    fn what_is_no_net_is_said_to_be_none() {
        for text in ["", "10.0.0.0/33", "localhost", "10.0.0/8"] {
            let message = text.parse::<AllowedNet>().unwrap_err();
            assert!(message.contains(&format!("{text:?} is neither")), "{message}");
        }
    }
}
