// Our structs and constants of sockets, readiness and signals beside the C library's headers; they
// are the kernel's own wherever the two agree, and where they do not (sigset_t, struct sigaction,
// sockaddr_storage's inside) call tests use them for real. abi_kernel_test.cc has the rest. Only in
// hosted builds. These headers come first, to prove that their macros leave our names alone.
#if __STDC_HOSTED__ && __has_include(<sys/epoll.h>)

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/errqueue.h>
#include <linux/sockios.h>

#include "../syscall/abi_epoll.h"
#include "../syscall/abi_file.h"
#include "../syscall/abi_memory.h"
#include "../syscall/abi_process.h"
#include "../syscall/abi_signal.h"
#include "../syscall/abi_socket.h"
#include "../syscall/call.h"
#include "../syscall/text.h"
#include "abi_compare.h"
#include "harness.h"

namespace oxbow::test {

namespace {

constexpr Comparison socket_rows[] = {
    SAME(abi::socket_family::unspecified, AF_UNSPEC),
    SAME(abi::socket_family::local, AF_UNIX),
    SAME(abi::socket_family::inet, AF_INET),
    SAME(abi::socket_family::inet6, AF_INET6),
    SAME(abi::socket_family::netlink, AF_NETLINK),
    SAME(abi::socket_family::packet, AF_PACKET),
    SAME(abi::socket_family::vsock, AF_VSOCK),
    SAME(abi::socket_type::stream, SOCK_STREAM),
    SAME(abi::socket_type::datagram, SOCK_DGRAM),
    SAME(abi::socket_type::raw, SOCK_RAW),
    SAME(abi::socket_type::seqpacket, SOCK_SEQPACKET),
    SAME(abi::socket_type::nonblock, SOCK_NONBLOCK),
    SAME(abi::socket_type::cloexec, SOCK_CLOEXEC),
    SAME(abi::accept4_flag::nonblock, SOCK_NONBLOCK),
    SAME(abi::accept4_flag::cloexec, SOCK_CLOEXEC),
    SAME(abi::socket_protocol::ip, IPPROTO_IP),
    SAME(abi::socket_protocol::icmp, IPPROTO_ICMP),
    SAME(abi::socket_protocol::tcp, IPPROTO_TCP),
    SAME(abi::socket_protocol::udp, IPPROTO_UDP),
    SAME(abi::socket_protocol::icmpv6, IPPROTO_ICMPV6),
#if defined(IPPROTO_MPTCP)
    SAME(abi::socket_protocol::mptcp, IPPROTO_MPTCP),
#endif
    SAME(abi::socket_level::ip, SOL_IP),
    SAME(abi::socket_level::socket, SOL_SOCKET),
    SAME(abi::socket_level::tcp, SOL_TCP),
    SAME(abi::socket_level::udp, SOL_UDP),
    SAME(abi::socket_level::ipv6, SOL_IPV6),
    SAME(abi::msg_flag::oob, MSG_OOB),
    SAME(abi::msg_flag::peek, MSG_PEEK),
    SAME(abi::msg_flag::dont_route, MSG_DONTROUTE),
    SAME(abi::msg_flag::control_truncated, MSG_CTRUNC),
    SAME(abi::msg_flag::truncated, MSG_TRUNC),
    SAME(abi::msg_flag::dontwait, MSG_DONTWAIT),
    SAME(abi::msg_flag::end_of_record, MSG_EOR),
    SAME(abi::msg_flag::waitall, MSG_WAITALL),
    SAME(abi::msg_flag::confirm, MSG_CONFIRM),
    SAME(abi::msg_flag::error_queue, MSG_ERRQUEUE),
    SAME(abi::msg_flag::nosignal, MSG_NOSIGNAL),
    SAME(abi::msg_flag::more, MSG_MORE),
    SAME(abi::msg_flag::wait_for_one, MSG_WAITFORONE),
    SAME(abi::msg_flag::zerocopy, MSG_ZEROCOPY),
    SAME(abi::msg_flag::fastopen, MSG_FASTOPEN),
    SAME(abi::msg_flag::control_cloexec, MSG_CMSG_CLOEXEC),
    SAME(abi::shutdown_how::read, SHUT_RD),
    SAME(abi::shutdown_how::write, SHUT_WR),
    SAME(abi::shutdown_how::both, SHUT_RDWR),
    SAME(abi::control_type::rights, SCM_RIGHTS),
    SAME(abi::control_type::credentials, SCM_CREDENTIALS),
    SAME(abi::interface_flag::up, IFF_UP),
    SAME(abi::interface_flag::loopback, IFF_LOOPBACK),
    SAME(abi::interface_flag::running, IFF_RUNNING),
    SAME(abi::socket_ioctl::bytes_readable, SIOCINQ),
    SAME(abi::socket_ioctl::bytes_unsent, SIOCOUTQ),
    SAME(abi::socket_ioctl::get_interface_flags, SIOCGIFFLAGS),
    SAME(abi::socket_ioctl::set_interface_flags, SIOCSIFFLAGS),
    SAME(abi::socket_ioctl::get_interface_address, SIOCGIFADDR),
    SAME(abi::socket_ioctl::set_interface_address, SIOCSIFADDR),
    SAME(abi::socket_ioctl::get_interface_index, SIOCGIFINDEX),
};
static_assert(all_same(socket_rows));

constexpr Comparison option_rows[] = {
    SAME(abi::socket_option::debug, SO_DEBUG),
    SAME(abi::socket_option::reuse_address, SO_REUSEADDR),
    SAME(abi::socket_option::type, SO_TYPE),
    SAME(abi::socket_option::error, SO_ERROR),
    SAME(abi::socket_option::dont_route, SO_DONTROUTE),
    SAME(abi::socket_option::broadcast, SO_BROADCAST),
    SAME(abi::socket_option::send_buffer, SO_SNDBUF),
    SAME(abi::socket_option::receive_buffer, SO_RCVBUF),
    SAME(abi::socket_option::keepalive, SO_KEEPALIVE),
    SAME(abi::socket_option::oob_inline, SO_OOBINLINE),
    SAME(abi::socket_option::priority, SO_PRIORITY),
    SAME(abi::socket_option::linger, SO_LINGER),
    SAME(abi::socket_option::reuse_port, SO_REUSEPORT),
    SAME(abi::socket_option::pass_credentials, SO_PASSCRED),
    SAME(abi::socket_option::peer_credentials, SO_PEERCRED),
    SAME(abi::socket_option::receive_low_water, SO_RCVLOWAT),
    SAME(abi::socket_option::bind_to_device, SO_BINDTODEVICE),
    SAME(abi::socket_option::attach_filter, SO_ATTACH_FILTER),
    SAME(abi::socket_option::accepting, SO_ACCEPTCONN),
    SAME(abi::socket_option::send_buffer_force, SO_SNDBUFFORCE),
    SAME(abi::socket_option::receive_buffer_force, SO_RCVBUFFORCE),
    SAME(abi::socket_option::mark, SO_MARK),
    SAME(abi::socket_option::protocol, SO_PROTOCOL),
    SAME(abi::socket_option::domain, SO_DOMAIN),
    SAME(abi::socket_option::receive_queue_overflow, SO_RXQ_OVFL),
    SAME(abi::socket_option::busy_poll, SO_BUSY_POLL),
    SAME(abi::socket_option::incoming_cpu, SO_INCOMING_CPU),
    SAME(abi::socket_option::incoming_napi_id, SO_INCOMING_NAPI_ID),
    SAME(abi::socket_option::cookie, SO_COOKIE),
    SAME(abi::socket_option::zerocopy, SO_ZEROCOPY),
    SAME(abi::socket_option::timestamp_ns, SO_TIMESTAMPNS_NEW),
    SAME(abi::socket_option::timestamping, SO_TIMESTAMPING_NEW),
    SAME(abi::socket_option::receive_timeout,
         sizeof(long) == 8 ? SO_RCVTIMEO_OLD : SO_RCVTIMEO_NEW),
    SAME(abi::socket_option::send_timeout, sizeof(long) == 8 ? SO_SNDTIMEO_OLD : SO_SNDTIMEO_NEW),
#if defined(SO_PREFER_BUSY_POLL)
    SAME(abi::socket_option::prefer_busy_poll, SO_PREFER_BUSY_POLL),
#endif
#if defined(SO_PEERPIDFD)
    SAME(abi::socket_option::peer_pidfd, SO_PEERPIDFD),
#endif
    SAME(abi::tcp_option::nodelay, TCP_NODELAY),
    SAME(abi::tcp_option::max_segment, TCP_MAXSEG),
    SAME(abi::tcp_option::cork, TCP_CORK),
    SAME(abi::tcp_option::keep_idle_seconds, TCP_KEEPIDLE),
    SAME(abi::tcp_option::keep_interval_seconds, TCP_KEEPINTVL),
    SAME(abi::tcp_option::keep_count, TCP_KEEPCNT),
    SAME(abi::tcp_option::syn_count, TCP_SYNCNT),
    SAME(abi::tcp_option::linger2, TCP_LINGER2),
    SAME(abi::tcp_option::defer_accept, TCP_DEFER_ACCEPT),
    SAME(abi::tcp_option::window_clamp, TCP_WINDOW_CLAMP),
    SAME(abi::tcp_option::info, TCP_INFO),
    SAME(abi::tcp_option::quickack, TCP_QUICKACK),
    SAME(abi::tcp_option::congestion, TCP_CONGESTION),
    SAME(abi::tcp_option::user_timeout_ms, TCP_USER_TIMEOUT),
    SAME(abi::tcp_option::fastopen, TCP_FASTOPEN),
#if defined(TCP_FASTOPEN_CONNECT)
    SAME(abi::tcp_option::fastopen_connect, TCP_FASTOPEN_CONNECT),
#endif
#if defined(TCP_NOTSENT_LOWAT)
    SAME(abi::tcp_option::notsent_low_water, TCP_NOTSENT_LOWAT),
#endif
    SAME(abi::udp_option::cork, UDP_CORK),
#if defined(UDP_SEGMENT)
    SAME(abi::udp_option::segment, UDP_SEGMENT),
    SAME(abi::udp_option::gro, UDP_GRO),
#endif
    SAME(abi::ip_option::tos, IP_TOS),
    SAME(abi::ip_option::ttl, IP_TTL),
    SAME(abi::ip_option::packet_info, IP_PKTINFO),
    SAME(abi::ip_option::mtu_discover, IP_MTU_DISCOVER),
    SAME(abi::ip_option::receive_errors, IP_RECVERR),
    SAME(abi::ip_option::receive_tos, IP_RECVTOS),
    SAME(abi::ip_option::freebind, IP_FREEBIND),
    SAME(abi::ip_option::transparent, IP_TRANSPARENT),
    SAME(abi::ip_option::bind_address_no_port, IP_BIND_ADDRESS_NO_PORT),
    SAME(abi::ip_option::multicast_interface, IP_MULTICAST_IF),
    SAME(abi::ip_option::multicast_ttl, IP_MULTICAST_TTL),
    SAME(abi::ip_option::multicast_loop, IP_MULTICAST_LOOP),
    SAME(abi::ip_option::add_membership, IP_ADD_MEMBERSHIP),
    SAME(abi::ip_option::drop_membership, IP_DROP_MEMBERSHIP),
    SAME(abi::ipv6_option::unicast_hops, IPV6_UNICAST_HOPS),
    SAME(abi::ipv6_option::multicast_interface, IPV6_MULTICAST_IF),
    SAME(abi::ipv6_option::multicast_hops, IPV6_MULTICAST_HOPS),
    SAME(abi::ipv6_option::multicast_loop, IPV6_MULTICAST_LOOP),
    SAME(abi::ipv6_option::add_membership, IPV6_JOIN_GROUP),
    SAME(abi::ipv6_option::drop_membership, IPV6_LEAVE_GROUP),
    SAME(abi::ipv6_option::mtu_discover, IPV6_MTU_DISCOVER),
    SAME(abi::ipv6_option::receive_errors, IPV6_RECVERR),
    SAME(abi::ipv6_option::only_v6, IPV6_V6ONLY),
    SAME(abi::ipv6_option::receive_packet_info, IPV6_RECVPKTINFO),
    SAME(abi::ipv6_option::packet_info, IPV6_PKTINFO),
    SAME(abi::ipv6_option::receive_traffic_class, IPV6_RECVTCLASS),
    SAME(abi::ipv6_option::traffic_class, IPV6_TCLASS),
};
static_assert(all_same(option_rows));

constexpr Comparison address_rows[] = {
    SAME_SIZE(abi::SocketAddress, sockaddr),
    SAME_FIELD(abi::SocketAddress, family, sockaddr, sa_family),
    SAME_FIELD(abi::SocketAddress, data, sockaddr, sa_data),
    SAME_SIZE(abi::SocketAddressIn, sockaddr_in),
    SAME_FIELD(abi::SocketAddressIn, family, sockaddr_in, sin_family),
    SAME_FIELD(abi::SocketAddressIn, port, sockaddr_in, sin_port),
    SAME_FIELD(abi::SocketAddressIn, address, sockaddr_in, sin_addr),
    SAME_SIZE(abi::SocketAddressIn6, sockaddr_in6),
    SAME_FIELD(abi::SocketAddressIn6, family, sockaddr_in6, sin6_family),
    SAME_FIELD(abi::SocketAddressIn6, port, sockaddr_in6, sin6_port),
    SAME_FIELD(abi::SocketAddressIn6, flow_info, sockaddr_in6, sin6_flowinfo),
    SAME_FIELD(abi::SocketAddressIn6, address, sockaddr_in6, sin6_addr),
    SAME_FIELD(abi::SocketAddressIn6, scope_id, sockaddr_in6, sin6_scope_id),
    SAME_SIZE(abi::SocketAddressUn, sockaddr_un),
    SAME_FIELD(abi::SocketAddressUn, family, sockaddr_un, sun_family),
    SAME_FIELD(abi::SocketAddressUn, path, sockaddr_un, sun_path),
    SAME_SIZE(abi::SocketAddressStorage, sockaddr_storage),
    SAME_FIELD(abi::SocketAddressStorage, family, sockaddr_storage, ss_family),
    SAME_SIZE(abi::Linger, linger),
    SAME_FIELD(abi::Linger, on, linger, l_onoff),
    SAME_FIELD(abi::Linger, seconds, linger, l_linger),
    SAME_SIZE(abi::Credentials, ucred),
    SAME_FIELD(abi::Credentials, pid, ucred, pid),
    SAME_FIELD(abi::Credentials, user_id, ucred, uid),
    SAME_FIELD(abi::Credentials, group_id, ucred, gid),
    SAME_SIZE(abi::MessageHeader, msghdr),
    SAME_FIELD(abi::MessageHeader, name, msghdr, msg_name),
    SAME_FIELD(abi::MessageHeader, name_bytes, msghdr, msg_namelen),
    SAME_FIELD(abi::MessageHeader, vectors, msghdr, msg_iov),
    SAME_FIELD(abi::MessageHeader, vector_count, msghdr, msg_iovlen),
    SAME_FIELD(abi::MessageHeader, control, msghdr, msg_control),
    SAME_FIELD(abi::MessageHeader, control_bytes, msghdr, msg_controllen),
    SAME_FIELD(abi::MessageHeader, flags, msghdr, msg_flags),
    SAME_SIZE(abi::ManyMessageHeader, mmsghdr),
    SAME_FIELD(abi::ManyMessageHeader, header, mmsghdr, msg_hdr),
    SAME_FIELD(abi::ManyMessageHeader, bytes, mmsghdr, msg_len),
    SAME_SIZE(abi::ControlHeader, cmsghdr),
    SAME_FIELD(abi::ControlHeader, bytes, cmsghdr, cmsg_len),
    SAME_FIELD(abi::ControlHeader, level, cmsghdr, cmsg_level),
    SAME_FIELD(abi::ControlHeader, type, cmsghdr, cmsg_type),
    SAME(abi::control_space(0), CMSG_SPACE(0)),
    SAME(abi::control_space(1), CMSG_SPACE(1)),
    SAME(abi::control_space(4), CMSG_SPACE(4)),
    SAME(abi::control_space(12), CMSG_SPACE(12)),
    SAME(abi::control_space(16), CMSG_SPACE(16)),
    SAME(abi::control_length(0), CMSG_LEN(0)),
    SAME(abi::control_length(5), CMSG_LEN(5)),
    SAME_SIZE(abi::Ipv4PacketInfo, in_pktinfo),
    SAME_FIELD(abi::Ipv4PacketInfo, interface_index, in_pktinfo, ipi_ifindex),
    SAME_FIELD(abi::Ipv4PacketInfo, local_address, in_pktinfo, ipi_spec_dst),
    SAME_FIELD(abi::Ipv4PacketInfo, destination, in_pktinfo, ipi_addr),
    SAME_SIZE(abi::Ipv6PacketInfo, in6_pktinfo),
    SAME_FIELD(abi::Ipv6PacketInfo, destination, in6_pktinfo, ipi6_addr),
    SAME_FIELD(abi::Ipv6PacketInfo, interface_index, in6_pktinfo, ipi6_ifindex),
    SAME_SIZE(abi::Ipv4Membership, ip_mreqn),
    SAME_FIELD(abi::Ipv4Membership, group, ip_mreqn, imr_multiaddr),
    SAME_FIELD(abi::Ipv4Membership, local_address, ip_mreqn, imr_address),
    SAME_FIELD(abi::Ipv4Membership, interface_index, ip_mreqn, imr_ifindex),
    SAME_SIZE(abi::Ipv6Membership, ipv6_mreq),
    SAME_FIELD(abi::Ipv6Membership, group, ipv6_mreq, ipv6mr_multiaddr),
    SAME_FIELD(abi::Ipv6Membership, interface_index, ipv6_mreq, ipv6mr_interface),
    SAME_SIZE(abi::SocketExtendedError, sock_extended_err),
    SAME_FIELD(abi::SocketExtendedError, error, sock_extended_err, ee_errno),
    SAME_FIELD(abi::SocketExtendedError, origin, sock_extended_err, ee_origin),
    SAME_FIELD(abi::SocketExtendedError, type, sock_extended_err, ee_type),
    SAME_FIELD(abi::SocketExtendedError, code, sock_extended_err, ee_code),
    SAME_FIELD(abi::SocketExtendedError, info, sock_extended_err, ee_info),
    SAME_FIELD(abi::SocketExtendedError, data, sock_extended_err, ee_data),
    SAME_SIZE(abi::InterfaceRequest, ifreq),
    SAME_FIELD(abi::InterfaceRequest, name, ifreq, ifr_ifrn),
    SAME_FIELD(abi::InterfaceRequest, address, ifreq, ifr_addr),
    SAME_FIELD(abi::InterfaceRequest, flags, ifreq, ifr_flags),
    SAME_FIELD(abi::InterfaceRequest, index, ifreq, ifr_ifindex),
    SAME_FIELD(abi::InterfaceRequest, mtu, ifreq, ifr_mtu),
};
static_assert(all_same(address_rows));

constexpr Comparison event_rows[] = {
    SAME(abi::poll_event::in, POLLIN),
    SAME(abi::poll_event::pri, POLLPRI),
    SAME(abi::poll_event::out, POLLOUT),
    SAME(abi::poll_event::err, POLLERR),
    SAME(abi::poll_event::hup, POLLHUP),
    SAME(abi::poll_event::nval, POLLNVAL),
    SAME(abi::poll_event::rdnorm, POLLRDNORM),
    SAME(abi::poll_event::rdband, POLLRDBAND),
    SAME(abi::poll_event::wrnorm, POLLWRNORM),
    SAME(abi::poll_event::wrband, POLLWRBAND),
    SAME(abi::poll_event::msg, POLLMSG),
    SAME(abi::poll_event::rdhup, POLLRDHUP),
    SAME(abi::poll_event::in, u32{EPOLLIN}),
    SAME(abi::poll_event::out, u32{EPOLLOUT}),
    SAME(abi::poll_event::rdhup, u32{EPOLLRDHUP}),
    SAME(abi::epoll_flag::exclusive, u32{EPOLLEXCLUSIVE}),
    SAME(abi::epoll_flag::wakeup, u32{EPOLLWAKEUP}),
    SAME(abi::epoll_flag::oneshot, u32{EPOLLONESHOT}),
    SAME(abi::epoll_flag::edge_triggered, u32{EPOLLET}),
    SAME(abi::epoll_operation::add, EPOLL_CTL_ADD),
    SAME(abi::epoll_operation::remove, EPOLL_CTL_DEL),
    SAME(abi::epoll_operation::modify, EPOLL_CTL_MOD),
    SAME(abi::epoll_cloexec, int{EPOLL_CLOEXEC}),
    SAME(abi::eventfd_flag::semaphore, int{EFD_SEMAPHORE}),
    SAME(abi::eventfd_flag::nonblock, int{EFD_NONBLOCK}),
    SAME(abi::eventfd_flag::cloexec, int{EFD_CLOEXEC}),
    SAME(abi::timerfd_flag::nonblock, int{TFD_NONBLOCK}),
    SAME(abi::timerfd_flag::cloexec, int{TFD_CLOEXEC}),
    SAME(abi::timer_flag::absolute, int{TFD_TIMER_ABSTIME}),
    SAME(abi::timer_flag::cancel_on_set, int{TFD_TIMER_CANCEL_ON_SET}),
    SAME(abi::signalfd_flag::nonblock, int{SFD_NONBLOCK}),
    SAME(abi::signalfd_flag::cloexec, int{SFD_CLOEXEC}),
    SAME_SIZE(abi::PollFd, pollfd),
    SAME_FIELD(abi::PollFd, fd, pollfd, fd),
    SAME_FIELD(abi::PollFd, events, pollfd, events),
    SAME_FIELD(abi::PollFd, revents, pollfd, revents),
    // glibc packs it on i386 too, which changes only its alignment there.
    SAME(sizeof(abi::EpollEvent), sizeof(epoll_event)),
    SAME_FIELD(abi::EpollEvent, events, epoll_event, events),
    SAME_FIELD(abi::EpollEvent, data, epoll_event, data),
    SAME_SIZE(abi::SignalfdInfo, signalfd_siginfo),
    SAME_FIELD(abi::SignalfdInfo, signal, signalfd_siginfo, ssi_signo),
    SAME_FIELD(abi::SignalfdInfo, error, signalfd_siginfo, ssi_errno),
    SAME_FIELD(abi::SignalfdInfo, code, signalfd_siginfo, ssi_code),
    SAME_FIELD(abi::SignalfdInfo, pid, signalfd_siginfo, ssi_pid),
    SAME_FIELD(abi::SignalfdInfo, user_id, signalfd_siginfo, ssi_uid),
    SAME_FIELD(abi::SignalfdInfo, fd, signalfd_siginfo, ssi_fd),
    SAME_FIELD(abi::SignalfdInfo, timer_id, signalfd_siginfo, ssi_tid),
    SAME_FIELD(abi::SignalfdInfo, band, signalfd_siginfo, ssi_band),
    SAME_FIELD(abi::SignalfdInfo, overrun, signalfd_siginfo, ssi_overrun),
    SAME_FIELD(abi::SignalfdInfo, trap, signalfd_siginfo, ssi_trapno),
    SAME_FIELD(abi::SignalfdInfo, status, signalfd_siginfo, ssi_status),
    SAME_FIELD(abi::SignalfdInfo, value_integer, signalfd_siginfo, ssi_int),
    SAME_FIELD(abi::SignalfdInfo, value_pointer, signalfd_siginfo, ssi_ptr),
    SAME_FIELD(abi::SignalfdInfo, user_time, signalfd_siginfo, ssi_utime),
    SAME_FIELD(abi::SignalfdInfo, system_time, signalfd_siginfo, ssi_stime),
    SAME_FIELD(abi::SignalfdInfo, address, signalfd_siginfo, ssi_addr),
    SAME_FIELD(abi::SignalfdInfo, address_lsb, signalfd_siginfo, ssi_addr_lsb),
};
static_assert(all_same(event_rows));

constexpr Comparison signal_rows[] = {
    SAME(abi::signal::hup, SIGHUP),
    SAME(abi::signal::int_, SIGINT),
    SAME(abi::signal::quit, SIGQUIT),
    SAME(abi::signal::ill, SIGILL),
    SAME(abi::signal::trap, SIGTRAP),
    SAME(abi::signal::abrt, SIGABRT),
    SAME(abi::signal::bus, SIGBUS),
    SAME(abi::signal::fpe, SIGFPE),
    SAME(abi::signal::kill, SIGKILL),
    SAME(abi::signal::usr1, SIGUSR1),
    SAME(abi::signal::segv, SIGSEGV),
    SAME(abi::signal::usr2, SIGUSR2),
    SAME(abi::signal::pipe, SIGPIPE),
    SAME(abi::signal::alrm, SIGALRM),
    SAME(abi::signal::term, SIGTERM),
    SAME(abi::signal::chld, SIGCHLD),
    SAME(abi::signal::cont, SIGCONT),
    SAME(abi::signal::stop, SIGSTOP),
    SAME(abi::signal::tstp, SIGTSTP),
    SAME(abi::signal::ttin, SIGTTIN),
    SAME(abi::signal::ttou, SIGTTOU),
    SAME(abi::signal::urg, SIGURG),
    SAME(abi::signal::xcpu, SIGXCPU),
    SAME(abi::signal::xfsz, SIGXFSZ),
    SAME(abi::signal::vtalrm, SIGVTALRM),
    SAME(abi::signal::prof, SIGPROF),
    SAME(abi::signal::winch, SIGWINCH),
    SAME(abi::signal::io, SIGIO),
    SAME(abi::signal::pwr, SIGPWR),
    SAME(abi::signal::sys, SIGSYS),
    SAME(abi::signal_mask::block, SIG_BLOCK),
    SAME(abi::signal_mask::unblock, SIG_UNBLOCK),
    SAME(abi::signal_mask::set, SIG_SETMASK),
    SAME(abi::action_flag::nocldstop, SA_NOCLDSTOP),
    SAME(abi::action_flag::nocldwait, SA_NOCLDWAIT),
    SAME(abi::action_flag::siginfo, SA_SIGINFO),
    SAME(abi::action_flag::onstack, SA_ONSTACK),
    SAME(abi::action_flag::restart, SA_RESTART),
    SAME(abi::action_flag::nodefer, SA_NODEFER),
    SAME(abi::action_flag::resethand, SA_RESETHAND),
    SAME(abi::signal_code::user, int{SI_USER}),
    SAME(abi::signal_code::kernel, int{SI_KERNEL}),
    SAME(abi::signal_code::queue, int{SI_QUEUE}),
    SAME(abi::signal_code::timer, int{SI_TIMER}),
    SAME(abi::signal_code::tkill, int{SI_TKILL}),
    SAME(abi::signal_code::child_exited, int{CLD_EXITED}),
    SAME(abi::signal_code::child_killed, int{CLD_KILLED}),
    SAME(abi::signal_code::child_dumped, int{CLD_DUMPED}),
    SAME(abi::signal_code::child_trapped, int{CLD_TRAPPED}),
    SAME(abi::signal_code::child_stopped, int{CLD_STOPPED}),
    SAME(abi::signal_code::child_continued, int{CLD_CONTINUED}),
    SAME_SIZE(abi::SignalInfo, siginfo_t),
    SAME_FIELD(abi::SignalInfo, signal, siginfo_t, si_signo),
    SAME_FIELD(abi::SignalInfo, error, siginfo_t, si_errno),
    SAME_FIELD(abi::SignalInfo, code, siginfo_t, si_code),
    SAME_FIELD(abi::SignalInfo, child.pid, siginfo_t, si_pid),
    SAME_FIELD(abi::SignalInfo, child.user_id, siginfo_t, si_uid),
    SAME_FIELD(abi::SignalInfo, child.status, siginfo_t, si_status),
    SAME_FIELD(abi::SignalInfo, child.user_time, siginfo_t, si_utime),
    SAME_FIELD(abi::SignalInfo, child.system_time, siginfo_t, si_stime),
    SAME_FIELD(abi::SignalInfo, sender.pid, siginfo_t, si_pid),
    SAME_FIELD(abi::SignalInfo, sender.value, siginfo_t, si_value),
    SAME_FIELD(abi::SignalInfo, timer.timer_id, siginfo_t, si_timerid),
    SAME_FIELD(abi::SignalInfo, timer.overrun, siginfo_t, si_overrun),
    SAME_FIELD(abi::SignalInfo, fault.address, siginfo_t, si_addr),
    SAME_FIELD(abi::SignalInfo, poll.band, siginfo_t, si_band),
    SAME_FIELD(abi::SignalInfo, poll.fd, siginfo_t, si_fd),
    SAME_FIELD(abi::SignalInfo, call.address, siginfo_t, si_call_addr),
    SAME_FIELD(abi::SignalInfo, call.call, siginfo_t, si_syscall),
    SAME_FIELD(abi::SignalInfo, call.machine, siginfo_t, si_arch),
    SAME_SIZE(abi::SignalStack, stack_t),
    SAME_FIELD(abi::SignalStack, base, stack_t, ss_sp),
    SAME_FIELD(abi::SignalStack, flags, stack_t, ss_flags),
    SAME_FIELD(abi::SignalStack, bytes, stack_t, ss_size),
    SAME(abi::wait_for::all, int{P_ALL}),
    SAME(abi::wait_for::pid, int{P_PID}),
    SAME(abi::wait_for::process_group, int{P_PGID}),
    SAME(abi::wait_for::pidfd, int{P_PIDFD}),
    SAME(abi::wait_option::stopped, WSTOPPED),
    SAME(abi::wait_option::exited, WEXITED),
    SAME(abi::wait_option::continued, WCONTINUED),
    SAME(abi::wait_option::nohang, WNOHANG),
    SAME(abi::wait_option::nowait, WNOWAIT),
    SAME(abi::wait_option::all_children, __WALL),
};
static_assert(all_same(signal_rows));

constexpr Comparison library_rows[] = {
    SAME(abi::access_mode::exists, F_OK),
    SAME(abi::access_mode::exec, X_OK),
    SAME(abi::access_mode::write, W_OK),
    SAME(abi::access_mode::read, R_OK),
    SAME(abi::fadvice::normal, POSIX_FADV_NORMAL),
    SAME(abi::fadvice::random, POSIX_FADV_RANDOM),
    SAME(abi::fadvice::sequential, POSIX_FADV_SEQUENTIAL),
    SAME(abi::fadvice::willneed, POSIX_FADV_WILLNEED),
    SAME(abi::fadvice::dontneed, POSIX_FADV_DONTNEED),
    SAME(abi::fadvice::noreuse, POSIX_FADV_NOREUSE),
    SAME(abi::splice_flag::move, SPLICE_F_MOVE),
    SAME(abi::splice_flag::nonblock, SPLICE_F_NONBLOCK),
    SAME(abi::splice_flag::more, SPLICE_F_MORE),
    SAME(abi::umount_flag::force, int{MNT_FORCE}),
    SAME(abi::umount_flag::detach, int{MNT_DETACH}),
    SAME(abi::umount_flag::nofollow, int{UMOUNT_NOFOLLOW}),
    SAME(abi::utime::now, UTIME_NOW),
    SAME(abi::utime::omit, UTIME_OMIT),
    SAME(abi::getrandom_flag::nonblock, GRND_NONBLOCK),
    SAME(abi::getrandom_flag::random, GRND_RANDOM),
#if defined(GRND_INSECURE)
    SAME(abi::getrandom_flag::insecure, GRND_INSECURE),
#endif
    SAME_SIZE(abi::CpuSet, cpu_set_t),
};
static_assert(all_same(library_rows));

} // namespace

TEST(abi_system_headers_socket) {
    check_rows(socket_rows);
}
TEST(abi_system_headers_socket_option) {
    check_rows(option_rows);
}
TEST(abi_system_headers_address) {
    check_rows(address_rows);
}
TEST(abi_system_headers_event) {
    check_rows(event_rows);
}
TEST(abi_system_headers_signal) {
    check_rows(signal_rows);
}
TEST(abi_system_headers_library) {
    check_rows(library_rows);
}

} // namespace oxbow::test

#endif
