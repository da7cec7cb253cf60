// The epoll engine: what it does with each way of waiting. (What holds on every engine has its
// LOOP_TESTs.)
#include "epoll_help.h"

namespace oxbow::test {

EPOLL_TEST(epoll_receives_what_is_there_at_once) {
    const Pair pair = Pair::sockets();
    char data[8] = {};
    Logged logged;
    send_text(pair[1], "hello");
    submit(loop, logged, op::recv(pair[0], data, sizeof(data)));
    CHECK(!logged.ended()); // never inside submit
    run_rounds(loop);
    CHECK_EQ(logged.last.value, 5);
    CHECK_BYTES(data, "hello", 5);
}

EPOLL_TEST(epoll_receives_what_comes_later) {
    const Pair pair = Pair::sockets();
    char data[8] = {};
    Logged logged;
    submit(loop, logged, op::recv(pair[0], data, sizeof(data)));
    run_rounds(loop, 3);
    CHECK(!logged.ended());
    send_text(pair[1], "later");
    run_until_ended(loop, logged);
    CHECK_EQ(logged.last.value, 5);
    CHECK(!logged.last.eof());
}

EPOLL_TEST(epoll_tells_the_end_of_a_stream) {
    Pair pair = Pair::sockets();
    char data[8] = {};
    Logged logged;
    submit(loop, logged, op::recv(pair[0], data, sizeof(data)));
    run_rounds(loop);
    pair.close(1);
    run_until_ended(loop, logged);
    CHECK_EQ(logged.last.value, 0);
    CHECK(logged.last.eof());
}

EPOLL_TEST(epoll_tells_no_end_of_an_empty_datagram) {
    const Pair pair = Pair::sockets(abi::socket_type::datagram);
    char data[8] = {};
    Logged logged;
    submit(loop, logged, op::recv(pair[0], data, sizeof(data)));
    run_rounds(loop);
    CHECK_EQ(kernel::send(pair[1], data, 0, 0), 0);
    run_until_ended(loop, logged);
    CHECK_EQ(logged.last.value, 0);
    CHECK(!logged.last.eof());
}

EPOLL_TEST(epoll_many_on_one_descriptor_end_in_order) {
    const Pair pair = Pair::sockets();
    constexpr u32 count = 5;
    Logged readers[count];
    Logged writers[count];
    char data[count] = {};
    for (u32 i = 0; i < count; ++i) {
        submit(loop, readers[i], op::recv(pair[0], &data[i], 1));
    }
    run_rounds(loop, 2);
    for (u32 i = 0; i < count; ++i) {
        submit(loop, writers[i], op::send(pair[0], &"abcde"[i], 1));
    }
    send_text(pair[1], "vwxyz");
    run_until_ended(loop, readers[count - 1]);
    for (u32 i = 0; i < count; ++i) {
        CHECK_EQ(readers[i].last.value, 1);
        CHECK_EQ(writers[i].last.value, 1);
        CHECK(i == 0 || readers[i].sequence > readers[i - 1].sequence);
        CHECK(i == 0 || writers[i].sequence > writers[i - 1].sequence);
    }
    CHECK_BYTES(data, "vwxyz", count);
    char sent[count] = {};
    CHECK_EQ(kernel::read(pair[1], sent, count), static_cast<long>(count));
    CHECK_BYTES(sent, "abcde", count);
}

EPOLL_TEST(epoll_sends_all_through_a_small_buffer) {
    const Pair pair = Pair::sockets();
    const i32 room = 4096;
    CHECK_OK(kernel::setsockopt(pair[0], abi::socket_level::socket, abi::socket_option::send_buffer,
                                &room, sizeof(room)));
    static u8 data[300000];
    static u8 got[300000];
    Random random(7);
    random.fill(data, sizeof(data));
    Logged sender;
    Logged receiver;
    submit(loop, sender, op::send_all(pair[0], data, sizeof(data)));
    submit(loop, receiver, op::recv_all(pair[1], got, sizeof(got)));
    run_until_ended(loop, receiver);
    run_until_ended(loop, sender);
    CHECK_EQ(sender.last.value, static_cast<i32>(sizeof(data)));
    CHECK_EQ(receiver.last.value, static_cast<i32>(sizeof(got)));
    CHECK_BYTES(data, got, sizeof(data));
}

EPOLL_TEST(epoll_accepts_connects_and_hands_over_the_peer) {
    Logged made;
    submit(loop, made, op::socket(abi::socket_family::inet, abi::socket_type::stream));
    run_until_ended(loop, made);
    const i32 listener = made.last.fd();
    CHECK_GE(listener, 0);
    abi::SocketAddressIn address = {};
    address.family = static_cast<u16>(abi::socket_family::inet);
    address.address = abi::ipv4_loopback;
    CHECK(perform_on(loop, op::bind(listener, &address, sizeof(address))).ok());
    CHECK(perform_on(loop, op::listen(listener, 4)).ok());
    u32 bytes = sizeof(address);
    CHECK_OK(kernel::getsockname(listener, &address, &bytes));

    abi::SocketAddressStorage peer = {};
    u32 peer_bytes = 0;
    Logged accepted;
    submit(loop, accepted, op::accept(listener, {&peer, sizeof(peer), &peer_bytes}));
    run_rounds(loop, 2);
    const i32 client = CHECK_OK(kernel::socket(
        abi::socket_family::inet, abi::socket_type::stream | abi::socket_type::nonblock, 0));
    Logged connected;
    submit(loop, connected, op::connect(client, &address, sizeof(address)));
    run_until_ended(loop, accepted);
    run_until_ended(loop, connected);
    CHECK(connected.last.ok());
    CHECK_GE(accepted.last.fd(), 0);
    CHECK_EQ(peer_bytes, static_cast<u32>(sizeof(abi::SocketAddressIn)));
    CHECK_EQ(peer.in.address, abi::ipv4_loopback);
    const i32 flags =
        CHECK_OK(kernel::fcntl(accepted.last.fd(), abi::fcntl_command::get_status_flags));
    CHECK((flags & abi::open_flag::nonblock) != 0);
    CHECK(perform_on(loop, op::close(accepted.last.fd())).ok());
    CHECK(perform_on(loop, op::close(client)).ok());
    CHECK(perform_on(loop, op::close(listener)).ok());
}

EPOLL_TEST(epoll_poll_reports_its_events) {
    Pair pair = Pair::sockets();
    Logged first;
    submit(loop, first, op::poll(pair[0], abi::poll_event::in | abi::poll_event::out));
    run_rounds(loop);
    CHECK_EQ(first.last.value, static_cast<i32>(abi::poll_event::out));
    Logged second;
    submit(loop, second, op::poll(pair[0], abi::poll_event::in | abi::poll_event::rdhup));
    run_rounds(loop, 2);
    CHECK(!second.ended());
    pair.close(1);
    run_until_ended(loop, second);
    CHECK_EQ(second.last.value,
             static_cast<i32>(abi::poll_event::in | abi::poll_event::rdhup | abi::poll_event::hup));
}

EPOLL_TEST(epoll_poll_stands_beside_a_read) {
    const Pair pair = Pair::sockets();
    char data[8];
    Logged read;
    Logged poll;
    submit(loop, read, op::recv(pair[0], data, sizeof(data)));
    submit(loop, poll, op::poll(pair[0], abi::poll_event::in));
    run_rounds(loop, 2);
    send_text(pair[1], "x");
    run_until_ended(loop, read);
    run_until_ended(loop, poll);
    CHECK_EQ(read.last.value, 1);
    CHECK_EQ(poll.last.value, static_cast<i32>(abi::poll_event::in));
}

EPOLL_TEST(epoll_poll_multishot_tells_each_time_once) {
    const Pair pair = Pair::sockets();
    Logged poll;
    submit(loop, poll, op::poll_multishot(pair[0], abi::poll_event::in));
    run_rounds(loop, 3);
    CHECK_EQ(poll.count, 0u);
    for (u32 i = 1; i <= 3; ++i) {
        send_text(pair[1], "x");
        run_rounds(loop, 5);
        CHECK_EQ(poll.count, i); // although nobody reads
        CHECK(poll.last.more());
    }
    CHECK_EQ(loop.drain(), 0u);
    CHECK(poll.last.is(Errno::ecanceled));
}

EPOLL_TEST(epoll_poll_multishot_misses_nothing_while_its_result_waits) {
    const Pair pair = Pair::sockets();
    Logged poll;
    submit(loop, poll, op::poll_multishot(pair[0], abi::poll_event::in));
    run_rounds(loop, 2);
    // The result is collected, but its callback does not run, since the loop is stopped before.
    struct Stopper {
        static Action stop(Loop& l, Completion&, Result, void*) noexcept {
            l.stop();
            return Action::disarm;
        }
    };
    Completion stop;
    loop.submit(stop, op::nop(), &Stopper::stop);
    send_text(pair[1], "x");
    run_rounds(loop);
    CHECK_EQ(poll.count, 0u);
    Completion stop_again;
    loop.submit(stop_again, op::nop(), &Stopper::stop);
    send_text(pair[1], "y"); // an event that comes while the poll is away
    char byte;
    CHECK_EQ(kernel::read(pair[0], &byte, 1), 1L);
    run_rounds(loop, 1);
    run_rounds(loop, 4);
    CHECK_EQ(poll.count, 2u);
    CHECK_EQ(loop.drain(), 0u);
}

EPOLL_TEST(epoll_receives_into_a_pool_until_the_end) {
    Pair pair = Pair::sockets();
    BufferPool pool;
    CHECK_OK(pool.open(loop, {.count = 2, .buffer_bytes = 4}));
    Logged logged;
    submit(loop, logged, op::recv_multishot(pair[0], pool));
    run_rounds(loop, 2);
    send_text(pair[1], "abcdefghij");
    run_rounds(loop, 8);
    CHECK_EQ(logged.count, 2u); // then there is no buffer
    CHECK_EQ(pool.held(), 2u);
    CHECK_BYTES(pool.data(logged.log[0]), "abcd", 4);
    CHECK_BYTES(pool.data(logged.log[1]), "efgh", 4);
    pool.give_back(logged.log[0]);
    run_rounds(loop, 3);
    CHECK_EQ(logged.count, 3u);
    CHECK_BYTES(pool.data(logged.log[2]), "ij", 2);
    pool.give_back(logged.log[1]);
    pair.close(1);
    run_until_ended(loop, logged);
    CHECK(logged.last.eof());
    CHECK(!logged.last.has_buffer());
    CHECK_EQ(logged.last.value, 0);
    pool.give_back(logged.log[2]);
    CHECK_EQ(pool.held(), 0u);
    pool.close();
}

EPOLL_TEST(epoll_waits_for_a_child) {
    Pair pair = Pair::pipe();
    const i32 pid = fork_child();
    if (pid == 0) {
        char byte;
        pair.close(1);
        (void)kernel::read(pair[0], &byte, 1);
        leave_child(7);
    }
    abi::SignalInfo info = {};
    Logged logged;
    submit(loop, logged, op::waitid(abi::wait_for::pid, pid, &info, abi::wait_option::exited));
    run_rounds(loop, 2);
    CHECK(!logged.ended());
    pair.close(1);
    run_until_ended(loop, logged);
    CHECK_EQ(logged.last.value, 0);
    CHECK_EQ(info.child.pid, pid);
    CHECK_EQ(info.child.status, 7);
    CHECK_EQ(loop.statistics().worker_jobs, 0u);
}

EPOLL_TEST(epoll_splices_when_both_sides_are_ready) {
    Pair from = Pair::pipe();
    const Pair to = Pair::pipe();
    const op::Splice both = {from[0], to[1], abi::current_position, abi::current_position, 100, 0};
    Logged logged;
    submit(loop, logged, op::splice(&both));
    run_rounds(loop, 2);
    CHECK(!logged.ended());
    send_text(from[1], "through");
    run_until_ended(loop, logged);
    CHECK_EQ(logged.last.value, 7);
    char data[8] = {};
    CHECK_EQ(kernel::read(to[0], data, sizeof(data)), 7L);
    CHECK_BYTES(data, "through", 7);
    CHECK_EQ(loop.statistics().worker_jobs, 0u);
}

} // namespace oxbow::test
