// Help for tests against the real kernel: files, sockets, completions, buffer rings, a thread.
#include "live_ring.h"

#include "../syscall/abi_memory.h"
#include "../syscall/atomic.h"
#include "hook.h"

namespace oxbow::test {

// ---- Descriptors --------------------------------------------------------------------------------

bool is_open(i32 fd) noexcept {
    return kernel::fcntl(fd, abi::fcntl_command::get_fd_flags) >= 0;
}

Fd make_file() noexcept {
    char path[256];
    return make_file(path);
}

Fd make_file_with(const char* text) noexcept {
    Fd file = make_file();
    CHECK_EQ(kernel::pwrite(file, text, length_of(text), 0), length_of(text));
    return file;
}

u64 size_of(i32 fd) noexcept {
    abi::Statx status = {};
    CHECK_OK(kernel::statx(fd, "", abi::at_flag::empty_path, abi::statx_mask::size, &status));
    return status.size;
}

bool path_exists(const char* path) noexcept {
    abi::Statx status = {};
    const i32 result =
        kernel::statx(abi::at_fdcwd, path, abi::at_flag::symlink_nofollow, 0, &status);
    CHECK(result == 0 || result == -Errno::enoent);
    return result == 0;
}

u32 length_of(const char* text) noexcept {
    u32 length = 0;
    while (text[length] != '\0') {
        ++length;
    }
    return length;
}

void check_contents(i32 fd, const char* text, const Site& site) noexcept {
    char got[1024];
    const u32 length = length_of(text);
    CHECK_LT(length, sizeof(got));
    check_relation<Equal>(check_ok(kernel::pread(fd, got, sizeof(got), 0), site), length, site);
    check_bytes(got, text, length, site);
}

Pipe make_pipe(i32 flags) noexcept {
    i32 fds[2];
    CHECK_OK(kernel::pipe2(fds, flags | abi::open_flag::cloexec));
    return {Fd(fds[0]), Fd(fds[1])};
}

SocketPair make_socket_pair(i32 type) noexcept {
    i32 fds[2];
    CHECK_OK(
        kernel::socketpair(abi::socket_family::local, type | abi::socket_type::cloexec, 0, fds));
    return {Fd(fds[0]), Fd(fds[1])};
}

namespace {

/// Where tests are the first process of a bare machine, nobody has done it.
void bring_loopback_up() noexcept {
    const Fd fd(CHECK_OK(kernel::socket(
        abi::socket_family::inet, abi::socket_type::datagram | abi::socket_type::cloexec, 0)));
    abi::InterfaceRequest request = {};
    request.name[0] = 'l';
    request.name[1] = 'o';
    CHECK_OK(kernel::ioctl(fd, abi::socket_ioctl::get_interface_flags, &request));
    if ((request.flags & abi::interface_flag::up) == 0) {
        request.flags = static_cast<i16>(request.flags | abi::interface_flag::up);
        CHECK_OK(kernel::ioctl(fd, abi::socket_ioctl::set_interface_flags, &request));
    }
}

} // namespace

abi::SocketAddressIn loopback(u16 port_in_network_order) noexcept {
    abi::SocketAddressIn address = {};
    address.family = static_cast<u16>(abi::socket_family::inet);
    address.port = port_in_network_order;
    address.address = abi::ipv4_loopback;
    return address;
}

BoundSocket make_bound_socket(i32 type) noexcept {
    bring_loopback_up();
    BoundSocket bound;
    bound.fd =
        Fd(CHECK_OK(kernel::socket(abi::socket_family::inet, type | abi::socket_type::cloexec, 0)));
    bound.address = loopback(0);
    CHECK_OK(kernel::bind(bound.fd, &bound.address, sizeof(bound.address)));
    u32 bytes = sizeof(bound.address);
    CHECK_OK(kernel::getsockname(bound.fd, &bound.address, &bytes));
    return bound;
}

BoundSocket make_listener() noexcept {
    BoundSocket bound = make_bound_socket(abi::socket_type::stream);
    CHECK_OK(kernel::listen(bound.fd, 64));
    return bound;
}

Fd make_tcp_socket() noexcept {
    return Fd(CHECK_OK(kernel::socket(abi::socket_family::inet,
                                      abi::socket_type::stream | abi::socket_type::cloexec, 0)));
}

SocketPair make_tcp_pair() noexcept {
    const BoundSocket listener = make_listener();
    SocketPair pair;
    pair.near = make_tcp_socket();
    CHECK_OK(connect_blocking(pair.near, &listener.address, sizeof(listener.address)));
    pair.far =
        Fd(CHECK_OK(kernel::accept4(listener.fd, nullptr, nullptr, abi::accept4_flag::cloexec)));
    return pair;
}

void write_text(i32 fd, const char* text) noexcept {
    CHECK_EQ(CHECK_OK(kernel::write(fd, text, length_of(text))), length_of(text));
}

void read_text(i32 fd, const char* text, const Site& site) noexcept {
    const u32 length = length_of(text);
    char got[1024];
    CHECK_LT(length, sizeof(got));
    for (u32 at = 0; at < length;) {
        // What was sent may still be on its way, on a machine that is busy.
        abi::PollFd poll = {fd, abi::poll_event::in, 0};
        const abi::Timespec patience = {static_cast<i64>(20), 0};
        check_relation<Equal>(kernel::ppoll(&poll, 1, &patience), 1, site);
        const long count = check_ok(kernel::read(fd, got + at, length - at), site);
        check_relation<Greater>(count, 0, site);
        at += static_cast<u32>(count);
    }
    check_bytes(got, text, length, site);
}

// ---- Entries and completions --------------------------------------------------------------------

namespace {

/// Besides what repeat_interrupted() is for, such a wait ends early where a timeout is over whose
/// completion is still to be posted (the kernel's io_should_wake, cq_timeouts).
void wait_for_one(Ring& ring) noexcept {
    CHECK_OK(repeat_interrupted([&ring]() noexcept {
        return ring.submit_and_wait({.count = 1, .timeout_ns = patience_ns}).error;
    }));
}

} // namespace

Cqe next(Ring& ring) noexcept {
    wait_for_one(ring);
    Cqe cqe = {};
    CHECK_EQ(ring.copy(&cqe, 1), 1u);
    return cqe;
}

BigCqe next_big(Ring& ring) noexcept {
    wait_for_one(ring);
    BigCqe cqe = {};
    CHECK_EQ(ring.copy(&cqe, 1), 1u);
    return cqe;
}

Cqe next_of(Ring& ring, u64 user_data) noexcept {
    const Cqe cqe = next(ring);
    CHECK_EQ(cqe.user_data, user_data);
    return cqe;
}

void submit_all(Ring& ring, u32 count) noexcept {
    CHECK_EQ(CHECK_OK(ring.submit()), count);
}

bool is_quiet(Ring& ring) noexcept {
    CHECK_OK(ring.submit());
    CHECK_OK(ring.get_events());
    return ring.cq_ready() == 0;
}

// ---- What is registered with a ring
// ---------------------------------------------------------------

void register_files(Ring& ring, const i32* fds, u32 count) noexcept {
    CHECK_OK(ring.register_call(abi::RegisterOp::files, fds, count));
}

void register_slots(Ring& ring, u32 count) noexcept {
    if (!kernel_at_least(5, 19)) { // which brings rsrc_register_sparse
        i32 empty[8];
        CHECK_LE(count, 8u);
        for (i32& fd : empty) {
            fd = -1;
        }
        register_files(ring, empty, count);
        return;
    }
    abi::RsrcRegister request = {};
    request.count = count;
    request.flags = abi::rsrc_register_sparse;
    CHECK_OK(ring.register_call(abi::RegisterOp::files2, &request, sizeof(request)));
}

void register_buffers(Ring& ring, const abi::IoVec* buffers, u32 count) noexcept {
    CHECK_OK(ring.register_call(abi::RegisterOp::buffers, buffers, count));
}

PlainBufferRing::PlainBufferRing(Ring& ring, u16 group, u32 count, u32 bytes_each,
                                 u16 flags) noexcept
    : ring_(ring), mask_(count - 1), bytes_each_(bytes_each), group_(group) {
    const usize entry_bytes = count * sizeof(abi::BufferRingEntry);
    mapped_bytes_ = entry_bytes + usize{count} * bytes_each;
    const long mapped =
        kernel::mmap(nullptr, mapped_bytes_, abi::protection::read | abi::protection::write,
                     abi::map::private_ | abi::map::anonymous, -1, 0);
    CHECK(!is_error(mapped));
    entries_ = reinterpret_cast<abi::BufferRingEntry*>(static_cast<uptr>(mapped));
    data_ = reinterpret_cast<u8*>(entries_) + entry_bytes;
    abi::BufferRingRegister request = {};
    request.ring_addr = address_of(entries_);
    request.ring_entries = count;
    request.group_id = group;
    request.flags = flags;
    CHECK_OK(ring.register_call(abi::RegisterOp::pbuf_ring, &request, 1));
    for (u32 id = 0; id < count; ++id) {
        give(static_cast<u16>(id));
    }
}

PlainBufferRing::~PlainBufferRing() {
    abi::BufferRingRegister request = {};
    request.group_id = group_;
    CHECK_OK(ring_.register_call(abi::RegisterOp::unregister_pbuf_ring, &request, 1));
    CHECK_OK(kernel::munmap(entries_, mapped_bytes_));
}

void PlainBufferRing::give(u16 id) noexcept {
    abi::BufferRingEntry& entry = entries_[tail_ & mask_];
    entry.addr = address_of(buffer(id));
    entry.len = bytes_each_;
    entry.buffer_id = id;
    ++tail_;
    store_release(&entries_[0].tail, tail_);
}

u8* PlainBufferRing::data_of(const Cqe& cqe) noexcept {
    CHECK(cqe.has_buffer());
    CHECK_LE(cqe.buffer_id(), mask_);
    return buffer(cqe.buffer_id());
}

// ---- A second thread
// ------------------------------------------------------------------------------

Thread::Thread(void (*body)(void*) noexcept, void* argument) noexcept
    : body_(body), argument_(argument) {
    const HookPause pause;
    CHECK_OK(threads_.open(1));
    CHECK_OK(threads_.start("test", run, this));
}

void Thread::run(void* self) noexcept {
    const Thread& thread = *static_cast<const Thread*>(self);
    thread.body_(thread.argument_);
}

void Thread::join() noexcept {
    const HookPause pause;
    threads_.join_and_close();
}

} // namespace oxbow::test
