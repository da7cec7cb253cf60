// The file's own position, where the ring does not move it as read(2) and write(2) do.
//
// With O_DIRECT, a transfer that the device ends later: it begins at the position, but the kernel
// moves that only behind what ends at once (io_uring/rw.c, kiocb_done). Each would go to the same
// place as the one before. Workers do them, one behind the other.
//
// Behind a short write: from 6.0 up to at least 6.18 the ring goes on with a write to a file that
// was short, and where that ends with an error (the disk is full, a limit), it tells what was
// written and leaves the position where it was: io_write in io_uring/rw.c, need_complete_io. The
// next write would go to the same place, and a write_all over its own data.
#include "../syscall/call_file.h"
#include "../syscall/call_memory.h"
#include "../syscall/start.h"
#include "engine_state.h"
#include "prep.h"

namespace oxbow::uring_engine {

namespace {

/// Where a read or write with an offset of its own goes to; 0 of other operations.
[[nodiscard]] u64 offset_of(const Completion& completion) noexcept {
    const arguments::Any& a = completion.arguments;
    switch (completion.kind) {
    case Kind::read:
    case Kind::read_all:
    case Kind::write:
    case Kind::write_all:
        return a.transfer.offset;
    case Kind::readv:
    case Kind::writev:
        return a.vector.offset;
    default:
        return 0;
    }
}

/// How much a step was asked for.
[[nodiscard]] u64 bytes_asked(const Completion& completion) noexcept {
    const arguments::Any& a = completion.arguments;
    if (completion.kind != Kind::writev) {
        return a.transfer.bytes - static_cast<u32>(completion.value);
    }
    u64 bytes = 0;
    for (u32 i = 0; i < a.vector.count; ++i) {
        bytes += a.vector.pieces[i].bytes;
    }
    return bytes;
}

/// The position of a file in memory behind a write whose last byte cannot be read. 0: the kernel
/// does not move it; or an error, where nobody knows.
[[nodiscard]] i64 position_behind_a_short_write(i32 file, const u8* data, u32 bytes) noexcept {
    Ring ring;
    const i32 result = ring.open({.entries = 1});
    if (result != 0) {
        return result;
    }
    prep::write(*ring.get_sqe(), file, data, bytes, abi::current_position);
    Cqe cqe = {};
    (void)ring.submit_and_wait(1); // whatever it says, there is a completion or there is none
    const u32 count = ring.copy(&cqe, 1);
    ring.close();
    const bool is_short = count == 1 && cqe.result > 0 && static_cast<u32>(cqe.result) < bytes;
    return is_short ? kernel::lseek(file, 0, abi::seek_from::current)
                    : -static_cast<i64>(Errno::eio);
}

[[nodiscard]] bool kernel_moves_position() noexcept {
    // Pages of every size end there. As many bytes are written and one: older kernels write a page
    // of the file as a whole or not at all.
    constexpr u32 half = 64 * 1024;
    const i32 file = kernel::memfd_create("", abi::memfd_flag::cloexec);
    const long memory = kernel::mmap(nullptr, 2 * half, abi::protection::read,
                                     abi::map::private_ | abi::map::anonymous, -1, 0);
    i64 position = 0;
    if (file >= 0 && !is_error(memory)) {
        u8* const data = reinterpret_cast<u8*>(static_cast<uptr>(memory));
        if (kernel::mprotect(data + half, half, abi::protection::none) == 0) {
            position = position_behind_a_short_write(file, data, half + 1);
        }
    }
    if (!is_error(memory)) {
        (void)kernel::munmap(reinterpret_cast<void*>(static_cast<uptr>(memory)), 2 * half);
    }
    if (file >= 0) {
        (void)kernel::close(file); // it is in memory only
    }
    return position > 0;
}

} // namespace

bool leaves_position(Loop& loop, const Completion& completion) noexcept {
    if (offset_of(completion) != abi::current_position) {
        return false;
    }
    ++loop.counters().syscalls;
    const i32 flags = kernel::fcntl(completion.fd, abi::fcntl_command::get_status_flags);
    // Of a pipe the flag means something else.
    return flags >= 0 && (flags & abi::open_flag::direct) != 0 && is_file(completion.fd);
}

void mend_position(State& state, const Completion& completion, u32 written) noexcept {
    const u64 offset = offset_of(completion);
    const u64 asked = bytes_asked(completion);
    const i32 fd = completion.fd;
    if (offset != abi::current_position || written == 0 || written >= asked ||
        (written > transfer_bytes_least && written >= transfer_bytes_max()) ||
        kernel::lseek(fd, 0, abi::seek_from::current) < 0) {
        return;
    }
    abi::Statx status = {};
    if (kernel::statx(fd, "", abi::at_flag::empty_path, abi::statx_mask::type, &status) != 0) {
        return;
    }
    const u32 type = status.mode & abi::file_mode::type_mask;
    if (type != abi::file_mode::regular && type != abi::file_mode::block_device) {
        return;
    }
    if (!state.asked_about_position) {
        state.asked_about_position = true;
        state.moves_position = kernel_moves_position();
    }
    if (state.moves_position) {
        return;
    }
    const i32 flags = kernel::fcntl(fd, abi::fcntl_command::get_status_flags);
    const bool appends = flags >= 0 && (flags & abi::open_flag::append) != 0;
    (void)kernel::lseek(fd, appends ? 0 : static_cast<i64>(written),
                        appends ? abi::seek_from::end : abi::seek_from::current);
}

} // namespace oxbow::uring_engine
