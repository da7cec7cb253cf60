// OXBOW_CHECK: in a debug build misuse ends the process with a message and a trap. The hosted test
// program is such a build and the one without libc is not, so that both sides are seen.
#include "../syscall/call.h"
#include "../uring/ring.h"
#include "fake_kernel.h"

namespace oxbow::test {
namespace {

/// What a child that runs `misuse` prints to standard error, and how it ends.
struct Ending {
    i32 status;
    char text[200];
};

template <class Misuse>
[[nodiscard]] Ending ending_of(Misuse misuse) noexcept {
    Ending ending = {};
    i32 pipe[2];
    CHECK_OK(kernel::pipe2(pipe, 0));
    ending.status = in_child([&]() noexcept {
        CHECK_OK(kernel::dup3(pipe[1], 2, 0));
        misuse();
    });
    CHECK_OK(kernel::close(pipe[1]));
    CHECK_OK(kernel::read(pipe[0], ending.text, sizeof(ending.text) - 1));
    CHECK_OK(kernel::close(pipe[0]));
    return ending;
}

[[nodiscard]] bool contains(const char* text, const char* part) noexcept {
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

#if defined(OXBOW_DEBUG)
constexpr bool traps = true;
#else
constexpr bool traps = false;
#endif

/// In a debug build the child dies of its trap and says why; else it goes on.
void check_ending(const Ending& ending, const char* message) noexcept {
    if (!traps) {
        CHECK_EQ(ending.status, 0);
        CHECK_STREQ(ending.text, "");
        return;
    }
    CHECK(ending.status == -4 || ending.status == -5); // SIGILL or SIGTRAP, by machine
    CHECK(contains(ending.text, "oxbow: misuse: "));
    CHECK(contains(ending.text, message));
    CHECK(contains(ending.text, "ring"));
}

TEST(check_completions_given_back_twice) {
    check_ending(ending_of([]() noexcept {
                     FakeKernel kernel;
                     Ring ring;
                     CHECK_OK(ring.open({.entries = 2}));
                     CHECK(ring.nop(1) != nullptr);
                     CHECK_OK(ring.submit());
                     ring.advance(2);
                     ring.close();
                 }),
                 "more completions given back than there are");
}

TEST(check_entry_of_a_closed_ring) {
    check_ending(ending_of([]() noexcept {
                     Ring ring;
                     CHECK(ring.get_sqe() == nullptr);
                 }),
                 "an entry of a closed ring was asked for");
}

#if defined(OXBOW_DEBUG)
TEST(check_closed_ring_used) {
    check_ending(ending_of([]() noexcept {
                     Ring ring;
                     (void)ring.submit();
                 }),
                 "the submission queue of a closed ring was used");
    check_ending(ending_of([]() noexcept {
                     Ring ring;
                     (void)ring.peek();
                 }),
                 "the completion queue of a closed ring was used");
}

TEST(check_ring_opened_twice) {
    check_ending(ending_of([]() noexcept {
                     FakeKernel kernel;
                     Ring ring;
                     CHECK_OK(ring.open({.entries = 2}));
                     (void)ring.open({.entries = 2});
                 }),
                 "Ring::open of a ring that is open");
}
#endif

} // namespace
} // namespace oxbow::test
