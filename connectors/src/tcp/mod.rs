//! The TCP source: many connections of devices, each with a codec of its own, read by one thread.
//!
//! A reader is a partition: a listening socket, its connections, and the readiness queue (`mio`) that its thread waits
//! on, so that ten thousand silent devices cost nothing but memory. With several readers the kernel spreads
//! connections over them (SO_REUSEPORT).

mod connection;
mod reader;
#[cfg(test)]
mod tests;

use crate::MakeCodec;
use crate::acknowledge::{Durability, HandedOver};
use crate::udp::AllowedNet;
use arrow::datatypes::FieldRef;
use reader::TcpReader;
use rhumb_engine::source::{Source, SourceError, SourcePlan, Tempo};
use rhumb_engine::time::Clock;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

/// Readers of one source, at most.
pub const READERS_MAX: usize = 64;
/// Connections that the kernel holds for a reader before it accepts them.
const BACKLOG: i32 = 1024;

/// What `[source.tcp]` means once checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpConfig {
    /// Port 0: the kernel chooses one, see `TcpPlan::bound`. An IPv6 address takes IPv6 alone, `[::]` both families.
    pub listen: SocketAddr,
    /// Threads that read, each with a listening socket; 1 to `READERS_MAX`. Default 1.
    pub readers: usize,
    /// Connections of each reader; further ones are closed at once. Default 10,000.
    pub connections_max: usize,
    /// A connection without a byte for so long is closed. Default 15 minutes.
    pub idle_max_us: i64,
    /// A connection that has sent nothing yet is closed after so long. Default 30 seconds.
    pub first_bytes_max_us: i64,
    /// Bytes a second that are read of one connection; a faster one waits. Default 1 MiB.
    pub rate_max_bytes: u64,
    /// Senders that may connect; empty: all. Default empty.
    pub allow: Vec<AllowedNet>,
}

impl TcpConfig {
    pub fn new(listen: SocketAddr) -> TcpConfig {
        TcpConfig {
            listen,
            readers: 1,
            connections_max: 10_000,
            idle_max_us: 15 * 60 * 1_000_000,
            first_bytes_max_us: 30 * 1_000_000,
            rate_max_bytes: 1 << 20,
            allow: Vec::new(),
        }
    }
}

/// The source as planned. Nothing is bound before `open`.
pub struct TcpPlan {
    name: Arc<str>,
    config: TcpConfig,
    make_codec: MakeCodec,
    columns: Vec<FieldRef>,
    durability: Arc<dyn Durability>,
    bound: OnceLock<SocketAddr>,
}

impl TcpPlan {
    pub fn new(name: &str, config: TcpConfig, make_codec: MakeCodec) -> TcpPlan {
        TcpPlan {
            name: name.into(),
            config,
            make_codec,
            columns: Vec::new(),
            durability: Arc::new(HandedOver),
            bound: OnceLock::new(),
        }
    }

    /// Columns of the codec beyond the core: `CodecConfig::columns`.
    pub fn with_columns(self, columns: Vec<FieldRef>) -> TcpPlan {
        TcpPlan { columns, ..self }
    }

    /// What acknowledgements wait for; `HandedOver` unless told otherwise.
    pub fn with_durability(self, durability: Arc<dyn Durability>) -> TcpPlan {
        TcpPlan { durability, ..self }
    }

    /// Where it listens, with the port that the kernel chose if 0 was asked for; `None` before `open`.
    pub fn bound(&self) -> Option<SocketAddr> {
        self.bound.get().copied()
    }

    fn listen(&self) -> io::Result<Vec<TcpReader>> {
        let readers = self.config.readers.clamp(1, READERS_MAX);
        let mut listeners = vec![listen(self.config.listen, readers > 1)?];
        let bound = listeners[0].local_addr()?;
        for _ in 1..readers {
            listeners.push(listen(bound, true)?);
        }
        self.bound.get_or_init(|| bound);
        let config = Arc::new(self.config.clone());
        let reader = |(number, listener)| {
            TcpReader::new(&self.name, number, listener, &config, &self.make_codec, &self.durability)
        };
        listeners.into_iter().enumerate().map(reader).collect()
    }
}

fn listen(address: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A restart need not wait for connections of the last run to time out.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl SourcePlan for TcpPlan {
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
        let readers = self.listen().map_err(|cause| SourceError::Io {
            source_name: self.name.to_string(),
            action: format!("listen on {}", self.config.listen),
            cause,
        })?;
        let listen = self.bound().map_or_else(String::new, |bound| bound.to_string());
        tracing::info!(source = &*self.name, listen, readers = readers.len(), "listening for connections");
        let boxed = |reader: TcpReader| -> Box<dyn Source> { Box::new(reader.with_clock(clock.clone())) };
        Ok(readers.into_iter().map(boxed).collect())
    }
}
