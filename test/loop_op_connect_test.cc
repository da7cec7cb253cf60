// The loop's connect and accept, on every engine alike: refused, hanging, waiting for room; peers'
// addresses.
#include "hook.h"
#include "loop_op_address.h"
#include "loop_scene.h"

namespace oxbow::test {
namespace {

namespace family = abi::socket_family;
namespace type = abi::socket_type;

// ---- connect
// ---------------------------------------------------------------------------------------

LOOP_TEST(loop_op_connect_errors) {
    for (const i32 mode : fd_modes) {
        // A port that is taken, so that nobody else gets it, but on which nobody listens.
        const BoundSocket deaf = make_bound_socket(type::stream);
        const Fd refused = make_tcp_socket();
        set_mode(refused, mode);
        CHECK_ERRNO(
            perform_on(loop, op::connect(refused, &deaf.address, sizeof(deaf.address))).value,
            Errno::econnrefused);
        check_mode(refused, mode);

        const BoundSocket listener = make_listener();
        const Fd client = make_tcp_socket();
        set_mode(client, mode);
        const Operation connect = op::connect(client, &listener.address, sizeof(listener.address));
        CHECK_EQ(perform_on(loop, connect).value, 0);
        const i64 again = perform_on(loop, connect).value;
        SKIP_IF_MISSING(again != 0, "second connects that are refused");
        CHECK_ERRNO(again, Errno::eisconn);
        check_mode(client, mode);

        char path[256];
        const Address nowhere = path_address(temp_path(path));
        const Fd local = socket_of(loop, family::local, type::stream);
        set_mode(local, mode);
        CHECK_ERRNO(perform_on(loop, op::connect(local, &nowhere.storage, nowhere.bytes)).value,
                    Errno::enoent);
        const Fd bound = socket_of(loop, family::local, type::stream);
        CHECK_EQ(perform_on(loop, op::bind(bound, &nowhere.storage, nowhere.bytes)).value, 0);
        CHECK_ERRNO(perform_on(loop, op::connect(local, &nowhere.storage, nowhere.bytes)).value,
                    Errno::econnrefused);
        CHECK_ERRNO(perform_on(loop, op::connect(local, nullptr, sizeof(u16))).value,
                    Errno::efault);
        CHECK_ERRNO(perform_on(loop, op::connect(local, &nowhere.storage, 1)).value, Errno::einval);
    }
}

LOOP_TEST(loop_op_connect_that_hangs) {
    for (const i32 mode : fd_modes) {
        const FullListener full = make_full_listener();
        Fd client = make_tcp_socket();
        set_mode(client, mode);
        Logged hangs;
        const Operation to =
            op::connect(client, &full.listener.address, sizeof(full.listener.address));
        submit(loop, hangs, to);
        CHECK_EQ(loop.run_for(20 * ms), 0);
        CHECK_ERRNO(perform_on(loop, to).value, Errno::ealready);
        // With room, it still comes about: the kernel sends the packet again after a second. That
        // is too long for a test; it ends by being closed.
        CHECK_EQ(perform_on(loop, op::close(client.release())).value, 0);
        CHECK(hangs.ended());
        CHECK_ERRNO(hangs.last.value, Errno::ecanceled);
    }
}

/// A local listener has room for one more than its backlog. Who comes then waits until it accepts.
LOOP_TEST(loop_op_connect_waits_for_a_full_unix_backlog) {
    for (const i32 mode : fd_modes) {
        const Fd listener = socket_of(loop, family::local, type::stream);
        const Address at = bind_somewhere(loop, listener, family::local);
        CHECK_EQ(perform_on(loop, op::listen(listener, 0)).value, 0);
        Fd clients[3];
        Logged connects[3];
        for (u32 i = 0; i < 3; ++i) {
            clients[i] = socket_of(loop, family::local, type::stream);
            set_mode(clients[i], mode);
            submit(loop, connects[i], op::connect(clients[i], &at.storage, at.bytes));
        }
        run_until(loop, [&]() noexcept {
            return connects[0].ended() || connects[1].ended() || connects[2].ended();
        });
        // Long enough for the kernel to give up looking after the others itself.
        CHECK_OK(loop.run_for(3 * ms));
        for (u32 i = 0; i < 300; ++i) {
            CHECK_OK(loop.run(Run::no_wait));
        }
        u32 connected = 0;
        for (const Logged& connect : connects) {
            CHECK_EQ(connect.last.value, 0);
            connected += connect.ended() ? 1 : 0;
        }
        CHECK_EQ(connected, 1u);
        Fd servers[3];
        for (Fd& server : servers) {
            server = Fd(perform_on(loop, op::accept(listener)).fd());
            CHECK_GE(server, 0);
        }
        for (Logged& connect : connects) {
            run_until_ended(loop, connect);
            CHECK_EQ(connect.last.value, 0);
        }
    }
}

// ---- accept
// ----------------------------------------------------------------------------------------

LOOP_TEST(loop_op_accept_errors) {
    const Fd idle = make_tcp_socket();
    CHECK_ERRNO(perform_on(loop, op::accept(idle)).value, Errno::einval);
    const Fd datagram = socket_of(loop, family::inet, type::datagram);
    CHECK_ERRNO(perform_on(loop, op::accept(datagram)).value, Errno::eopnotsupp);
}

/// What an operation before it has found out about the descriptor is no reason to wait.
LOOP_TEST(loop_op_accept_on_a_connected_socket) {
    const SocketPair pair = make_tcp_pair();
    write_text(pair.far, "text");
    u8 data[100];
    CHECK_EQ(perform_on(loop, op::recv(pair.near, data, sizeof(data))).value, 4);
    CHECK_ERRNO(perform_on(loop, op::accept(pair.near)).value, Errno::einval);
    CHECK_ERRNO(perform_on(loop, op::accept_multishot(pair.near)).value, Errno::einval);
    Logged waits;
    submit_waiting(loop, waits, op::recv(pair.near, data, sizeof(data)));
    CHECK_ERRNO(perform_on(loop, op::accept(pair.near)).value, Errno::einval);
    CHECK_ERRNO(perform_on(loop, op::accept_multishot(pair.near)).value, Errno::einval);
    write_text(pair.far, "text");
    run_until_ended(loop, waits);
    CHECK_EQ(waits.last.value, 4);
}

/// The length that comes back may be more than there was room for: then the address is cut.
LOOP_TEST(loop_op_accept_with_little_room) {
    for (const i32 mode : fd_modes) {
        const BoundSocket listener = make_listener();
        set_mode(listener.fd, mode);
        const Fd client = make_tcp_socket();
        CHECK_OK(connect_blocking(client, &listener.address, sizeof(listener.address)));
        const Address mine = name_of_socket(client);
        u8 room[16];
        __builtin_memset(room, 0xa5, sizeof(room));
        u32 bytes = 0;
        const Fd server(perform_on(loop, op::accept(listener.fd, {room, 6, &bytes})).fd());
        CHECK_GE(server, 0);
        CHECK_EQ(bytes, sizeof(abi::SocketAddressIn));
        CHECK_BYTES(room, &mine.storage, 6);
        for (u32 i = 6; i < sizeof(room); ++i) {
            CHECK_EQ(room[i], 0xa5);
        }
        check_mode(listener.fd, mode);
    }
}

LOOP_TEST(loop_op_accept_several_at_once) {
    for (const i32 mode : fd_modes) {
        const BoundSocket listener = make_listener();
        set_mode(listener.fd, mode);
        constexpr u32 count = 5;
        Logged accepts[count];
        abi::SocketAddressIn peers[count] = {};
        u32 bytes[count] = {};
        for (u32 i = 0; i < count; ++i) {
            submit(loop, accepts[i],
                   op::accept(listener.fd, {&peers[i], sizeof(peers[i]), &bytes[i]}));
        }
        run_a_little(loop);
        Fd clients[count];
        u32 ports = 0;
        for (Fd& client : clients) {
            client = make_tcp_socket();
            CHECK_OK(connect_blocking(client, &listener.address, sizeof(listener.address)));
            ports += name_of_socket(client).storage.in.port;
        }
        Fd servers[count];
        for (u32 i = 0; i < count; ++i) {
            run_until_ended(loop, accepts[i]);
            servers[i] = Fd(CHECK_OK(accepts[i].last.value));
            CHECK_EQ(bytes[i], sizeof(abi::SocketAddressIn));
            ports -= peers[i].port;
        }
        CHECK_EQ(ports, 0u); // each client was told once
    }
}

/// An event comes once: if the question what it means is not answered, it has to be asked again.
LOOP_TEST(loop_op_connect_though_the_look_at_it_is_interrupted) {
    struct Interruptions {
        u32 connects = 0;
        u32 looks = 0;
        static bool answer(void* context, long number, const long* arguments, int,
                           long* result) noexcept {
            auto& self = *static_cast<Interruptions*>(context);
            if (number == number::connect && self.connects++ == 0) {
                (void)real_call(number, arguments[0], arguments[1], arguments[2]);
            } else if (!is_ppoll(number) || self.looks++ != 0) {
                return false;
            }
            *result = -static_cast<long>(Errno::eintr);
            return true;
        }
    } interruptions;
    const BoundSocket listener = make_listener();
    const Fd client = make_tcp_socket();
    Logged logged;
    set_handler(Interruptions::answer, &interruptions);
    submit(loop, logged, op::connect(client, &listener.address, sizeof(listener.address)));
    run_until_ended(loop, logged);
    remove_handler(Interruptions::answer, &interruptions);
    CHECK_EQ(logged.last.value, 0);
    if (row.is_epoll()) {
        CHECK_GE(interruptions.looks, 2u);
    }
}

} // namespace
} // namespace oxbow::test
