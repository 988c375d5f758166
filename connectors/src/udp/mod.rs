//! The UDP source. Each socket is a partition with a reader of its own; the kernel spreads senders over the sockets
//! (SO_REUSEPORT). Linux only: it stands on `recvmmsg`, SO_REUSEPORT's spreading and SO_MEMINFO.
//!
//! One reader a socket rather than one for all: a reader takes over a million datagrams a second, so a second socket
//! only ever helps if a second thread empties it; one thread over two sockets would do the same work plus a wait on
//! both. The default is one socket: on a small machine the cores are better spent on shards.

mod allow;
mod intake;
mod journaled;
mod reader;
mod receiver;
pub(crate) mod sys;
#[cfg(test)]
mod tests;

pub use allow::AllowedNet;
pub use journaled::SocketJournals;
pub use receiver::{Datagram, Receiver};

use crate::MakeCodec;
use crate::acknowledge::{Durability, HandedOver};
use arrow::datatypes::FieldRef;
use intake::{Intake, Tended};
use journaled::Journaled;
use reader::{Parts, UdpReader};
use rhumb_engine::source::{Source, SourceError, SourcePlan, Tempo};
use rhumb_engine::time::Clock;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

/// Sockets of one source; more readers than this are more than any machine here has cores for.
pub const SOCKETS_MAX: usize = 64;

/// What `[source.udp]` means once checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UdpConfig {
    /// Port 0: the kernel chooses one, see `UdpPlan::bound`. An IPv6 address takes IPv6 alone, `[::]` both families.
    pub listen: SocketAddr,
    /// Sockets on that address, each with its own reader thread; 1 to `SOCKETS_MAX`. Default 1.
    pub sockets: usize,
    /// Receive buffer to ask for, a socket. The kernel grants up to `net.core.rmem_max`, or all to CAP_NET_ADMIN.
    /// Default 32 MiB, of which a datagram of 96 bytes takes about 400.
    pub receive_buffer_bytes: usize,
    /// Longer datagrams are rejected, with their head kept. Default 2,048.
    pub datagram_max_bytes: usize,
    /// Senders that may send; empty: all. Default empty.
    pub allow: Vec<AllowedNet>,
    /// Where what came is written before it counts. Default `None`: nowhere, and what the process holds when it dies is
    /// lost.
    pub journals: Option<SocketJournals>,
}

impl UdpConfig {
    pub fn new(listen: SocketAddr) -> UdpConfig {
        UdpConfig {
            listen,
            sockets: 1,
            receive_buffer_bytes: 32 << 20,
            datagram_max_bytes: 2048,
            allow: Vec::new(),
            journals: None,
        }
    }
}

/// The source as planned. Nothing is bound before `open`.
pub struct UdpPlan {
    name: Arc<str>,
    config: UdpConfig,
    make_codec: MakeCodec,
    columns: Vec<FieldRef>,
    durability: Arc<dyn Durability>,
    bound: OnceLock<SocketAddr>,
}

impl UdpPlan {
    pub fn new(name: &str, config: UdpConfig, make_codec: MakeCodec) -> UdpPlan {
        UdpPlan {
            name: name.into(),
            config,
            make_codec,
            columns: Vec::new(),
            durability: Arc::new(HandedOver),
            bound: OnceLock::new(),
        }
    }

    /// Columns of the codec beyond the core: `CodecConfig::columns`.
    pub fn with_columns(self, columns: Vec<FieldRef>) -> UdpPlan {
        UdpPlan { columns, ..self }
    }

    /// What replies to devices wait for; `HandedOver` unless told otherwise.
    pub fn with_durability(self, durability: Arc<dyn Durability>) -> UdpPlan {
        UdpPlan { durability, ..self }
    }

    /// Where it listens, with the port that the kernel chose if 0 was asked for; `None` before `open`.
    pub fn bound(&self) -> Option<SocketAddr> {
        self.bound.get().copied()
    }

    fn bind(&self) -> std::io::Result<Vec<Receiver>> {
        let UdpConfig { listen, sockets, receive_buffer_bytes, datagram_max_bytes, .. } = self.config;
        let sockets = sockets.clamp(1, SOCKETS_MAX);
        let bind = |listen| Receiver::bind(listen, sockets > 1, datagram_max_bytes.max(1), receive_buffer_bytes);
        let mut receivers = vec![bind(listen)?];
        let bound = receivers[0].bound()?;
        for _ in 1..sockets {
            receivers.push(bind(bound)?);
        }
        self.bound.get_or_init(|| bound);
        Ok(receivers)
    }

    fn report(&self, receivers: &[Receiver]) {
        let (source, sockets) = (&*self.name, receivers.len());
        let (asked, granted) = (self.config.receive_buffer_bytes, receivers[0].receive_buffer_bytes);
        let listen = receivers[0].bound().map_or_else(|e| e.to_string(), |bound| bound.to_string());
        tracing::info!(source, listen, sockets, receive_buffer_bytes = granted, "listening for datagrams");
        if granted < asked {
            tracing::warn!(
                source,
                "receive buffer: asked for {asked} bytes, got {granted}; net.core.rmem_max limits it"
            );
        }
        if receivers[0].kernel_drops().is_none() {
            tracing::warn!(source, "this kernel does not tell how many datagrams it drops");
        }
    }
}

impl SourcePlan for UdpPlan {
    fn name(&self) -> &str {
        &self.name
    }

    fn tempo(&self) -> Tempo {
        Tempo::Live
    }

    fn columns(&self) -> Vec<FieldRef> {
        self.columns.clone()
    }

    fn open(&self, clock: Arc<dyn Clock>) -> Result<Vec<Box<dyn Source>>, SourceError> {
        let receivers = self.bind().map_err(|cause| SourceError::Io {
            source_name: self.name.to_string(),
            action: format!("listen on {}", self.config.listen),
            cause,
        })?;
        self.report(&receivers);
        let allow: Arc<[AllowedNet]> = self.config.allow.clone().into();
        let sockets = receivers.len();
        let journal = |number: usize| -> std::io::Result<Option<Journaled>> {
            let Some(journals) = &self.config.journals else { return Ok(None) };
            Journaled::open(journals, number, sockets, &self.name)
        };
        let reader = |(number, receiver)| -> Result<Box<dyn Source>, SourceError> {
            let journal = journal(number).map_err(|cause| SourceError::Io {
                source_name: self.name.to_string(),
                action: "open its journal".to_owned(),
                cause,
            })?;
            let (source, codec, durability) = (self.name.clone(), (self.make_codec)(), self.durability.clone());
            let (allow, clock) = (allow.clone(), clock.clone());
            let intake = Tended::new(Intake::new(receiver, journal, clock.clone()));
            Ok(Box::new(UdpReader::new(Parts { source, number, intake, codec, durability, allow, clock })))
        };
        receivers.into_iter().enumerate().map(reader).collect()
    }
}
