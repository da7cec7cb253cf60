// Every call of call_memory.h, made for real.
#include "../syscall/call.h"
#include "harness.h"

namespace oxbow::test {

namespace {

using namespace kernel;

constexpr i32 read_write = abi::protection::read | abi::protection::write;
constexpr i32 anonymous = abi::map::private_ | abi::map::anonymous;
constexpr usize page = 65536; // the largest page of any machine here, so a multiple of every one

[[nodiscard]] u8* map_pages(u32 count) noexcept {
    return reinterpret_cast<u8*>(
        CHECK_OK(mmap(nullptr, count * page, read_write, anonymous, -1, 0)));
}

/// What becomes of a child that writes there: -SIGSEGV where it may not. A sanitizer's handler
/// would make an exit of it.
[[nodiscard]] i32 ending_of_a_write(u8* memory) noexcept {
    return in_child([memory] {
        const abi::SignalAction standard = {};
        CHECK_OK(rt_sigaction(abi::signal::segv, &standard));
        *static_cast<volatile u8*>(memory) = 1;
    });
}

} // namespace

TEST(call_memory_map_and_unmap) {
    const i32 before = mapping_count();
    u8* const memory = map_pages(2);
    CHECK_EQ(memory[0], 0);
    memory[2 * page - 1] = 7;
    CHECK_OK(mprotect(memory, page, abi::protection::read));
    CHECK_EQ(ending_of_a_write(memory), -abi::signal::segv);
    CHECK_OK(mprotect(memory, page, read_write));
    memory[0] = 1;
    CHECK_OK(munmap(memory, 2 * page));
    CHECK_ERRNO(munmap(memory + 1, page), Errno::einval);
    CHECK_ERRNO(mmap(nullptr, 0, read_write, anonymous, -1, 0), Errno::einval);
    CHECK_ERRNO(mmap(nullptr, page, read_write, abi::map::private_, -1, 0), Errno::ebadf);
    CHECK_EQ(mapping_count(), before);
}

TEST(call_memory_map_far_into_a_file) {
    constexpr u64 far = (u64{5} << 30) + page;
    const i32 fd = CHECK_OK(memfd_create("far", abi::memfd_flag::cloexec));
    CHECK_OK(ftruncate(fd, far + page));
    CHECK_EQ(pwrite(fd, "here", 4, far), 4);
    u8* const memory =
        reinterpret_cast<u8*>(CHECK_OK(mmap(nullptr, page, read_write, abi::map::shared, fd, far)));
    CHECK_BYTES(memory, "here", 4);
    memory[0] = 't';
    CHECK_OK(msync(memory, page, abi::msync_flag::sync));
    char back[4];
    CHECK_EQ(pread(fd, back, 4, far), 4);
    CHECK_BYTES(back, "tere", 4);
    CHECK_ERRNO(msync(memory, page, abi::msync_flag::sync | abi::msync_flag::async), Errno::einval);
    CHECK_OK(munmap(memory, page));
    // In bytes on every machine: an offset inside a page is refused and never rounded.
    CHECK_ERRNO(mmap(nullptr, page, read_write, abi::map::shared, fd, 4), Errno::einval);
    if (sizeof(long) == 4) {
        CHECK_ERRNO(mmap(nullptr, page, read_write, abi::map::shared, fd, u64{1} << 45),
                    Errno::eoverflow);
    }
    CHECK_OK(close(fd));
}

TEST(call_memory_advice) {
    u8* const memory = map_pages(1);
    memory[0] = 9;
    CHECK_OK(madvise(memory, page, abi::madvice::dontfork));
    CHECK_EQ(ending_of_a_write(memory), -abi::signal::segv);
    CHECK_OK(madvise(memory, page, abi::madvice::dofork));
    CHECK_EQ(in_child([memory] { return *static_cast<volatile u8*>(memory); }), 9);
    CHECK_OK(madvise(memory, page, abi::madvice::dontneed));
    CHECK_EQ(*static_cast<volatile u8*>(memory), 0);
    CHECK_ERRNO(madvise(memory, page, 12345), Errno::einval);
    CHECK_OK(munmap(memory, page));
}

TEST(call_memory_remap_and_residence) {
    u8* memory = map_pages(1);
    memory[3] = 33;
    memory = reinterpret_cast<u8*>(CHECK_OK(mremap(memory, page, 4 * page, abi::remap::may_move)));
    CHECK_EQ(memory[3], 33);
    memory[4 * page - 1] = 1;
    u8* const place = map_pages(4);
    memory = reinterpret_cast<u8*>(CHECK_OK(
        mremap(memory, 4 * page, 4 * page, abi::remap::may_move | abi::remap::fixed, place)));
    CHECK(memory == place);
    CHECK_EQ(memory[3], 33);
    u8 resident[4 * page / 4096] = {};
    CHECK_OK(mincore(memory, 4 * page, resident));
    CHECK_EQ(resident[0] & 1, 1);
    CHECK_OK(munmap(memory, 4 * page));
    CHECK_ERRNO(mincore(memory, 4 * page, resident), Errno::enomem);
}

TEST(call_memory_lock) {
    u8* const memory = map_pages(1);
    const i32 locked = mlock(memory, page);
    if (locked == -Errno::enomem || locked == -Errno::eperm) {
        SKIP("RLIMIT_MEMLOCK is under 64 KiB");
    }
    CHECK_OK(locked);
    CHECK_ERRNO(madvise(memory, page, abi::madvice::dontneed), Errno::einval);
    CHECK_OK(munlock(memory, page));
    CHECK_OK(madvise(memory, page, abi::madvice::dontneed));
    CHECK_OK(munmap(memory, page));
}

TEST(call_memory_memfd_seals) {
    const i32 fd =
        CHECK_OK(memfd_create("sealed", abi::memfd_flag::cloexec | abi::memfd_flag::allow_sealing));
    CHECK_OK(ftruncate(fd, 100));
    CHECK_OK(fcntl(fd, abi::fcntl_command::add_seals, abi::seal::grow));
    CHECK_EQ(fcntl(fd, abi::fcntl_command::get_seals), abi::seal::grow);
    CHECK_ERRNO(ftruncate(fd, 101), Errno::eperm);
    CHECK_OK(ftruncate(fd, 99));
    CHECK_OK(close(fd));
    CHECK_ERRNO(memfd_create("odd", 0x8000), Errno::einval);
}

TEST(call_memory_barrier) {
    const i32 commands = membarrier(abi::membarrier_command::query);
    if (commands == -Errno::enosys) {
        SKIP("this kernel is built without membarrier");
    }
    CHECK_OK(commands);
    if ((commands & abi::membarrier_command::private_expedited) != 0) {
        CHECK_ERRNO(membarrier(abi::membarrier_command::private_expedited), Errno::eperm);
        CHECK_OK(membarrier(abi::membarrier_command::register_private_expedited));
        CHECK_OK(membarrier(abi::membarrier_command::private_expedited));
    }
}

} // namespace oxbow::test
