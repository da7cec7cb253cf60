// The first process of a bare kernel: mounts, the loopback interface, orphans, the end.
#include "init.h"

#include "../syscall/abi_file.h"
#include "../syscall/abi_socket.h"
#include "../syscall/call.h"
#include "../syscall/start.h"
#include "init_disk.h"
#include "refusing_filter.h"
#include "runner.h"

namespace oxbow::test {

namespace {

void say(const char* what, i32 error) noexcept {
    Message line;
    line.add("oxbow-init: ").add(what);
    if (error < 0) {
        line.add(": ").add(errno_name(error));
    }
    write_text(1, line.add('\n'));
}

/// A file system that the kernel may lack is none to the tests: they skip, or look elsewhere.
void mount_at(const char* path, const char* type, const char* options) noexcept {
    const i32 made = kernel::mkdirat(abi::at_fdcwd, path, 0755);
    const i32 mounted = kernel::mount(type, path, type, 0, options);
    if (mounted < 0 && mounted != -Errno::ebusy) {
        Message what;
        say(what.add("mount ").add(type).add(" at ").add(path).text(),
            made < 0 && made != -Errno::eexist ? made : mounted);
    }
}

void start_loopback() noexcept {
    const i32 fd = kernel::socket(abi::socket_family::inet, abi::socket_type::datagram, 0);
    abi::InterfaceRequest request = {};
    __builtin_memcpy(request.name, "lo", 3);
    i32 result = fd < 0 ? fd : kernel::ioctl(fd, abi::socket_ioctl::get_interface_flags, &request);
    if (result == 0) {
        request.flags = static_cast<i16>(request.flags | abi::interface_flag::up);
        result = kernel::ioctl(fd, abi::socket_ioctl::set_interface_flags, &request);
    }
    if (result < 0) {
        say("the loopback interface stays down", result);
    }
    if (fd >= 0) {
        (void)kernel::close(fd);
    }
}

[[nodiscard]] i32 write_file(const char* path, const char* text) noexcept {
    const i32 fd =
        kernel::openat(abi::at_fdcwd, path, abi::open_flag::write_only | abi::open_flag::cloexec);
    if (fd < 0) {
        return fd;
    }
    const long written = kernel::write(fd, text, text_length(text));
    (void)kernel::close(fd);
    return written < 0 ? static_cast<i32>(written) : 0;
}

/// As OXBOW_REFUSE says. False: it cannot be done, and a run would prove nothing.
[[nodiscard]] bool refuse_as_asked() noexcept {
    const char* const way = environment_value("OXBOW_REFUSE");
    i32 result = -Errno::einval;
    if (way == nullptr) {
        return true;
    }
    if (text_equal(way, "seccomp")) {
        result = refuse_rings(Errno::enosys);
    } else if (text_equal(way, "sysctl")) {
        result = write_file("/proc/sys/kernel/io_uring_disabled", "2");
    }
    if (result < 0) {
        Message what;
        say(what.add("OXBOW_REFUSE=").add(way).text(), result);
    }
    return result == 0;
}

void prepare_machine() noexcept {
    mount_at("/dev", "devtmpfs", nullptr);
    mount_at("/dev/pts", "devpts", "ptmxmode=666");
    mount_at("/proc", "proc", nullptr);
    mount_at("/sys", "sysfs", nullptr);
    mount_at("/tmp", "tmpfs", "size=50%");
    mount_at("/dev/shm", "tmpfs", "size=50%");
    start_loopback();
    // As much as a login shell of a distribution has; the first process is born with less.
    const abi::Rlimit files = {1024, 1u << 20};
    (void)kernel::prlimit(0, abi::resource::open_files, &files, nullptr);
}

/// Reaps every process there is until `child` has ended. Its exit status, or 128 and its signal.
[[nodiscard]] i32 reap_until(i32 child) noexcept {
    for (;;) {
        abi::SignalInfo info = {};
        const i32 result =
            kernel::waitid(abi::wait_for::all, 0, &info,
                           abi::wait_option::exited | abi::wait_option::all_children);
        if (result == -Errno::eintr) {
            continue;
        }
        if (result < 0) {
            say("waitid", result);
            return 127;
        }
        if (info.child.pid == child) {
            const bool exited = info.code == abi::signal_code::child_exited;
            return exited ? info.child.status : 128 + info.child.status;
        }
    }
}

/// Ends QEMU with `status`, where it listens for that; else returns.
void hand_to_qemu([[maybe_unused]] i32 status) noexcept {
#if defined(__x86_64__) || defined(__i386__)
    // isa-debug-exit ends QEMU with twice the value and one.
    const i32 ports = kernel::openat(abi::at_fdcwd, "/dev/port", abi::open_flag::write_only);
    const u8 value = static_cast<u8>(status);
    if (ports >= 0) {
        (void)kernel::pwrite(ports, &value, 1, 0xf4);
    }
#elif defined(__aarch64__) || defined(__arm__) || defined(__riscv)
    // SYS_EXIT_EXTENDED of the Arm semihosting specification, which RISC-V has taken over.
    const uptr arguments[2] = {0x20026, static_cast<uptr>(status)};
#if defined(__aarch64__)
    register uptr operation asm("x0") = 0x20;
    register const uptr* block asm("x1") = arguments;
    asm volatile("hlt 0xf000" : "+r"(operation) : "r"(block) : "memory");
#elif defined(__thumb__)
    register uptr operation asm("r0") = 0x20;
    register const uptr* block asm("r1") = arguments;
    asm volatile(".inst.n 0xbabc" : "+r"(operation) : "r"(block) : "memory"); // hlt 0x3c
#elif defined(__arm__)
    register uptr operation asm("r0") = 0x20;
    register const uptr* block asm("r1") = arguments;
    asm volatile(".inst 0xe10f0070" : "+r"(operation) : "r"(block) : "memory"); // hlt 0xf000
#else
    register uptr operation asm("a0") = 0x20;
    register const uptr* block asm("a1") = arguments;
    asm volatile(".option push\n\t"
                 ".option norvc\n\t"
                 ".balign 16\n\t" // all three in one page
                 "slli x0, x0, 0x1f\n\t"
                 "ebreak\n\t"
                 "srai x0, x0, 7\n\t"
                 ".option pop"
                 : "+r"(operation)
                 : "r"(block)
                 : "memory");
#endif
#endif
}

} // namespace

bool is_init() noexcept {
    // The first process of a container is not the first of its kernel, and has a /proc.
    return kernel::getpid() == 1 &&
           kernel::faccessat(abi::at_fdcwd, "/proc/self", 0) == -Errno::enoent;
}

void run_as_init(int (*program)(int argc, char** argv) noexcept, int argc, char** argv) noexcept {
    say("begins", 0);
    prepare_machine();
    i32 status = 127;
    const i32 child = kernel::fork();
    if (child == 0) {
        kernel::exit_group(prepare_disks() && refuse_as_asked() ? program(argc, argv) : 2);
    }
    if (child > 0) {
        status = reap_until(child);
    } else {
        say("fork", child);
    }
    Message line;
    write_text(1, line.add("oxbow-init: status ").add_decimal(static_cast<u64>(status)).add('\n'));
    kernel::sync();
    const char* const exit = environment_value("OXBOW_EXIT");
    if (exit != nullptr && text_equal(exit, "qemu")) {
        hand_to_qemu(status);
    }
    (void)kernel::reboot(abi::reboot_command::power_off);
    kernel::exit_group(status); // which panics: there is no other way left
}

} // namespace oxbow::test
