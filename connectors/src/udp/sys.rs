//! The system calls of the UDP source and sender that have no safe binding: many datagrams a call, waiting, and the
//! kernel's own count of drops. Linux only.
#![allow(unsafe_code, reason = "recvmmsg, sendmmsg, ppoll and SO_MEMINFO have no binding in std or socket2")]

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::null_mut;
use std::time::Duration;

/// Datagrams that one system call receives or sends at most.
pub const DATAGRAMS_PER_CALL: usize = 128;

/// Kernel memory of a socket, one u32 each; `ss -m` prints the same numbers.
const MEMINFO_VALUES: usize = 9;
const MEMINFO_DROPS: usize = 8;

/// Room for the datagrams of one call, reused by every call.
pub struct Arena {
    bytes: Box<[u8]>,
    /// Bytes of room that each datagram has.
    room: usize,
    /// True length of each datagram received, which may be more than its room.
    lengths: [usize; DATAGRAMS_PER_CALL],
    /// Large enough for an IPv4 sender, too.
    senders: [libc::sockaddr_in6; DATAGRAMS_PER_CALL],
}

impl Arena {
    /// # Panics
    /// If `room` is 0.
    pub fn new(room: usize) -> Arena {
        assert!(room > 0, "a datagram needs room");
        let nobody = libc::sockaddr_in6 {
            sin6_family: 0,
            sin6_port: 0,
            sin6_flowinfo: 0,
            sin6_addr: libc::in6_addr { s6_addr: [0; 16] },
            sin6_scope_id: 0,
        };
        Arena {
            bytes: vec![0; room * DATAGRAMS_PER_CALL].into_boxed_slice(),
            room,
            lengths: [0; DATAGRAMS_PER_CALL],
            senders: [nobody; DATAGRAMS_PER_CALL],
        }
    }

    /// True length of a datagram of the last call.
    pub fn length(&self, n: usize) -> usize {
        self.lengths[n]
    }

    /// A datagram of the last call, or its head if it was longer than the room.
    pub fn bytes(&self, n: usize) -> &[u8] {
        let start = n * self.room;
        &self.bytes[start..start + self.lengths[n].min(self.room)]
    }

    /// Who sent a datagram of the last call. IPv4 senders of a socket for both families come as IPv4.
    pub fn sender(&self, n: usize) -> SocketAddr {
        let from = &self.senders[n];
        let port = u16::from_be(from.sin6_port);
        let ip = match i32::from(from.sin6_family) {
            // `sockaddr_in` has its port where `sockaddr_in6` has it, and its address where that has the flow.
            libc::AF_INET => Ipv4Addr::from(from.sin6_flowinfo.to_ne_bytes()).into(),
            _ => Ipv6Addr::from(from.sin6_addr.s6_addr).to_canonical(),
        };
        SocketAddr::new(ip, port)
    }
}

/// Receives what is there, up to `DATAGRAMS_PER_CALL`, and says how many; never waits. Errors of the socket that a
/// datagram sent earlier caused do not come up, because a receiving socket sends none.
pub fn receive(socket: BorrowedFd, arena: &mut Arena) -> io::Result<usize> {
    // SAFETY: both are C structs of integers and pointers, for which all-zero bytes are a value.
    let (mut parts, mut headers): ([libc::iovec; DATAGRAMS_PER_CALL], [libc::mmsghdr; DATAGRAMS_PER_CALL]) =
        unsafe { (zeroed(), zeroed()) };
    let room = arena.bytes.chunks_exact_mut(arena.room);
    for (((part, header), room), sender) in parts.iter_mut().zip(&mut headers).zip(room).zip(&mut arena.senders) {
        part.iov_base = room.as_mut_ptr().cast();
        part.iov_len = room.len();
        header.msg_hdr.msg_iov = part;
        header.msg_hdr.msg_iovlen = 1;
        header.msg_hdr.msg_name = std::ptr::from_mut(sender).cast();
        header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
    }
    // With MSG_TRUNC a datagram's length is its true one, also if it did not fit.
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: `headers` holds as many headers as the call is told; each points at its own part of `arena` and
    // `parts`, with the lengths that those have, and all of them outlive the call, which keeps no pointer.
    let got = unsafe {
        libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), DATAGRAMS_PER_CALL as u32, flags as _, null_mut())
    };
    let got = match usize::try_from(got) {
        Ok(got) => got,
        Err(_) => match io::Error::last_os_error() {
            e if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
            e => return Err(e),
        },
    };
    for (length, header) in arena.lengths.iter_mut().zip(&headers[..got]) {
        *length = header.msg_len as usize;
    }
    Ok(got)
}

/// Sends the datagrams, at most `DATAGRAMS_PER_CALL` of them, over a connected socket and says how many went; waits
/// while the socket is full.
pub fn send(socket: BorrowedFd, datagrams: &[&[u8]]) -> io::Result<usize> {
    let count = datagrams.len().min(DATAGRAMS_PER_CALL);
    // SAFETY: as in `receive`.
    let (mut parts, mut headers): ([libc::iovec; DATAGRAMS_PER_CALL], [libc::mmsghdr; DATAGRAMS_PER_CALL]) =
        unsafe { (zeroed(), zeroed()) };
    for ((part, header), datagram) in parts.iter_mut().zip(&mut headers).zip(datagrams) {
        part.iov_base = datagram.as_ptr().cast_mut().cast();
        part.iov_len = datagram.len();
        header.msg_hdr.msg_iov = part;
        header.msg_hdr.msg_iovlen = 1;
    }
    // SAFETY: the first `count` headers point at `parts`, which point at `datagrams`; the call only reads those, and
    // all outlive it.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count as u32, 0) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Waits until the socket has something to read; false if nothing came before the timeout or a signal came.
pub fn wait_readable(socket: BorrowedFd, timeout: Duration) -> io::Result<bool> {
    let mut asked = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let limit = libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos() as _,
    };
    // SAFETY: one `pollfd` and one `timespec` that outlive the call; no signal mask.
    match unsafe { libc::ppoll(&mut asked, 1, &limit, std::ptr::null()) } {
        ready if ready >= 0 => Ok(ready > 0),
        _ => match io::Error::last_os_error() {
            e if e.kind() == io::ErrorKind::Interrupted => Ok(false),
            e => Err(e),
        },
    }
}

/// Asks for a receive buffer beyond `net.core.rmem_max`; needs CAP_NET_ADMIN.
pub fn force_receive_buffer(socket: BorrowedFd, bytes: usize) -> io::Result<()> {
    let bytes = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    // SAFETY: the option takes one `c_int`, which outlives the call.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            std::ptr::from_ref(&bytes).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Datagrams that the kernel has dropped for this socket since it was opened, modulo 2^32.
///
/// SO_MEMINFO rather than SO_RXQ_OVFL, which carries the same counter but only along with a datagram, so that what is
/// dropped after the last one would never be told, and which costs ancillary data on every datagram; and rather than
/// `/proc/net/udp`, which has to be read and searched for all sockets of the machine.
pub fn kernel_drops(socket: BorrowedFd) -> io::Result<u32> {
    let mut values = [0u32; MEMINFO_VALUES];
    let mut length = size_of_val(&values) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `values`, and the length written to `length`.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            values.as_mut_ptr().cast(),
            &mut length,
        )
    };
    if done == 0 { Ok(values[MEMINFO_DROPS]) } else { Err(io::Error::last_os_error()) }
}
