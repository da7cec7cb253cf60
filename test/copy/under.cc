// What copy_test.sh needs and the shell does not have:
//
//   under refuse ERRNO COMMAND...    runs the command where io_uring_setup fails with that number
//   under default SIGNAL COMMAND...  runs it with the signal's standard action, not ignored
//   under socket PATH                makes a socket at the path
#include "../../syscall/abi_process.h"
#include "../../syscall/abi_signal.h"
#include "../../syscall/call.h"
#include "../../syscall/start.h"
#include "../../syscall/text.h"

using namespace oxbow;

namespace {

[[nodiscard]] u32 number_of(const char* text) noexcept {
    u32 number = 0;
    for (; *text >= '0' && *text <= '9'; ++text) {
        number = 10 * number + static_cast<u32>(*text - '0');
    }
    return number;
}

/// As container run-times do it: a filter that answers one call with an error.
[[nodiscard]] i32 refuse_rings(u32 error) noexcept {
    const abi::SockFilter filter[] = {
        {abi::bpf::load_word, 0, 0, __builtin_offsetof(abi::SeccompData, call)},
        {abi::bpf::jump_equal, 0, 1, static_cast<u32>(number::io_uring_setup)},
        {abi::bpf::answer, 0, 0, abi::seccomp_action::refuse_with | error},
        {abi::bpf::answer, 0, 0, abi::seccomp_action::allow},
    };
    const abi::SockFprog program = {4, filter};
    const i32 result = kernel::prctl(abi::prctl_option::set_no_new_privs, 1);
    return result < 0 ? result : kernel::seccomp(abi::seccomp_op::set_mode_filter, 0, &program);
}

[[nodiscard]] i32 restore_signal(u32 number) noexcept {
    const abi::SignalAction standard = {};
    return kernel::rt_sigaction(static_cast<i32>(number), &standard);
}

} // namespace

extern "C" int oxbow_main(int argc, char** argv, char** environment) {
    i32 result = -Errno::einval;
    if (argc == 3 && text_equal(argv[1], "socket")) {
        return -kernel::mknodat(abi::at_fdcwd, argv[2], abi::file_mode::socket | 0600, 0);
    }
    if (argc > 3 && text_equal(argv[1], "refuse")) {
        result = refuse_rings(number_of(argv[2]));
    } else if (argc > 3 && text_equal(argv[1], "default")) {
        result = restore_signal(number_of(argv[2]));
    }
    if (result == 0) {
        result = kernel::execve(argv[3], argv + 3, environment);
    }
    TextBuffer<80> line;
    line.add("under: ").error(result).add('\n');
    (void)line.write_to(2);
    return 126;
}
