// power-cut append|verify --engine=io_uring|epoll [--way=NAME] [--depth=N] [--seed=N]: what
// power_cut.sh boots kernels with, as their first process (test/init.h).
//
// Both look through the logs on the disk, the first NVMe drive, which has ext4, and print what is
// left of each (reader.h). verify ends with that. append goes on with the log of one way behind the
// last whole record, and prints `ack WAY NUMBER.` of each new one when the loop has said that it is
// done, until the power goes; whatever else ends it is a failure.
//
//   record.h     a record        reader.h      what is left of a log
//   way.h        the ways        appender.h    appending
#include "../../syscall/call.h"
#include "../../syscall/start.h"
#include "../../syscall/text.h"
#include "../../syscall/time.h"
#include "../init.h"
#include "appender.h"

namespace oxbow::power_cut {

namespace {

constinit Loop loop;

struct Arguments {
    bool appends = false;
    EngineChoice engine = EngineChoice::any;
    const Way* way = nullptr;
    u64 depth = 1;
    u64 seed = 1;
    bool wrong = false;
};

[[nodiscard]] i32 fail(const char* what, i32 error) noexcept {
    TextBuffer<200> line;
    (void)line.add("power-cut: ").add(what).add(": ").error(error).add('\n').write_to(1);
    return 1;
}

/// What stands behind `name` in `word`, or nullptr.
[[nodiscard]] const char* value_of(const char* word, const char* name) noexcept {
    while (*name != '\0' && *word == *name) {
        ++word;
        ++name;
    }
    return *name == '\0' ? word : nullptr;
}

/// A number from 1 on; 0 where it is none.
[[nodiscard]] u64 number_from(const char* digits) noexcept {
    u64 number = 0;
    for (; *digits >= '0' && *digits <= '9'; ++digits) {
        number = number * 10 + static_cast<u64>(*digits - '0');
    }
    return *digits == '\0' ? number : 0;
}

[[nodiscard]] const Way* way_from(const char* name) noexcept {
    for (const Way& way : ways) {
        if (text_equal(way.name, name)) {
            return &way;
        }
    }
    return nullptr;
}

[[nodiscard]] EngineChoice engine_from(const char* name) noexcept {
    if (text_equal(name, "io_uring")) {
        return EngineChoice::uring;
    }
    return text_equal(name, "epoll") ? EngineChoice::epoll : EngineChoice::any;
}

[[nodiscard]] Arguments parse(int argc, char** argv) noexcept {
    Arguments arguments;
    for (int i = 1; i < argc; ++i) {
        const char* value = nullptr;
        if (i == 1) {
            arguments.appends = text_equal(argv[i], "append");
            arguments.wrong = !arguments.appends && !text_equal(argv[i], "verify");
        } else if ((value = value_of(argv[i], "--engine=")) != nullptr) {
            arguments.engine = engine_from(value);
        } else if ((value = value_of(argv[i], "--way=")) != nullptr) {
            arguments.way = way_from(value);
        } else if ((value = value_of(argv[i], "--depth=")) != nullptr) {
            arguments.depth = number_from(value);
        } else if ((value = value_of(argv[i], "--seed=")) != nullptr) {
            arguments.seed = number_from(value);
        } else {
            arguments.wrong = true;
        }
    }
    arguments.wrong = arguments.wrong || argc < 2 || arguments.engine == EngineChoice::any ||
                      (arguments.appends && arguments.way == nullptr) || arguments.depth < 1 ||
                      arguments.depth > Appender::depth_max || arguments.seed == 0;
    return arguments;
}

/// The kernel finds the drive beside what the first process does, so it may not be there yet. An
/// error of the file system shall end the boot, and not only the file that meets it.
[[nodiscard]] i32 mount_disk() noexcept {
    constexpr u32 tries_max = 6000;
    const abi::Timespec pause = timespec_of(10'000'000);
    (void)kernel::mkdirat(abi::at_fdcwd, directory, 0755);
    i32 result = 0;
    for (u32 i = 0; i < tries_max; ++i) {
        result = kernel::mount("/dev/nvme0n1", directory, "ext4", 0, "errors=panic");
        if (result != -Errno::enoent && result != -Errno::enxio) {
            break;
        }
        (void)kernel::clock_nanosleep(abi::clock::monotonic, 0, &pause, nullptr);
    }
    return result;
}

/// Opens the log, and takes off what is behind its whole records. All that is on the disk when this
/// returns. A descriptor or a negative errno.
[[nodiscard]] i32 open_log(const Way& way, const Found& found) noexcept {
    using namespace abi;
    TextBuffer<64> path;
    path.add(directory).add('/').add(way.name);
    const i32 parent = perform_on(
        loop, op::openat(at_fdcwd, directory,
                         open_flag::read_only | open_flag::directory | open_flag::cloexec));
    if (parent < 0) {
        return parent;
    }
    const i32 flags = open_flag::read_write | open_flag::create | open_flag::cloexec;
    const i32 fd =
        perform_on(loop, op::openat(at_fdcwd, path.c_str(), flags | way.open_flags, 0644));
    if (fd < 0) {
        return fd;
    }
    i32 result = perform_on(loop, op::ftruncate(fd, found.bytes));
    if (result == 0 && way.allocates) {
        result =
            perform_on(loop, op::fallocate(fd, {.offset = found.bytes, .bytes = allocated_bytes}));
    }
    result = result < 0 ? result : perform_on(loop, op::fsync(fd));
    result = result < 0 ? result : perform_on(loop, op::fsync(parent));
    result = result < 0 ? result : perform_on(loop, op::close(parent));
    return result < 0 ? result : fd;
}

[[nodiscard]] i32 append(const Arguments& arguments, const Found& found) noexcept {
    const i32 fd = open_log(*arguments.way, found);
    if (fd < 0) {
        return fail("the log", fd);
    }
    TextBuffer<160> line;
    line.add("appending ").add(arguments.way->name).add(" behind ").number(found.records);
    line.add(", ").number(arguments.depth).add(" in flight, on ").add(loop.engine_name());
    (void)line.add(".\n").write_to(1);
    Appender appender(loop, *arguments.way, fd, found, arguments.seed);
    appender.run(static_cast<u32>(arguments.depth));
    return 1;
}

[[nodiscard]] int run(int argc, char** argv) noexcept {
    const Arguments arguments = parse(argc, argv);
    if (arguments.wrong) {
        return fail("arguments", -Errno::einval);
    }
    i32 result = mount_disk();
    if (result < 0) {
        return fail("no ext4 on /dev/nvme0n1", result);
    }
    Options options;
    options.engine = arguments.engine;
    result = open(loop, options);
    if (result < 0) {
        return fail("no loop", result);
    }
    Found found_of_way;
    for (const Way& way : ways) {
        Found found;
        result = look_through(loop, way, found);
        if (result < 0) {
            return fail(way.name, result);
        }
        if (&way == arguments.way) {
            found_of_way = found;
        }
    }
    if (arguments.appends) {
        return append(arguments, found_of_way);
    }
    loop.close();
    return 0;
}

} // namespace

} // namespace oxbow::power_cut

extern "C" int oxbow_main(int argc, char** argv, char**) {
    using namespace oxbow;
    if (!test::is_init()) {
        return power_cut::fail("only as the first process of a kernel", -Errno::eperm);
    }
    test::run_as_init(power_cut::run, argc, argv);
}
