//! Attacks by connections: every family of sockets, the ring that makes sockets without the call, and
//! sockets that were left open.

use libc::{
    AF_ALG, AF_BLUETOOTH, AF_CAN, AF_INET, AF_INET6, AF_KEY, AF_NETLINK, AF_PACKET, AF_TIPC,
    AF_UNIX, AF_VSOCK, AF_XDP, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM, SYS_bind,
    SYS_connect, SYS_io_uring_enter, SYS_io_uring_setup, SYS_listen, SYS_mmap, SYS_sendmsg,
    SYS_sendto, SYS_setsockopt, SYS_socket, SYS_socketpair,
};
use vivarium_bypass::stand::Stand;

use crate::board::{Attack, n, seen, told, write};
use crate::sys::{Got, at, bytes_at, call, into, just, put_at, text};

/// `socket` in the numbers of the x32 form.
const SOCKET_X32: libc::c_long = 0x4000_0000 + 41;

pub(crate) const ALL: &[Attack] = &[
    seen("tcp", "connects by TCP", |s| internet(s, SOCK_STREAM, 0)),
    seen("tcp_soon", "connects by TCP without waiting", |s| {
        internet(s, SOCK_STREAM | libc::SOCK_NONBLOCK, 0)
    }),
    seen("tcp_any", "connects by TCP to the address of no machine", |s| {
        let socket = call(SYS_socket, &[n(AF_INET), n(SOCK_STREAM), 0])?;
        call(SYS_connect, &[socket, at(&address(s.tcp, [0; 4])), 16])?;
        write(socket, &s.token)
    }),
    seen("tcp_6", "connects by TCP in the form of version 6", |s| {
        let socket = call(SYS_socket, &[n(AF_INET6), n(SOCK_STREAM), 0])?;
        call(SYS_connect, &[socket, at(&mapped(s.tcp)), 28])?;
        write(socket, &s.token)
    }),
    seen("mptcp", "connects by the TCP of several paths", |s| internet(s, SOCK_STREAM, 262)),
    seen("fast_open", "connects and sends in one call", |s| {
        let socket = call(SYS_socket, &[n(AF_INET), n(SOCK_STREAM), 0])?;
        let fast = n(libc::MSG_FASTOPEN);
        let (to, words) = (address(s.tcp, [127, 0, 0, 1]), text(&s.token));
        just(SYS_sendto, &[socket, words.at(), 8, fast, at(&to), 16])
    }),
    seen("udp", "sends by UDP", |s| {
        let socket = call(SYS_socket, &[n(AF_INET), n(SOCK_DGRAM), 0])?;
        let (to, words) = (address(s.udp, [127, 0, 0, 1]), text(&s.token));
        just(SYS_sendto, &[socket, words.at(), 8, 0, at(&to), 16])
    }),
    seen("udp_6", "sends by UDP in the form of version 6", |s| {
        let socket = call(SYS_socket, &[n(AF_INET6), n(SOCK_DGRAM), 0])?;
        just(SYS_sendto, &[socket, text(&s.token).at(), 8, 0, at(&mapped(s.udp)), 28])
    }),
    seen("udp_message", "sends by UDP as a message", |s| {
        let socket = call(SYS_socket, &[n(AF_INET), n(SOCK_DGRAM), 0])?;
        let (to, words) = (address(s.udp, [127, 0, 0, 1]), text(&s.token));
        let part = [words.at(), 8];
        let message = [at(&to), 16, at(&part), 1, 0, 0, 0];
        just(SYS_sendmsg, &[socket, at(&message), 0])
    }),
    seen("unix_path", "connects to a socket by its path", |s| {
        unix(s, SOCK_STREAM, &format!("{}\0", s.unix))
    }),
    seen("unix_hidden", "connects to a socket that has no path", |s| {
        unix(s, SOCK_STREAM, &format!("\0{}", s.hidden))
    }),
    told("unix_pair", "makes a pair of sockets", |_| {
        just(SYS_socketpair, &[n(AF_UNIX), n(SOCK_STREAM), 0, into(&mut [0_i32; 2])])
    }),
    told("unix_listen", "listens where no path is", |s| {
        let socket = call(SYS_socket, &[n(AF_UNIX), n(SOCK_STREAM), 0])?;
        let name = unix_address(&format!("\0own-{}", s.token));
        call(SYS_bind, &[socket, at(name.as_slice()), i64::try_from(name.len()).unwrap_or(0)])?;
        just(SYS_listen, &[socket, 1])
    }),
    told("tcp_listen", "listens by TCP", |_| {
        let socket = call(SYS_socket, &[n(AF_INET), n(SOCK_STREAM), 0])?;
        call(SYS_bind, &[socket, at(&address(0, [127, 0, 0, 1])), 16])?;
        just(SYS_listen, &[socket, 1])
    }),
    told("udp_listen", "listens by UDP", |_| {
        let socket = call(SYS_socket, &[n(AF_INET), n(SOCK_DGRAM), 0])?;
        just(SYS_bind, &[socket, at(&address(0, [127, 0, 0, 1])), 16])
    }),
    told("ping", "asks a machine whether it is there", |_| socket(AF_INET, SOCK_DGRAM, 1)),
    told("raw", "sends packets of its own making", |_| socket(AF_INET, SOCK_RAW, 1)),
    told("udp_lite", "takes a rare form of UDP", |_| socket(AF_INET, SOCK_DGRAM, 136)),
    told("sctp", "takes a rare transport", |_| socket(AF_INET, SOCK_SEQPACKET, 132)),
    told("dccp", "takes another rare transport", |_| socket(AF_INET, 6, 33)),
    told("packets", "reads packets of the machine", |_| socket(AF_PACKET, SOCK_RAW, 0x300)),
    told("vsock", "speaks to the machine below", |_| socket(AF_VSOCK, SOCK_STREAM, 0)),
    told("netlink_routes", "asks the kernel for routes", |_| socket(AF_NETLINK, SOCK_RAW, 0)),
    told("netlink_sockets", "asks the kernel for sockets", |_| socket(AF_NETLINK, SOCK_RAW, 4)),
    told("netlink_audit", "asks the kernel for its audit", |_| socket(AF_NETLINK, SOCK_RAW, 9)),
    told("netlink_generic", "asks the kernel for anything", |_| socket(AF_NETLINK, SOCK_RAW, 16)),
    told("netlink_events", "hears of devices", |_| socket(AF_NETLINK, SOCK_RAW, 15)),
    told("bluetooth", "speaks by radio", |_| socket(AF_BLUETOOTH, SOCK_RAW, 1)),
    told("cipher", "has the kernel encrypt", |_| socket(AF_ALG, SOCK_SEQPACKET, 0)),
    told("security_keys", "manages keys of the network", |_| socket(AF_KEY, SOCK_RAW, 2)),
    told("express_data", "shares memory with a network card", |_| socket(AF_XDP, SOCK_RAW, 0)),
    told("cluster", "speaks to a cluster", |_| socket(AF_TIPC, SOCK_STREAM, 0)),
    told("vehicle", "speaks to a vehicle's bus", |_| socket(AF_CAN, SOCK_RAW, 1)),
    told("shared_memory_transport", "takes TCP by shared memory", |_| socket(43, SOCK_STREAM, 0)),
    told("x32_socket", "makes a socket in the numbers of another form", |_| {
        just(SOCKET_X32, &[n(AF_INET), n(SOCK_STREAM), 0])
    }),
    told("socket_32", "makes a socket in the form of 32-bit programs", |_| {
        crate::sys::ok(crate::sys::call_32(359, 2, 1, 0))
    }),
    told("ring_socket", "makes a socket by the ring instead of the call", ring_socket),
    seen("leaked_socket", "writes to a socket that was left open", |s| {
        write(n(s.leaked_socket), &s.token)
    }),
    seen("leaked_socket_send", "sends to a socket that was left open", |s| {
        just(SYS_sendto, &[n(s.leaked_socket), text(&s.token).at(), 8, 0, 0, 0])
    }),
    told("leaked_socket_set", "changes a socket that was left open", |s| {
        let one = 1_i32;
        let (level, keep) = (n(libc::SOL_SOCKET), n(libc::SO_KEEPALIVE));
        just(SYS_setsockopt, &[n(s.leaked_socket), level, keep, at(&one), 4])
    }),
    told("leaked_socket_shut", "asks who is at a socket that was left open", |s| {
        let (mut peer, mut length) = ([0_u8; 128], 128_u32);
        let (peer, length) = (into(&mut peer), into(&mut length));
        just(libc::SYS_getpeername, &[n(s.leaked_socket), peer, length])
    }),
];

