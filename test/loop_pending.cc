// See loop_pending.h.
#include "loop_pending.h"

#include "../syscall/abi_uring_register.h"

namespace oxbow::test {

namespace {

constexpr const char* text = "0123456789abcdef";
constexpr u32 events = abi::poll_event::in;
constexpr u64 hour_ns = 3'600'000 * ms;
constexpr u8 of_operation = 0x77; ///< the bytes that an operation sends
constexpr u8 of_filling = 0x11;   ///< the bytes that lie before them
constexpr u8 of_poison = 0xa5;

void fill(void* memory, u8 value, usize count) noexcept {
    u8* const at = static_cast<u8*>(memory);
    for (usize i = 0; i < count; ++i) {
        at[i] = value;
    }
}

[[nodiscard]] bool is_filled(const void* memory, u8 value, usize count) noexcept {
    const u8* const at = static_cast<const u8*>(memory);
    for (usize i = 0; i < count; ++i) {
        if (at[i] != value) {
            return false;
        }
    }
    return true;
}

void set_nonblocking(i32 fd, bool nonblocking) noexcept {
    const i32 flags = CHECK_OK(kernel::fcntl(fd, abi::fcntl_command::get_status_flags));
    const i32 wanted =
        nonblocking ? flags | abi::open_flag::nonblock : flags & ~abi::open_flag::nonblock;
    CHECK_OK(kernel::fcntl(fd, abi::fcntl_command::set_status_flags, wanted));
}

} // namespace

Pending::Pending(Loop& loop, const WaitingKind& kind) noexcept
    : loop_(loop), kind_(kind), async_(loop) {
    note(kind.name);
    fill(data_, sends() ? of_operation : 0, sizeof(data_));
    if (has_pipes()) {
        Pipe pipe = make_pipe();
        near = sends() ? static_cast<Fd&&>(pipe.writer) : static_cast<Fd&&>(pipe.reader);
        far = sends() ? static_cast<Fd&&>(pipe.reader) : static_cast<Fd&&>(pipe.writer);
        second_ = make_pipe();
    } else if (is_between(Waiting::accept, Waiting::connect)) {
        make_listener();
    } else if (kind.on_fd) {
        SocketPair pair = make_socket_pair();
        near = static_cast<Fd&&>(pair.near);
        far = static_cast<Fd&&>(pair.far);
    } else if (is(Waiting::waitid)) {
        start_child();
    }
    if (sends()) {
        fill_far();
    }
    if (uses_pool()) {
        CHECK_OK(pool_.open(loop, {.count = 2, .buffer_bytes = 64}));
    }
    vectors_[0] = {data_, 4};
    vectors_[1] = {data_ + 4, bytes - 4};
    message_.vectors = vectors_;
    message_.vector_count = is(Waiting::recvmsg_multishot) ? 0 : 2;
    splice_ = {near, second_.writer, abi::current_position, abi::current_position, bytes, 0};
    waiter_ = {word_, address_of(&word_),
               abi::futex2_flag::size_u32 | abi::futex2_flag::private_flag, 0};
}

Pending::~Pending() {
    CHECK(logged.completion.idle());
    if (pool_.is_open()) {
        pool_.close();
    }
    if (child_ > 0) {
        end_child();
    }
}

/// For connect, one with no room left: the first client takes it, the next one waits.
void Pending::make_listener() noexcept {
    BoundSocket listener = make_bound_socket(abi::socket_type::stream);
    CHECK_OK(kernel::listen(listener.fd, is(Waiting::connect) ? 0 : 64));
    address_ = listener.address;
    near = static_cast<Fd&&>(listener.fd);
    if (is(Waiting::connect)) {
        waiting_client_ = make_tcp_socket();
        CHECK_OK(connect_blocking(waiting_client_, &address_, sizeof(address_)));
        far = static_cast<Fd&&>(near);
        near = make_tcp_socket();
    }
}

/// Sends until there is no room for one byte more.
void Pending::fill_far() noexcept {
    u8 block[4096];
    fill(block, of_filling, sizeof(block));
    set_nonblocking(near, true);
    for (u32 count = sizeof(block); count != 0;) {
        const long written = kernel::write(near, block, count);
        if (written == -Errno::eagain) {
            count /= 2;
        } else {
            CHECK_GT(written, 0);
        }
    }
    set_nonblocking(near, false);
}

void Pending::drain_far() noexcept {
    u8 block[4096];
    set_nonblocking(far, true);
    for (;;) {
        const long count = kernel::read(far, block, sizeof(block));
        if (count <= 0) {
            CHECK(count == 0 || count == -Errno::eagain);
            break;
        }
        for (long i = 0; i < count; ++i) {
            operation_bytes_seen_ += block[i] != of_filling ? 1 : 0;
        }
    }
    set_nonblocking(far, false);
}

void Pending::start_child() noexcept {
    child_ = fork_child();
    if (child_ == 0) {
        for (;;) {
            (void)kernel::ppoll(nullptr, 0, nullptr);
        }
    }
}

void Pending::end_child() noexcept {
    if (kernel::kill(child_, abi::signal::kill) == 0) { // else the operation has reaped it
        CHECK_OK(kernel::waitid(abi::wait_for::pid, child_, nullptr, abi::wait_option::exited));
    }
}

Operation Pending::operation() noexcept {
    switch (kind_.waiting) {
    case Waiting::timer:
        return op::timer(hour_ns);
    case Waiting::timer_every:
        return op::timer_every(hour_ns);
    case Waiting::notification:
        return op::notification(async_);
    case Waiting::accept:
        return op::accept(near);
    case Waiting::accept_multishot:
        return op::accept_multishot(near);
    case Waiting::connect:
        return op::connect(near, &address_, sizeof(address_));
    case Waiting::recv:
        return op::recv(near, data_, bytes);
    case Waiting::recv_all:
        return op::recv_all(near, data_, bytes);
    case Waiting::recv_managed:
        return op::recv(near, pool_);
    case Waiting::recv_multishot:
        return op::recv_multishot(near, pool_);
    case Waiting::recvmsg:
        return op::recvmsg(near, &message_);
    case Waiting::recvmsg_all:
        return op::recvmsg_all(near, &message_);
    case Waiting::recvmsg_multishot:
        return op::recvmsg_multishot(near, pool_, &message_);
    case Waiting::send:
        return op::send(near, data_, bytes);
    case Waiting::send_all:
        return op::send_all(near, data_, bytes);
    case Waiting::sendmsg:
        return op::sendmsg(near, &message_);
    case Waiting::sendmsg_all:
        return op::sendmsg_all(near, &message_);
    case Waiting::read:
        return op::read(near, data_, bytes);
    case Waiting::read_all:
        return op::read_all(near, data_, bytes);
    case Waiting::read_managed:
        return op::read(near, pool_);
    case Waiting::read_multishot:
        return op::read_multishot(near, pool_);
    case Waiting::readv:
        return op::readv(near, vectors_, 2);
    case Waiting::write:
        return op::write(near, data_, bytes);
    case Waiting::write_all:
        return op::write_all(near, data_, bytes);
    case Waiting::writev:
        return op::writev(near, vectors_, 2);
    case Waiting::poll:
        return op::poll(near, events);
    case Waiting::poll_multishot:
        return op::poll_multishot(near, events);
    case Waiting::splice:
        return op::splice(&splice_);
    case Waiting::tee:
        return op::tee(&splice_);
    case Waiting::waitid:
        return op::waitid(abi::wait_for::pid, child_, &info_, abi::wait_option::exited);
    case Waiting::futex_wait:
        return op::futex_wait(&word_, 7);
    default:
        return op::futex_waitv(&waiter_, 1);
    }
}

void Pending::provoke() noexcept {
    switch (kind_.waiting) {
    case Waiting::timer:
    case Waiting::timer_every:
        if (!logged.completion.idle()) {
            loop_.reset_timer(logged.completion, 0);
        }
        return;
    case Waiting::notification:
        async_.notify();
        return;
    case Waiting::accept:
    case Waiting::accept_multishot:
        waiting_client_ = make_tcp_socket();
        CHECK_OK(connect_blocking(waiting_client_, &address_, sizeof(address_)));
        return;
    case Waiting::waitid:
        CHECK_OK(kernel::kill(child_, abi::signal::kill));
        return;
    case Waiting::futex_wait:
    case Waiting::futex_waitv:
        __atomic_store_n(&word_, 8, __ATOMIC_RELEASE);
        CHECK_OK(kernel::futex_wake(&word_, 1));
        return;
    default:
        if (sends()) {
            drain_far();
        } else {
            write_text(far, text);
        }
        return;
    }
}

void Pending::check_came(Result result) noexcept {
    CHECK_EQ(result.more(), kind_.is_multishot);
    switch (kind_.waiting) {
    case Waiting::timer:
    case Waiting::timer_every:
        CHECK_EQ(result.value, 1);
        return;
    case Waiting::accept:
    case Waiting::accept_multishot:
        CHECK_OK(result.value);
        CHECK_OK(kernel::close(result.fd()));
        return;
    case Waiting::poll:
    case Waiting::poll_multishot:
        CHECK_EQ(static_cast<u32>(result.value) & events, events);
        return;
    case Waiting::waitid:
        CHECK_EQ(result.value, 0);
        CHECK_EQ(info_.child.pid, child_);
        CHECK_EQ(info_.child.status, abi::signal::kill);
        return;
    case Waiting::notification:
    case Waiting::futex_wait:
    case Waiting::futex_waitv:
        CHECK_EQ(result.value, 0);
        return;
    case Waiting::recvmsg_multishot:
        CHECK_GE(result.value, static_cast<i32>(sizeof(abi::RecvmsgOut) + bytes));
        CHECK_BYTES(pool_.data(result) + result.count() - bytes, text, bytes);
        pool_.give_back(result);
        return;
    default:
        break;
    }
    CHECK_EQ(result.value, static_cast<i32>(bytes));
    CHECK_EQ(result.has_buffer(), uses_pool());
    if (uses_pool()) {
        CHECK_BYTES(pool_.data(result), text, bytes);
        pool_.give_back(result);
    } else if (receives()) {
        CHECK_BYTES(data_, text, bytes);
    } else if (sends()) {
        drain_far();
        CHECK_EQ(operation_bytes_seen_, bytes);
    } else {
        CHECK_READS(second_.reader, text);
    }
}

void Pending::poison() noexcept {
    fill(data_, of_poison, sizeof(data_));
    fill(&info_, of_poison, sizeof(info_));
    fill(&message_, of_poison, sizeof(message_));
    fill(vectors_, of_poison, sizeof(vectors_));
    fill(&splice_, of_poison, sizeof(splice_));
    fill(&waiter_, of_poison, sizeof(waiter_));
    if (pool_.is_open()) {
        fill(pool_.buffer(0), of_poison, usize{2} * 64);
    }
}

void Pending::check_untouched() noexcept {
    CHECK(is_filled(data_, of_poison, sizeof(data_)));
    CHECK(is_filled(&info_, of_poison, sizeof(info_)));
    CHECK(is_filled(&message_, of_poison, sizeof(message_)));
    CHECK(is_filled(vectors_, of_poison, sizeof(vectors_)));
    CHECK(is_filled(&waiter_, of_poison, sizeof(waiter_)));
    if (pool_.is_open()) {
        CHECK(is_filled(pool_.buffer(0), of_poison, usize{2} * 64));
        CHECK_EQ(pool_.held(), 0u);
    }
}

void Pending::check_nothing_taken() noexcept {
    if (is(Waiting::accept) || is(Waiting::accept_multishot)) {
        set_nonblocking(near, false); // it may still be on its way, on a machine that is busy
        CHECK_OK(kernel::close(CHECK_OK(kernel::accept4(near, nullptr, nullptr, 0))));
    } else if (is(Waiting::notification)) {
        CHECK_EQ(perform_on(loop_, op::notification(async_)).value, 0);
    } else if (is(Waiting::waitid)) {
        CHECK_OK(kernel::waitid(abi::wait_for::pid, child_, nullptr,
                                abi::wait_option::exited | abi::wait_option::nowait));
    } else if (sends()) {
        drain_far();
        CHECK_EQ(operation_bytes_seen_, 0u);
    } else if (kind_.on_fd && can_be_provoked()) {
        CHECK_READS(near, text);
    }
}

void run_until_ready(Loop& loop, const Logged& logged) noexcept {
    const u64 limit_ns = now_ns() + patience_ns;
    Completion stopper;
    const auto stop = [](Loop& stopped, Completion&, Result, void*) noexcept {
        stopped.stop();
        return Action::disarm;
    };
    while (!Loop::has_result(logged.completion)) {
        CHECK_LT(now_ns(), limit_ns);
        // Its callback comes first, and what this round collects stays where it is.
        loop.submit(stopper, op::nop(), stop);
        CHECK_OK(loop.run(Run::no_wait));
        (void)kernel::sched_yield();
    }
}

} // namespace oxbow::test
