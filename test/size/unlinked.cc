// Operations made by hand in a program that calls none of op.h's functions for them: the parts that
// do them are not linked (needs.h), and each ends with -EOPNOTSUPP. Exit status 77: no io_uring
// here, and epoll says so.
#include "../../io/open.h"
#include "../../syscall/start.h"

namespace {

using namespace oxbow;

constexpr Kind kinds[] = {
    Kind::timer, Kind::nop,   Kind::recvmsg, Kind::recvmsg_all, Kind::sendmsg, Kind::sendmsg_all,
    Kind::read,  Kind::write, Kind::openat,  Kind::fsync,       Kind::waitid,  Kind::futex_wake,
};

[[nodiscard]] bool is_refused(Loop& loop, Kind kind) noexcept {
    static abi::MessageHeader message;
    static u32 word;
    Operation operation;
    operation.kind = kind;
    operation.fd = 0;
    switch (kind) {
    case Kind::nop: // stands for whatever is to end in time
        operation.kind = Kind::poll;
        operation.deadline_ns = 1;
        break;
    case Kind::recvmsg:
    case Kind::recvmsg_all:
        operation.arguments.receive_message = {&message, 0};
        break;
    case Kind::sendmsg:
    case Kind::sendmsg_all:
        operation.arguments.send_message = {&message, 0};
        break;
    case Kind::futex_wake:
        operation.arguments.futex_wake = {&word, 1, 0};
        break;
    default: // no memory, no path, no child of any kind
        break;
    }
    struct Ended {
        i32 value = 0;
        void with(Result result) noexcept { value = result.value; }
    } ended;
    Completion completion;
    loop.submit(completion, operation, on<&Ended::with>(ended));
    return loop.run() >= 0 && ended.value == -Errno::eopnotsupp;
}

[[nodiscard]] int try_all(EngineChoice engine) noexcept {
    static constinit Loop loop;
    if (open(loop, {.loop = {}, .engine = engine, .avoid_pwait2 = false}) != 0) {
        return 77;
    }
    int refused = 0;
    for (const Kind kind : kinds) {
        refused += is_refused(loop, kind) ? 1 : 0;
    }
    loop.close();
    return refused == sizeof(kinds) / sizeof(kinds[0]) ? 0 : 1;
}

} // namespace

extern "C" int oxbow_main(int, char**, char**) {
    const int by_epoll = try_all(EngineChoice::epoll);
    return by_epoll != 0 ? by_epoll : try_all(EngineChoice::uring);
}
