// Sockets: families, types, options, addresses, messages and their control data. Behind a constant
// stands its first kernel where that is newer than 5.1. The numbers are the same on all
// machines but PowerPC. Source: include/linux/socket.h, include/uapi/asm-generic/socket.h,
// arch/powerpc/include/uapi/asm/{socket,ioctls}.h, linux/{in,in6,un,tcp,udp,if,sockios,errqueue}.h.
#pragma once

#include "abi_file.h"
#include "types.h"

namespace oxbow::abi {

namespace socket_family {
inline constexpr i32 unspecified = 0;
inline constexpr i32 local = 1; ///< AF_UNIX
inline constexpr i32 inet = 2;
inline constexpr i32 inet6 = 10;
inline constexpr i32 netlink = 16;
inline constexpr i32 packet = 17;
inline constexpr i32 vsock = 40;
} // namespace socket_family

/// Types of socket and socketpair; the two flags below go into the same argument.
namespace socket_type {
inline constexpr i32 stream = 1;
inline constexpr i32 datagram = 2;
inline constexpr i32 raw = 3;
inline constexpr i32 seqpacket = 5;
inline constexpr i32 nonblock = 04000;
inline constexpr i32 cloexec = 02000000;
} // namespace socket_type

/// Flags of accept4.
namespace accept4_flag {
inline constexpr i32 nonblock = 04000;
inline constexpr i32 cloexec = 02000000;
} // namespace accept4_flag

namespace socket_protocol {
inline constexpr i32 ip = 0;
inline constexpr i32 icmp = 1;
inline constexpr i32 tcp = 6;
inline constexpr i32 udp = 17;
inline constexpr i32 icmpv6 = 58;
inline constexpr i32 mptcp = 262; ///< 5.6
} // namespace socket_protocol

/// `level` of setsockopt, getsockopt and of a control message.
namespace socket_level {
inline constexpr i32 ip = 0;
inline constexpr i32 socket = 1;
inline constexpr i32 tcp = 6;
inline constexpr i32 udp = 17;
inline constexpr i32 ipv6 = 41;
} // namespace socket_level

/// Options of socket_level::socket. The times are the forms that are 64 bits everywhere.
namespace socket_option {
inline constexpr i32 debug = 1;
inline constexpr i32 reuse_address = 2;
inline constexpr i32 type = 3;
inline constexpr i32 error = 4; ///< reading it clears it
inline constexpr i32 dont_route = 5;
inline constexpr i32 broadcast = 6;
inline constexpr i32 send_buffer = 7; ///< bytes; the kernel doubles what it is given: socket(7)
inline constexpr i32 receive_buffer = 8;
inline constexpr i32 keepalive = 9;
inline constexpr i32 oob_inline = 10;
inline constexpr i32 priority = 12;
inline constexpr i32 linger = 13; ///< Linger
inline constexpr i32 reuse_port = 15;
#if defined(__powerpc64__)
inline constexpr i32 receive_low_water = 16;
inline constexpr i32 pass_credentials = 20;
inline constexpr i32 peer_credentials = 21; ///< Credentials
#else
inline constexpr i32 pass_credentials = 16;
inline constexpr i32 peer_credentials = 17; ///< Credentials
inline constexpr i32 receive_low_water = 18;
#endif
inline constexpr i32 bind_to_device = 25;
inline constexpr i32 attach_filter = 26; ///< SockFprog
inline constexpr i32 accepting = 30;     ///< SO_ACCEPTCONN
inline constexpr i32 send_buffer_force = 32;
inline constexpr i32 receive_buffer_force = 33;
inline constexpr i32 mark = 36;
inline constexpr i32 protocol = 38;
inline constexpr i32 domain = 39;
inline constexpr i32 receive_queue_overflow = 40;
inline constexpr i32 busy_poll = 46;
inline constexpr i32 incoming_cpu = 49;
inline constexpr i32 incoming_napi_id = 56;
inline constexpr i32 cookie = 57;
inline constexpr i32 zerocopy = 60;
inline constexpr i32 timestamp_ns = 64; ///< SO_TIMESTAMPNS_NEW, Timespec
inline constexpr i32 timestamping = 65; ///< SO_TIMESTAMPING_NEW

// SocketTimeval. Where `long` has 64 bits, that is what the first numbers (SO_RCVTIMEO_OLD) take
// too, and they are known to every kernel and emulator.
#if defined(__powerpc64__)
inline constexpr i32 receive_timeout = 18;
inline constexpr i32 send_timeout = 19;
#else
inline constexpr i32 receive_timeout = sizeof(long) == 8 ? 20 : 66; ///< 66: SO_RCVTIMEO_NEW
inline constexpr i32 send_timeout = sizeof(long) == 8 ? 21 : 67;    ///< 67: SO_SNDTIMEO_NEW
#endif

inline constexpr i32 prefer_busy_poll = 69; ///< 5.11
inline constexpr i32 peer_pidfd = 77;       ///< 6.5
} // namespace socket_option

namespace tcp_option {
inline constexpr i32 nodelay = 1;
inline constexpr i32 max_segment = 2;
inline constexpr i32 cork = 3;
inline constexpr i32 keep_idle_seconds = 4;
inline constexpr i32 keep_interval_seconds = 5;
inline constexpr i32 keep_count = 6;
inline constexpr i32 syn_count = 7;
inline constexpr i32 linger2 = 8;
inline constexpr i32 defer_accept = 9;
inline constexpr i32 window_clamp = 10;
inline constexpr i32 info = 11;
inline constexpr i32 quickack = 12;
inline constexpr i32 congestion = 13;
inline constexpr i32 user_timeout_ms = 18;
inline constexpr i32 fastopen = 23;
inline constexpr i32 notsent_low_water = 25;
inline constexpr i32 fastopen_connect = 30;
} // namespace tcp_option

namespace udp_option {
inline constexpr i32 cork = 1;
inline constexpr i32 segment = 103; ///< send as many datagrams of this size
inline constexpr i32 gro = 104;
} // namespace udp_option

namespace ip_option {
inline constexpr i32 tos = 1;
inline constexpr i32 ttl = 2;
inline constexpr i32 packet_info = 8;
inline constexpr i32 mtu_discover = 10;
inline constexpr i32 receive_errors = 11;
inline constexpr i32 receive_tos = 13;
inline constexpr i32 freebind = 15;
inline constexpr i32 transparent = 19;
inline constexpr i32 bind_address_no_port = 24;
inline constexpr i32 multicast_interface = 32;
inline constexpr i32 multicast_ttl = 33;
inline constexpr i32 multicast_loop = 34;
inline constexpr i32 add_membership = 35;
inline constexpr i32 drop_membership = 36;
} // namespace ip_option

namespace ipv6_option {
inline constexpr i32 unicast_hops = 16;
inline constexpr i32 multicast_interface = 17;
inline constexpr i32 multicast_hops = 18;
inline constexpr i32 multicast_loop = 19;
inline constexpr i32 add_membership = 20;
inline constexpr i32 drop_membership = 21;
inline constexpr i32 mtu_discover = 23;
inline constexpr i32 receive_errors = 25;
inline constexpr i32 only_v6 = 26;
inline constexpr i32 receive_packet_info = 49;
inline constexpr i32 packet_info = 50;
inline constexpr i32 receive_traffic_class = 66;
inline constexpr i32 traffic_class = 67;
} // namespace ipv6_option

/// Flags of send and receive calls, and MessageHeader::flags of an answer.
namespace msg_flag {
inline constexpr u32 oob = 0x1;
inline constexpr u32 peek = 0x2;
inline constexpr u32 dont_route = 0x4;
inline constexpr u32 control_truncated = 0x8;
inline constexpr u32 truncated = 0x20;
inline constexpr u32 dontwait = 0x40;
inline constexpr u32 end_of_record = 0x80;
inline constexpr u32 waitall = 0x100;
inline constexpr u32 confirm = 0x800;
inline constexpr u32 error_queue = 0x2000;
inline constexpr u32 nosignal = 0x4000;
inline constexpr u32 more = 0x8000;
inline constexpr u32 wait_for_one = 0x10000;
inline constexpr u32 zerocopy = 0x4000000;
inline constexpr u32 fastopen = 0x20000000;
inline constexpr u32 control_cloexec = 0x40000000;
} // namespace msg_flag

/// shutdown.
namespace shutdown_how {
inline constexpr i32 read = 0;
inline constexpr i32 write = 1;
inline constexpr i32 both = 2;
} // namespace shutdown_how

/// A 16-bit number in network byte order, and back: ports.
[[nodiscard]] constexpr u16 network_order(u16 value) noexcept {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return static_cast<u16>((value >> 8) | (value << 8));
#else
    return value;
#endif
}

/// A 32-bit number in network byte order, and back: IPv4 addresses.
[[nodiscard]] constexpr u32 network_order(u32 value) noexcept {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return (value >> 24) | ((value >> 8) & 0xff00u) | ((value << 8) & 0xff0000u) | (value << 24);
#else
    return value;
#endif
}

inline constexpr u32 ipv4_any = 0;
inline constexpr u32 ipv4_loopback = network_order(u32{0x7f000001});

/// Any address, by its family: struct sockaddr.
struct SocketAddress {
    u16 family;
    u8 data[14];
};

/// struct sockaddr_in.
struct SocketAddressIn {
    u16 family;  ///< socket_family::inet
    u16 port;    ///< network order
    u32 address; ///< network order
    u8 pad[8];
};

/// struct sockaddr_in6.
struct SocketAddressIn6 {
    u16 family; ///< socket_family::inet6
    u16 port;   ///< network order
    u32 flow_info;
    u8 address[16];
    u32 scope_id;
};

/// struct sockaddr_un. A first zero byte makes the name abstract; the length given to the call then
/// says where it ends: unix(7).
struct SocketAddressUn {
    u16 family; ///< socket_family::local
    char path[108];
};

/// Room for any address: struct sockaddr_storage.
struct SocketAddressStorage {
    union {
        u16 family;
        SocketAddress any;
        SocketAddressIn in;
        SocketAddressIn6 in6;
        SocketAddressUn local;
        u8 bytes[128];
        void* align;
    };
};

/// struct linger.
struct Linger {
    i32 on;
    i32 seconds;
};

/// Argument of the timeouts: struct __kernel_sock_timeval.
struct SocketTimeval {
    i64 seconds;
    i64 microseconds;
};

/// struct ucred.
struct Credentials {
    i32 pid;
    u32 user_id;
    u32 group_id;
};

/// Argument of sendmsg and recvmsg: struct msghdr of the kernel, whose lengths are machine words.
struct MessageHeader {
    void* name;
    i32 name_bytes;
    IoVec* vectors;
    usize vector_count;
    void* control;
    usize control_bytes;
    u32 flags; ///< answer of recvmsg
};

/// One of sendmmsg and recvmmsg: struct mmsghdr.
struct ManyMessageHeader {
    MessageHeader header;
    u32 bytes; ///< answer
};

/// Head of one control message; its data follows it: struct cmsghdr.
struct ControlHeader {
    usize bytes; ///< head and data, without padding
    i32 level;
    i32 type;