fn socket(family: i32, kind: i32, protocol: i32) -> Got {
    just(SYS_socket, &[n(family), n(kind), n(protocol)])
}

/// An address of the internet, as the kernel takes it.
fn address(port: u16, host: [u8; 4]) -> [u8; 16] {
    let (family, port) = (AF_INET.to_ne_bytes(), port.to_be_bytes());
    let [a, b, c, d] = host;
    [family[0], family[1], port[0], port[1], a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// This machine's address of version 4, in the form of version 6.
fn mapped(port: u16) -> [u8; 28] {
    let mut made = [0_u8; 28];
    let (family, port) = (AF_INET6.to_ne_bytes(), port.to_be_bytes());
    let parts = [(0, family[0]), (1, family[1]), (2, port[0]), (3, port[1])];
    let host = [(18, 0xff), (19, 0xff), (20, 127), (23, 1)];
    for (place, byte) in parts.into_iter().chain(host) {
        if let Some(spot) = made.get_mut(place) {
            *spot = byte;
        }
    }
    made
}

fn internet(stand: &Stand, kind: i32, protocol: i32) -> Got {
    let socket = call(SYS_socket, &[n(AF_INET), n(kind), n(protocol)])?;
    call(SYS_connect, &[socket, at(&address(stand.tcp, [127, 0, 0, 1])), 16])?;
    write(socket, &stand.token)
}

fn unix_address(name: &str) -> Vec<u8> {
    let family = AF_UNIX.to_ne_bytes();
    [&family[..2], name.as_bytes()].concat()
}

fn unix(stand: &Stand, kind: i32, name: &str) -> Got {
    let socket = call(SYS_socket, &[n(AF_UNIX), n(kind), 0])?;
    let name = unix_address(name);
    let length = i64::try_from(name.len()).unwrap_or(0);
    call(SYS_connect, &[socket, at(name.as_slice()), length])?;
    write(socket, &stand.token)
}

/// Has the ring of `io_uring` make a socket, and reads from its answer whether it did.
fn ring_socket(_: &Stand) -> Got {
    const SOCKET: u8 = 45;
    let mut about = [0_u32; 30];
    let ring = call(SYS_io_uring_setup, &[4, into(&mut about)])?;
    let map = |offset: i64| call(SYS_mmap, &[0, 4096, 3, 1, ring, offset]);
    let (rings, entries) = (map(0)?, map(0x1000_0000)?);
    let mut entry = [0_u8; 64];
    entry[0] = SOCKET;
    entry[4] = 2;
    entry[8] = 1;
    put_at(entries, &entry);
    // Where the kernel says that the tail and the array of submissions lie, then the answers.
    let place = |at: usize| i64::from(about.get(at).copied().unwrap_or(0));
    put_at(rings + place(16), &0_u32.to_ne_bytes());
    put_at(rings + place(11), &1_u32.to_ne_bytes());
    call(SYS_io_uring_enter, &[ring, 1, 1, 1, 0, 0])?;
    let answer = bytes_at(rings + place(25) + 8, 4);
    let answer = answer.try_into().map_or(-1, i32::from_ne_bytes);
    if answer < 0 { Err(-answer) } else { Ok(answer.to_string()) }
}
