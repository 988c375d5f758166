//! Sources: names, addresses, files.

use super::Check;
use crate::config::means::{FileMeans, Network, SourceKind, SourceMeans, UdpMeans};
use crate::config::mistake::Location;
use crate::config::typed::{Member, Table};
use crate::config::value::At;
use rhumb_connectors::tcp::TcpConfig;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Where sources listen, and which.
#[derive(Default)]
struct Addresses {
    udp: HashMap<SocketAddr, String>,
    tcp: HashMap<SocketAddr, String>,
}

impl Check {
    pub(super) fn sources(&mut self, members: Vec<Member>) -> Vec<SourceMeans> {
        let mut names: HashMap<String, Location> = HashMap::new();
        let mut addresses = Addresses::default();
        let mut sources = Vec::new();
        for mut member in members {
            let name = member.base.take::<String>("name");
            if let Some(At { value, at }) = &name {
                if let Some(first) = names.get(value) {
                    let what = format!(
                        "name: \"{value}\" is the source in line {} already; give this one another name",
                        first.line()
                    );
                    self.error(at, &member.component, what);
                }
                names.entry(value.clone()).or_insert_with(|| at.clone());
            }
            let Some(means) = self.source(member, name.map(|name| name.value), &mut addresses) else { continue };
            sources.push(means);
        }
        self.shared_columns(&sources);
        sources
    }

    fn source(&mut self, member: Member, name: Option<String>, addresses: &mut Addresses) -> Option<SourceMeans> {
        let Member { component, at, base, kind, parts } = member;
        assert!(base.is_used_up(), "every field of a source is asked for");
        let mut table = kind?;
        let codec = self.codec(&mut table, parts, &component);
        let rollover = table.get("rollover");
        let kind = match table.section.key() {
            "udp" => self.udp(&mut table, &component, &mut addresses.udp).map(SourceKind::Udp),
            "tcp" => self.tcp(&mut table, &component, &mut addresses.tcp).map(SourceKind::Tcp),
            _ => self.file(&mut table, &component).map(SourceKind::File),
        };
        assert!(kind.is_none() || table.is_used_up(), "every field of the source's kind is asked for");
        Some(SourceMeans { name: name?, kind: kind?, codec: codec?, rollover: rollover?, at })
    }

    fn udp(
        &mut self,
        table: &mut Table,
        component: &str,
        addresses: &mut HashMap<SocketAddr, String>,
    ) -> Option<UdpMeans> {
        let listen = self.listen(table, component, addresses);
        let sockets = table.get::<i64>("sockets");
        let (buffer, longest) = (table.get::<u64>("receive_buffer"), table.get::<u64>("datagram_max"));
        let allow = self.allow(table, component);
        Some(UdpMeans {
            listen: listen?,
            sockets: sockets? as usize,
            receive_buffer_bytes: buffer? as usize,
            datagram_max_bytes: longest? as usize,
            allow: allow?,
        })
    }

    fn tcp(
        &mut self,
        table: &mut Table,
        component: &str,
        addresses: &mut HashMap<SocketAddr, String>,
    ) -> Option<TcpConfig> {
        let listen = self.listen(table, component, addresses);
        let (readers, connections) = (table.get::<i64>("readers"), table.get::<i64>("connections_max"));
        let (idle, first_bytes) = (table.get::<i64>("idle_max"), table.get::<i64>("first_bytes_max"));
        let rate = table.get::<u64>("rate_max");
        let allow = self.allow(table, component);
        let net = |network: &Network| format!("{}/{}", network.address, network.prefix).parse().ok();
        Some(TcpConfig {
            readers: readers? as usize,
            connections_max: connections? as usize,
            idle_max_us: idle?,
            first_bytes_max_us: first_bytes?,
            rate_max_bytes: rate?,
            allow: allow?.iter().map(net).collect::<Option<_>>()?,
            ..TcpConfig::new(listen?)
        })
    }

    fn listen(
        &mut self,
        table: &mut Table,
        component: &str,
        addresses: &mut HashMap<SocketAddr, String>,
    ) -> Option<SocketAddr> {
        let At { value, at } = table.take::<SocketAddr>("listen")?;
        if value.port() != 0 {
            if let Some(other) = addresses.get(&value) {
                self.error(&at, component, format!("listen: {other} receives on {value} already; write another port"));
            }
            addresses.entry(value).or_insert_with(|| component.to_owned());
        }
        Some(value)
    }

    fn allow(&mut self, table: &mut Table, component: &str) -> Option<Vec<Network>> {
        let mut allow = Some(Vec::new());
        for network in table.get::<Vec<At<String>>>("allow").unwrap_or_default() {
            match (read_network(&network.value), &mut allow) {
                (Ok(network), Some(allow)) => allow.push(network),
                (Ok(_), None) => {}
                (Err(what), _) => {
                    self.error(&network.at, component, format!("allow: {what}"));
                    allow = None;
                }
            }
        }
        allow
    }

    fn file(&mut self, table: &mut Table, component: &str) -> Option<FileMeans> {
        let speed = table.get("speed");
        let path = table.take::<PathBuf>("path")?;
        let files = self.files(&path, component)?;
        Some(FileMeans { path: path.value, files, speed: speed? })
    }
}

fn read_network(text: &str) -> Result<Network, String> {
    let wrong = || {
        format!("\"{text}\" is neither an IP address nor a network; write such as \"192.168.1.7\" or \"10.0.0.0/8\"")
    };
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix: u8 = prefix.map_or(Ok(bits), str::parse).map_err(|_| wrong())?;
    if prefix > bits {
        return Err(format!("\"{text}\" has a prefix of {prefix} bits; its addresses have {bits}"));
    }
    Ok(Network { address, prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_an_address_and_a_prefix() {
        let of = |text| read_network(text).map(|n| (n.address.to_string(), n.prefix));
        assert_eq!(of("10.0.0.0/8"), Ok(("10.0.0.0".to_owned(), 8)));
        assert_eq!(of("192.168.1.7"), Ok(("192.168.1.7".to_owned(), 32)));
        assert_eq!(of("fd00::/8"), Ok(("fd00::".to_owned(), 8)));
        for text in ["", "10.0.0/8", "10.0.0.0/33", "10.0.0.0/", "host"] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