    [[nodiscard]] void* data() noexcept { return this + 1; }
    [[nodiscard]] const void* data() const noexcept { return this + 1; }
};

/// ControlHeader::type of socket_level::socket.
namespace control_type {
inline constexpr i32 rights = 1;      ///< descriptors
inline constexpr i32 credentials = 2; ///< Credentials
inline constexpr i32 pidfd = 4;       ///< 6.5
} // namespace control_type

/// `bytes` rounded up to the machine word on which control messages begin.
[[nodiscard]] constexpr usize control_align(usize bytes) noexcept {
    return (bytes + sizeof(usize) - 1) & ~(sizeof(usize) - 1);
}

/// Room that a control message with so much data takes among others: CMSG_SPACE.
[[nodiscard]] constexpr usize control_space(usize data_bytes) noexcept {
    return sizeof(ControlHeader) + control_align(data_bytes);
}

/// ControlHeader::bytes of a control message with so much data: CMSG_LEN.
[[nodiscard]] constexpr usize control_length(usize data_bytes) noexcept {
    return sizeof(ControlHeader) + data_bytes;
}

/// First control message of `header`, or nullptr.
[[nodiscard]] inline ControlHeader* first_control(const MessageHeader& header) noexcept {
    return header.control_bytes < sizeof(ControlHeader)
               ? nullptr
               : static_cast<ControlHeader*>(header.control);
}

/// The control message after `control`, or nullptr at the end or where the length makes no sense.
[[nodiscard]] inline ControlHeader* next_control(const MessageHeader& header,
                                                 ControlHeader* control) noexcept {
    char* const begin = static_cast<char*>(header.control);
    const usize used = static_cast<usize>(reinterpret_cast<char*>(control) - begin);
    const usize left = header.control_bytes - used;
    if (control->bytes < sizeof(ControlHeader) || control->bytes > left) {
        return nullptr;
    }
    const usize step = control_align(control->bytes);
    if (step > left || left - step < sizeof(ControlHeader)) {
        return nullptr;
    }
    return reinterpret_cast<ControlHeader*>(begin + used + step);
}

/// struct in_pktinfo.
struct Ipv4PacketInfo {
    i32 interface_index;
    u32 local_address;
    u32 destination;
};

/// struct in6_pktinfo.
struct Ipv6PacketInfo {
    u8 destination[16];
    u32 interface_index;
};

/// struct ip_mreqn.
struct Ipv4Membership {
    u32 group;
    u32 local_address;
    i32 interface_index;
};

/// struct ipv6_mreq.
struct Ipv6Membership {
    u8 group[16];
    i32 interface_index;
};

/// What an error queue yields: struct sock_extended_err.
struct SocketExtendedError {
    u32 error;
    u8 origin; ///< 5 is a zero-copy send's notification
    u8 type;
    u8 code;
    u8 pad;
    u32 info;
    u32 data;
};

/// Argument of the interface ioctls: struct ifreq.
struct InterfaceRequest {
    char name[16];
    union {
        SocketAddress address;
        i16 flags; ///< interface_flag
        i32 index;
        i32 mtu;
        u8 bytes[sizeof(long) == 8 ? 24 : 16];
        void* align;
    };
};

namespace interface_flag {
inline constexpr i16 up = 0x1;
inline constexpr i16 loopback = 0x8;
inline constexpr i16 running = 0x40;
} // namespace interface_flag

/// Commands of ioctl on sockets.
namespace socket_ioctl {
inline constexpr u32 bytes_readable = file_ioctl::fionread; ///< SIOCINQ, i32*
#if defined(__powerpc64__)
inline constexpr u32 bytes_unsent = 0x40047473; ///< SIOCOUTQ, i32*
#else
inline constexpr u32 bytes_unsent = 0x5411; ///< SIOCOUTQ, i32*
#endif
inline constexpr u32 get_interface_flags = 0x8913;
inline constexpr u32 set_interface_flags = 0x8914;
inline constexpr u32 get_interface_address = 0x8915;
inline constexpr u32 set_interface_address = 0x8916;
inline constexpr u32 get_interface_index = 0x8933;
} // namespace socket_ioctl

} // namespace oxbow::abi
