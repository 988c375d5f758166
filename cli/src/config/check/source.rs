//! Sources: names, addresses, files.

use super::Check;
use super::kafka::vehicle_elsewhere;
use crate::config::describe::FIELDS;
use crate::config::means::{FileMeans, JournalKind, JournalMeans, SourceKind, SourceMeans, SourcePlaces, UdpMeans};
use crate::config::mistake::Location;
use crate::config::typed::{Member, Table};
use crate::config::value::At;
use rhumb_connectors::journal::{Group, JournalConfig};
use rhumb_connectors::tcp::TcpConfig;
use rhumb_connectors::udp::AllowedNet;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

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
        let places = places(&table, &parts);
        // A key or a header names the vehicle.
        let is_elsewhere = table.section.key() == "kafka" && vehicle_elsewhere(&table);
        let codec = self.codec(&mut table, parts, is_elsewhere, &component);
        let rollover = table.get("rollover");
        let kind = match table.section.key() {
            "udp" => self.udp(&mut table, &component, &mut addresses.udp).map(SourceKind::Udp),
            "kafka" => self.kafka(&mut table, &component, codec.as_ref()).map(SourceKind::Kafka),
            "tcp" => self.tcp(&mut table, &component, &mut addresses.tcp).map(SourceKind::Tcp),
            _ => self.file(&mut table, &component).map(SourceKind::File),
        };
        assert!(kind.is_none() || table.is_used_up(), "every field of the source's kind is asked for");
        Some(SourceMeans { name: name?, kind: kind?, codec: codec?, rollover: rollover?, at, places })
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
        let journal = self.journal(table, component);
        Some(UdpMeans {
            listen: listen?,
            sockets: sockets? as usize,
            receive_buffer_bytes: buffer? as usize,
            datagram_max_bytes: longest? as usize,
            allow: allow?,
            journal: journal?,
        })
    }

    fn journal(&mut self, table: &mut Table, component: &str) -> Option<JournalMeans> {
        let kind = table.get::<String>("journal").map(|kind| match kind.as_str() {
            "fsync" => JournalKind::Fsync,
            "os" => JournalKind::Os,
            _ => JournalKind::Off,
        });
        let idle: &[&str] = match kind {
            Some(JournalKind::Off) => &["journal_sync", "journal_sync_bytes", "journal_segment", "journal_keep"],
            Some(JournalKind::Os) => &["journal_sync", "journal_sync_bytes"],
            _ => &[],
        };
        for field in idle.iter().filter(|field| table.has(field)) {
            let what = format!("{field}: has no effect with this journal; remove it");
            self.error(&table.place(field), component, what);
        }
        let (every, bytes) = (table.get::<i64>("journal_sync"), table.get::<u64>("journal_sync_bytes"));
        let (segment, keep) = (table.get::<u64>("journal_segment"), table.get::<i64>("journal_keep"));
        let group = Group { every: Duration::from_micros(every?.unsigned_abs()), bytes: bytes? };
        let kind = kind?;
        let sync = (kind == JournalKind::Fsync).then_some(group);
        Some(JournalMeans { kind, config: JournalConfig { sync, segment_bytes: segment?, keep_us: keep? } })
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
        Some(TcpConfig {
            readers: readers? as usize,
            connections_max: connections? as usize,
            idle_max_us: idle?,
            first_bytes_max_us: first_bytes?,
            rate_max_bytes: rate?,
            allow: allow?,
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

    fn allow(&mut self, table: &mut Table, component: &str) -> Option<Vec<AllowedNet>> {
        let mut allow = Some(Vec::new());
        for network in table.get::<Vec<At<String>>>("allow").unwrap_or_default() {
            match (network.value.parse(), &mut allow) {
                (Ok(network), Some(allow)) => allow.push(network),
                (Ok(_), None) => {}
                (Err::<_, String>(what), _) => {
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

fn places(kind: &Table, parts: &[Table]) -> SourcePlaces {
    let mapped = parts.iter().find(|part| part.section.header == FIELDS.header);
    let fields = mapped.iter().flat_map(|table| {
        let typed = table.section.fields.iter().filter(|field| table.has(field.name));
        typed.map(|field| (field.name, table.place(field.name)))
    });
    SourcePlaces { codec: kind.place("codec"), path: kind.place("path"), fields: fields.collect() }
}
