//! `Receiver`: datagrams off one socket, many a system call. Knows nothing of frames, so that a journal can take from
//! it, too.

use super::sys::{self, Arena};
use rhumb_engine::source::Shed;
use socket2::{Domain, Protocol, Socket, Type};
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

/// One datagram of the last batch.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// All of it, or its head if it is longer than the receiver's `datagram_max_bytes`.
    pub bytes: &'a [u8],
    /// Bytes that were sent.
    pub length: usize,
    from: Sender<'a>,
}

/// Sender of a datagram, worked out only if asked for.
#[derive(Clone, Copy)]
struct Sender<'a>(&'a Arena, usize);

impl std::fmt::Debug for Sender<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        self.0.sender(self.1).fmt(f)
    }
}

impl Datagram<'_> {
    /// An IPv4 sender comes as IPv4, also on a socket of both families.
    pub fn sender(&self) -> SocketAddr {
        self.from.0.sender(self.from.1)
    }
}

/// One bound socket and the room for one batch of its datagrams.
pub struct Receiver {
    socket: Socket,
    arena: Arena,
    both_families: bool,
    /// Datagrams in the arena.
    count: usize,
    /// Bytes of receive buffer that the kernel granted, without the as many that it adds for its own records.
    pub receive_buffer_bytes: usize,
    /// The kernel's counter when it was last read, and all drops till then: the counter wraps at 2^32.
    drops: Cell<Option<(u32, u64)>>,
}

impl Receiver {
    /// Binds a socket. With `shared`, others that say so too may bind the same address, and the kernel spreads the
    /// senders over them (SO_REUSEPORT).
    ///
    /// An IPv6 address takes IPv6 datagrams alone; `[::]` takes IPv4 ones as well, whatever the machine's default.
    pub fn bind(
        listen: SocketAddr,
        shared: bool,
        datagram_max_bytes: usize,
        receive_buffer_bytes: usize,
    ) -> io::Result<Receiver> {
        let socket = Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP))?;
        if listen.is_ipv6() {
            socket.set_only_v6(!listen.ip().is_unspecified())?;
        }
        socket.set_reuse_port(shared)?;
        if sys::force_receive_buffer(socket.as_fd(), receive_buffer_bytes).is_err() {
            socket.set_recv_buffer_size(receive_buffer_bytes)?;
        }
        socket.bind(&listen.into())?;
        // The kernel doubles what it grants, to have room for its own records, and tells the double.
        let receive_buffer_bytes = socket.recv_buffer_size()? / 2;
        let drops = Cell::new(sys::kernel_drops(socket.as_fd()).ok().map(|now| (now, u64::from(now))));
        let both_families = listen.is_ipv6() && listen.ip().is_unspecified();
        let arena = Arena::new(datagram_max_bytes);
        Ok(Receiver { socket, arena, both_families, count: 0, receive_buffer_bytes, drops })
    }

    /// The address that was bound: the port is the one that the kernel chose if 0 was asked for.
    pub fn bound(&self) -> io::Result<SocketAddr> {
        let address = self.socket.local_addr()?;
        address.as_socket().ok_or_else(|| io::Error::other("the socket has no internet address"))
    }

    /// Takes the datagrams that are there, up to 128, in place of those before. Does not wait.
    #[inline]
    pub fn receive(&mut self) -> io::Result<usize> {
        self.count = sys::receive(self.socket.as_fd(), &mut self.arena)?;
        Ok(self.count)
    }

    /// Those that the last `receive` took, in the order in which they came.
    #[inline]
    pub fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        let arena = &self.arena;
        (0..self.count).map(move |n| Datagram {
            bytes: arena.bytes(n),
            length: arena.length(n),
            from: Sender(arena, n),
        })
    }

    /// Sends a datagram from this socket. Does not wait.
    pub fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        // A socket of both families knows IPv4 addresses as mapped ones.
        let to = match (to, self.both_families) {
            (SocketAddr::V4(to), true) => SocketAddr::new(to.ip().to_ipv6_mapped().into(), to.port()),
            _ => to,
        };
        self.socket.send_to_with_flags(bytes, &to.into(), libc::MSG_DONTWAIT).map(|_| ())
    }

    /// Waits for a datagram; false if none came before the timeout or a signal came.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        sys::wait_readable(self.socket.as_fd(), timeout)
    }

    /// The kernel's counter of drops, for whoever asks; `None` if the kernel does not tell.
    pub fn shed(&self) -> Option<Shed> {
        let socket = self.socket.try_clone().ok()?;
        sys::kernel_drops(socket.as_fd()).ok()?;
        Some(Box::new(move || sys::kernel_drops(socket.as_fd()).unwrap_or_default()))
    }

    /// Datagrams that the kernel dropped, for want of room or for a wrong checksum. `None` if the kernel does not tell (Linux
    /// before 4.12). Exact if asked at least once in 2^32 drops.
    pub fn kernel_drops(&self) -> Option<u64> {
        let (before, total) = self.drops.get()?;
        let now = sys::kernel_drops(self.socket.as_fd()).unwrap_or(before);
        let total = total + u64::from(now.wrapping_sub(before));
        self.drops.set(Some((now, total)));
        Some(total)
    }
}
