// tour [--engine=io_uring|epoll] [--try] [FILE]: an echo server with 200 clients, timers, wake-ups
// by another thread and a file, all at once on one loop; then what came of it, which is the same
// whatever the engine. With --try it only says whether the engine can be had, and why not. Builds
// hosted, and without a C library.
//
//   tour_echo.h    the server and its clients
//   tour_rest.h    timers, the other thread, the file
#include "../syscall/call.h"
#include "../syscall/start.h"
#include "../syscall/text.h"
#include "../uring/reason.h"
#include "tour_echo.h"
#include "tour_rest.h"

namespace {

using namespace oxbow;

constexpr const char* usage = "usage: tour [--engine=io_uring|epoll] [--try] [FILE]\n";

constinit Loop loop;
constinit tour::Echo echo;
constinit tour::Timers timers;
constinit tour::File file;

struct Arguments {
    Options options;
    const char* path = "oxbow-tour.tmp";
    bool only_try = false;
    bool wrong = false;
};

[[nodiscard]] Arguments parse(int argc, char** argv) noexcept {
    Arguments arguments;
    bool has_path = false;
    for (int i = 1; i < argc; ++i) {
        if (text_equal(argv[i], "--engine=io_uring")) {
            arguments.options.engine = EngineChoice::uring;
        } else if (text_equal(argv[i], "--engine=epoll")) {
            arguments.options.engine = EngineChoice::epoll;
        } else if (text_equal(argv[i], "--try")) {
            arguments.only_try = true;
        } else if (argv[i][0] == '-' || has_path) {
            arguments.wrong = true;
        } else {
            arguments.path = argv[i];
            has_path = true;
        }
    }
    return arguments;
}

[[nodiscard]] int fail(const char* what, i32 error, const Reason& reason) noexcept {
    char memory[512];
    Text line(memory);
    line.add("tour: ").add(what).add(": ");
    if (reason.refused()) {
        describe(reason, line);
    } else {
        line.error(error);
    }
    (void)line.add('\n').write_to(2);
    return 1;
}

[[nodiscard]] const char* yes_or_no(bool yes) noexcept {
    return yes ? "yes" : "no";
}

/// Prints what came of it, and whether that is what should have.
[[nodiscard]] bool report(const tour::Wakeups& wakeups) noexcept {
    const tour::EchoCounts& counts = echo.counts();
    char memory[1024];
    Text page(memory);
    page.add("echo     ").number(counts.finished).add(" clients, ").number(counts.messages);
    page.add(" messages, ").number(counts.bytes).add(" bytes came back, ");
    page.number(counts.wrong).add(" wrong, ").number(counts.served).add(" connections closed\n");
    page.add("timers   ").number(timers.in_order).add(" in order, ").number(timers.ticks);
    page.add(" ticks, ").number(timers.early).add(" early\n");
    page.add("thread   ").number(wakeups.seen).add(" notifications seen, ").number(wakeups.posts);
    page.add(" post\n");
    page.add("file     ").number(file.written).add(" bytes written, ").number(file.read);
    page.add(" read back, the same: ").add(yes_or_no(file.same)).add(", removed: ");
    page.add(yes_or_no(file.gone)).add('\n');
    if (file.error != 0) {
        page.add("file     ").error(file.error).add('\n');
    }
    (void)page.write_to(1);
    return counts.finished == tour::Echo::clients && counts.served == tour::Echo::clients &&
           counts.wrong == 0 && timers.in_order == tour::Timers::count && timers.early == 0 &&
           timers.ticks == 5 && wakeups.seen == tour::Wakeups::count && wakeups.posts == 1 &&
           file.same && file.gone && file.size == tour::File::bytes;
}

} // namespace

extern "C" int oxbow_main(int argc, char** argv, char** environment) {
    (void)environment;
    const Arguments arguments = parse(argc, argv);
    if (arguments.wrong) {
        (void)write_all(2, usage, text_length(usage));
        return 2;
    }
    Reason reason;
    i32 result = open(loop, arguments.options, &reason);
    if (result != 0) {
        return fail("no loop", result, reason);
    }
    if (arguments.only_try) {
        loop.close();
        return 0;
    }
    tour::Wakeups wakeups(loop);
    result = echo.start(loop);
    result = result != 0 ? result : wakeups.start();
    if (result != 0) {
        return fail("cannot begin", result, {});
    }
    timers.start(loop);
    file.start(loop, arguments.path);
    result = loop.run();
    if (result < 0) {
        return fail("the loop failed", result, {});
    }
    wakeups.close();
    const bool as_expected = report(wakeups);
    echo.close();
    loop.close();
    return as_expected ? 0 : 1;
}
