// See loop_scene.h.
#include "loop_scene.h"

#include "../syscall/abi_epoll.h"
#include "../syscall/atomic.h"

namespace oxbow::test {

bool contains(const char* text, const char* part) noexcept {
    for (; *text != '\0'; ++text) {
        u32 i = 0;
        while (part[i] != '\0' && text[i] == part[i]) {
            ++i;
        }
        if (part[i] == '\0') {
            return true;
        }
    }
    return false;
}

void set_nonblocking(i32 fd) noexcept {
    const i32 flags = CHECK_OK(kernel::fcntl(fd, abi::fcntl_command::get_status_flags));
    CHECK_OK(
        kernel::fcntl(fd, abi::fcntl_command::set_status_flags, flags | abi::open_flag::nonblock));
}

// ---- Threads ------------------------------------------------------------------------------------

Team::Team(u32 count, Body body, void* context) noexcept : body_(body), context_(context) {
    CHECK_LE(count, threads_max);
    CHECK_OK(threads_.open(count));
    for (u32 i = 0; i < count; ++i) {
        members_[i] = {this, i};
        CHECK_OK(threads_.start("test", begin, &members_[i]));
    }
}

void Team::begin(void* member) noexcept {
    const Member& self = *static_cast<const Member*>(member);
    self.team->body_(self.team->context_, self.index);
}

void await(const u32& counter, u32 value) noexcept {
    const u64 limit_ns = now_ns() + 20'000 * ms;
    while (load_acquire(&counter) < value) {
        CHECK_LT(now_ns(), limit_ns);
        CHECK_OK(kernel::sched_yield());
    }
}

// ---- What does not move -------------------------------------------------------------------------

SocketPair make_full_pair() noexcept {
    SocketPair pair = make_socket_pair();
    const i32 least = 1;
    CHECK_OK(kernel::setsockopt(pair.near, abi::socket_level::socket,
                                abi::socket_option::send_buffer, &least, sizeof(least)));
    const u8 data[512] = {};
    while (kernel::send(pair.near, data, sizeof(data), abi::msg_flag::dontwait) > 0) {
    }
    return pair;
}

Pipe make_full_pipe() noexcept {
    Pipe pipe = make_pipe();
    const i32 bytes = CHECK_OK(kernel::fcntl(pipe.writer, abi::fcntl_command::get_pipe_size));
    const u8 data[4096] = {};
    for (i32 at = 0; at < bytes; at += 4096) {
        CHECK_EQ(kernel::write(pipe.writer, data, sizeof(data)), 4096);
    }
    return pipe;
}

FullListener make_full_listener() noexcept {
    FullListener full;
    full.listener = make_bound_socket(abi::socket_type::stream);
    CHECK_OK(kernel::listen(full.listener.fd, 0));
    full.queued = make_tcp_socket();
    CHECK_OK(connect_blocking(full.queued, &full.listener.address, sizeof(full.listener.address)));
    // Not before the connection is there to be accepted is the listener full.
    abi::PollFd arrived = {full.listener.fd, abi::poll_event::in, 0};
    CHECK_EQ(kernel::ppoll(&arrived, 1, nullptr), 1);
    return full;
}

// ---- Everything ---------------------------------------------------------------------------------

Everything::Everything(Loop& loop) noexcept
    : loop_(loop), async_(loop), pool_(loop, {.count = 8, .buffer_bytes = 512}) {
    start_timers();
    start_sockets();
    start_receives();
    start_sends();
    start_pipes();
    start_rest();
    CHECK_OK(loop.run(Run::no_wait));
    for (u32 i = 0; i < count_; ++i) {
        if (logs_[i].count != 0) {
            note(names_[i], "ended with", logs_[i].last.value);
            FAIL("an operation ended that waits for nothing that comes");
        }
    }
}

Everything::~Everything() {
    CHECK_EQ(ended(), count_);
    if (child_ > 0) {
        CHECK_OK(kernel::kill(child_, abi::signal::kill));
        CHECK_EQ(wait_child(child_), -abi::signal::kill);
    }
}

u32 Everything::ended() const noexcept {
    u32 ended = 0;
    for (u32 i = 0; i < count_; ++i) {
        ended += logs_[i].ended() ? 1 : 0;
    }
    return ended;
}

void Everything::drain() noexcept {
    const u32 left = loop_.drain(now_ns() + 5'000 * ms);
    check_cancelled();
    CHECK_EQ(left, 0u);
}

void Everything::check_cancelled() const noexcept {
    for (u32 i = 0; i < count_; ++i) {
        const Logged& log = logs_[i];
        const bool is_right = log.last.is(Errno::ecanceled) || log.last.count() > 0;
        if (log.count != 1 || log.last.more() || !log.completion.idle() || !is_right) {
            note(names_[i], "ended", log.count, "times, with", log.last.value);
            FAIL("not cancelled once");
        }
    }
}

Logged& Everything::next(const char* name) noexcept {
    CHECK_LT(count_, kinds_max);
    names_[count_] = name;
    return logs_[count_++];
}

void Everything::start(const char* name, const Operation& operation) noexcept {
    submit(loop_, next(name), operation);
}

void Everything::start_timers() noexcept {
    constexpr u64 long_ns = 1'000'000 * ms;
    start("timer", op::timer(long_ns));
    start("timer_at", op::timer_at(~u64{0} - 1));
    start("timer_every", op::timer_every(long_ns));
    start("notification", op::notification(async_));
    Logged& first = next("first of a chain");
    submit(loop_, first, op::timer(long_ns));
    Logged& second = next("second of a chain");
    loop_.then(first.completion, second.completion, op::nop(), second.handler());
    Logged& third = next("third of a chain");
    loop_.then(second.completion, third.completion, op::nop(), third.handler());
}

void Everything::start_sockets() noexcept {
    for (BoundSocket& listener : listeners_) {
        listener = make_listener();
    }
    full_listener_ = make_full_listener();
    connecting_ = make_tcp_socket();
    start("accept", op::accept(listeners_[0].fd));
    start("accept_multishot", op::accept_multishot(listeners_[1].fd));
    const abi::SocketAddressIn& address = full_listener_.listener.address;
    start("connect", op::connect(connecting_, &address, sizeof(address)));
}

void Everything::start_receives() noexcept {
    quiet_ = make_socket_pair();
    datagrams_ = make_socket_pair(abi::socket_type::datagram);
    pieces_[0] = {much_, 100};
    pieces_[1] = {much_ + 100, 3900};
    for (abi::MessageHeader& message : messages_) {
        message.vectors = pieces_;
        message.vector_count = 2;
    }
    start("recv", op::recv(quiet_.near, data_[0], 16));
    start("recv_all", op::recv_all(quiet_.near, data_[1], 16));
    start("recvmsg", op::recvmsg(quiet_.near, &messages_[0]));
    start("recvmsg_all", op::recvmsg_all(quiet_.near, &messages_[1]));
    start("recv_managed", op::recv(quiet_.near, *pool_));
    start("recv_multishot", op::recv_multishot(quiet_.near, *pool_));
    start("recvmsg_multishot", op::recvmsg_multishot(datagrams_.near, *pool_, &messages_[2]));
    start("poll", op::poll(quiet_.near, abi::poll_event::in));
    start("poll_multishot", op::poll_multishot(datagrams_.near, abi::poll_event::in));
    start("with a deadline", with_timeout(op::recv(datagrams_.near, data_[2], 16), 1'000'000 * ms));
}

void Everything::start_sends() noexcept {
    full_ = make_full_pair();
    start("send", op::send(full_.near, much_, sizeof(much_)));
    start("send_all", op::send_all(full_.near, much_, sizeof(much_)));
    start("sendmsg", op::sendmsg(full_.near, &messages_[3]));
    start("sendmsg_all", op::sendmsg_all(full_.near, &messages_[4]));
}

void Everything::start_pipes() noexcept {
    empty_pipe_ = make_pipe();
    part_pipe_ = make_pipe();
    full_pipe_ = make_full_pipe();
    other_pipe_ = make_pipe();
    write_text(part_pipe_.writer, "abc");
    start("read_all", op::read_all(part_pipe_.reader, data_[3], 16));
    start("read", op::read(empty_pipe_.reader, data_[4], 16));
    start("readv", op::readv(empty_pipe_.reader, pieces_, 2));
    start("read_managed", op::read(empty_pipe_.reader, *pool_));
    start("read_multishot", op::read_multishot(empty_pipe_.reader, *pool_));
    start("write", op::write(full_pipe_.writer, much_, sizeof(much_)));
    start("write_all", op::write_all(full_pipe_.writer, much_, sizeof(much_)));
    start("writev", op::writev(full_pipe_.writer, pieces_, 2));
    for (op::Splice& splice : splices_) {
        splice.from_fd = empty_pipe_.reader;
        splice.to_fd = other_pipe_.writer;
        splice.from_offset = abi::current_position;
        splice.to_offset = abi::current_position;
        splice.bytes = 16;
    }
    start("splice", op::splice(&splices_[0]));
    start("tee", op::tee(&splices_[1]));
}

void Everything::start_rest() noexcept {
    waiter_.value = word_;
    waiter_.address = reinterpret_cast<uptr>(&word_);
    waiter_.flags = abi::futex2_flag::size_u32 | abi::futex2_flag::private_flag;
    start("futex_wait", op::futex_wait(&word_, word_));
    start("futex_waitv", op::futex_waitv(&waiter_, 1));
    child_ = fork_child();
    if (child_ == 0) {
        for (;;) {
            sleep_ms(1000);
        }
    }
    start("waitid", op::waitid(abi::wait_for::pid, child_, &info_, abi::wait_option::exited));
}

// ---- A bit of everything ------------------------------------------------------------------------

namespace {

void check_value(Result result, i32 value, const Site& site) noexcept {
    check_relation<Equal>(result.value, value, site);
}
#define CHECK_RESULT(operation, value)                                                             \
    check_value(perform_on(loop, (operation)), (value), OXBOW_TEST_SITE(#operation))

void use_files(Loop& loop) noexcept {
    char path[256];
    temp_path(path);
    constexpr i32 flags = abi::open_flag::read_write | abi::open_flag::create |
                          abi::open_flag::exclusive | abi::open_flag::cloexec;
    const Result opened = perform_on(loop, op::openat(abi::at_fdcwd, path, flags, 0600));
    const i32 file = CHECK_OK(opened.value);
    CHECK_EQ(opened.fd(), file);
    char data[8] = {};
    abi::Statx status = {};
    CHECK_RESULT(op::pwrite_all(file, "oxbow", 5, 10), 5);
    CHECK_RESULT(op::fsync(file), 0);
    CHECK_RESULT(op::pread_all(file, data, 5, 10), 5);
    CHECK_BYTES(data, "oxbow", 5);
    CHECK_RESULT(op::statx(abi::at_fdcwd, path, {.mask = abi::statx_mask::size}, &status), 0);
    CHECK_EQ(status.size, 15u);
    CHECK_RESULT(op::close(file), 0);
    CHECK(!is_open(file));
    CHECK_RESULT(op::unlinkat(abi::at_fdcwd, path), 0);
    CHECK_RESULT(op::openat(abi::at_fdcwd, path, abi::open_flag::read_only), -Errno::enoent);
}

void use_sockets(Loop& loop) noexcept {
    constexpr i32 inet = abi::socket_family::inet;
    constexpr i32 stream = abi::socket_type::stream;
    const i32 listener = CHECK_OK(perform_on(loop, op::socket(inet, stream)).value);
    abi::SocketAddressIn address = loopback(0);
    CHECK_RESULT(op::bind(listener, &address, sizeof(address)), 0);
    CHECK_RESULT(op::listen(listener, 4), 0);
    u32 bytes = sizeof(address);
    CHECK_OK(kernel::getsockname(listener, &address, &bytes));
    Logged accepting;
    submit(loop, accepting, op::accept(listener));
    const i32 client = CHECK_OK(perform_on(loop, op::socket(inet, stream)).value);
    CHECK_RESULT(op::connect(client, &address, sizeof(address)), 0);
    run_until_ended(loop, accepting);
    const i32 server = CHECK_OK(accepting.last.value);

    char data[16] = {};
    Logged receiving;
    submit(loop, receiving, op::recv_all(server, data, 10));
    CHECK_RESULT(op::send(client, "01234", 5), 5);
    CHECK_EQ(receiving.count, 0u);
    CHECK_RESULT(op::send_all(client, "56789", 5), 5);
    run_until_ended(loop, receiving);
    CHECK_EQ(receiving.last.value, 10);
    CHECK_BYTES(data, "0123456789", 10);

    // A receive that nothing comes for: it ends with its deadline, by a cancel, by the close.
    CHECK_RESULT(with_timeout(op::recv(server, data, 1), 2 * ms), -Errno::etime);
    Logged cancelled;
    submit(loop, cancelled, op::recv(server, data, 1));
    CHECK_RESULT(op::cancel(cancelled.completion), 0);
    run_until_ended(loop, cancelled);
    CHECK(cancelled.last.is(Errno::ecanceled));
    Logged closed;
    submit(loop, closed, op::recv(server, data, 1));
    CHECK_RESULT(op::close(server), 0);
    CHECK(closed.ended());
    CHECK(closed.last.is(Errno::ecanceled));
    const Result ended = perform_on(loop, op::recv(client, data, 1));
    CHECK(ended.eof());
    CHECK_RESULT(op::close(client), 0);
    CHECK_RESULT(op::close(listener), 0);
}

void use_wakeups(Loop& loop) noexcept {
    struct Shared {
        Async async;
        Logged posted;
        Loop* loop;
    } shared{Async(loop), {}, &loop};
    Logged notified;
    submit(loop, notified, op::notification(shared.async));
    {
        Team team(
            1,
            [](void* context, u32) noexcept {
                auto& with = *static_cast<Shared*>(context);
                with.async.notify();
                with.loop->post(with.posted.completion, with.posted.handler());
            },
            &shared);
        run_until_ended(loop, notified);
        run_until(loop, [&]() noexcept { return shared.posted.ended(); });
    }
    CHECK_EQ(notified.last.value, 0);
    CHECK_EQ(shared.posted.last.value, 0);
}

void use_timers(Loop& loop) noexcept {
    const u64 start_ns = now_ns();
    Logged timer;
    Logged behind;
    submit(loop, timer, op::timer(3 * ms));
    loop.then(timer.completion, behind.completion, op::timer(2 * ms), behind.handler());
    run_until_ended(loop, behind);
    CHECK_GE(now_ns() - start_ns, 5 * ms);
    CHECK_EQ(timer.last.value, 1);
    CHECK_EQ(behind.last.value, 1);
    CHECK_LT(timer.sequence, behind.sequence);
}

} // namespace

void run_mixed_program(Loop& loop, bool with_files) noexcept {
    const Resources before = resources();
    const u32 in_flight = loop.in_flight();
    CHECK_RESULT(op::nop(), 0);
    if (with_files) {
        use_files(loop);
    }
    use_sockets(loop);
    use_wakeups(loop);
    use_timers(loop);
    CHECK_EQ(loop.in_flight(), in_flight);
    CHECK_EQ(resources().fds, before.fds);
}

} // namespace oxbow::test
