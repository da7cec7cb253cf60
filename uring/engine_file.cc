// From operations on files and paths to entries of the submission queue. A program has this part
// only if it makes such operations (needs.h).
#include "../loop/needs.h"
#include "../syscall/call_file.h"
#include "engine_state.h"
#include "prep.h"

namespace oxbow {

constexpr char detail::ring_files_part = 0;

namespace uring_engine {

namespace {

using arguments::Any;

/// Flags of a write, with the one that keeps SIGPIPE away.
[[nodiscard]] u32 write_flags(const State& state, u32 flags) noexcept {
    return state.features.refuses_nosignal ? flags : flags | abi::rw_flag::nosignal;
}

/// Lets an entry for a read or a write find its memory in the ring's table.
void use_area(abi::Sqe& sqe, u32 area) noexcept {
    const bool reads = sqe.opcode == static_cast<u8>(abi::Opcode::read);
    sqe.opcode = static_cast<u8>(reads ? abi::Opcode::read_fixed : abi::Opcode::write_fixed);
    sqe.buf_index = static_cast<u16>(area);
}

/// Of one piece of memory.
[[gnu::always_inline]] inline void prepare_plain_transfer(const State& state, abi::Sqe& sqe,
                                                          const Completion& completion) noexcept {
    const Any& a = completion.arguments;
    const i32 fd = completion.fd;
    const u32 done = static_cast<u32>(completion.value);
    u8* const data = static_cast<u8*>(a.transfer.data) + done;
    const u32 bytes = a.transfer.bytes - done;
    const u64 offset = a.transfer.offset == abi::current_position ? abi::current_position
                                                                  : a.transfer.offset + done;
    if (completion.kind == Kind::read || completion.kind == Kind::read_all) {
        prep::read(sqe, fd, data, bytes, offset, {.flags = a.transfer.flags});
    } else {
        prep::write(sqe, fd, data, bytes, offset, {.flags = write_flags(state, a.transfer.flags)});
    }
    if (const u32 area = area_of(state, data, bytes); area != areas_max && bytes != 0) {
        use_area(sqe, area);
    }
}

void prepare_transfer(const State& state, abi::Sqe& sqe, Completion& completion) noexcept {
    const Any& a = completion.arguments;
    const i32 fd = completion.fd;
    if (completion.kind == Kind::readv) {
        prep::readv(sqe, fd, a.vector.pieces, a.vector.count, a.vector.offset,
                    {.flags = a.vector.flags});
        return;
    }
    if (completion.kind == Kind::writev) {
        prep::writev(sqe, fd, a.vector.pieces, a.vector.count, a.vector.offset,
                     {.flags = write_flags(state, a.vector.flags)});
        return;
    }
    prepare_plain_transfer(state, sqe, completion);
}

void prepare_file(abi::Sqe& sqe, Completion& completion) noexcept {
    const Any& a = completion.arguments;
    const i32 fd = completion.fd;
    const u64 offset = a.range.offset;
    const u64 bytes = a.range.bytes;
    switch (completion.kind) {
    case Kind::openat:
        prep::openat(sqe, fd, a.open.path, {.flags = a.open.flags, .mode = a.open.mode});
        sqe.flags |= completion.has(half_done) ? abi::sqe_flag::async : u8{0};
        return;
    case Kind::openat2:
        prep::openat2(sqe, fd, a.open2.path, a.open2.how);
        sqe.flags |= completion.has(half_done) ? abi::sqe_flag::async : u8{0};
        return;
    case Kind::statx:
        prep::statx(sqe, fd, a.status.path, {.flags = a.status.flags, .mask = a.status.mask},
                    a.status.status);
        return;
    case Kind::fsync:
        prep::fsync(sqe, fd, {.data_only = a.sync.data_only != 0});
        return;
    case Kind::sync_file_range:
        prep::sync_file_range(
            sqe, fd, {.offset = offset, .bytes = static_cast<u32>(bytes), .flags = a.range.how});
        return;
    case Kind::fallocate:
        prep::fallocate(sqe, fd, {.offset = offset, .bytes = bytes}, static_cast<i32>(a.range.how));
        return;
    case Kind::ftruncate:
        prep::ftruncate(sqe, fd, bytes);
        return;
    case Kind::fadvise:
        prep::fadvise(sqe, fd, {.offset = offset, .bytes = bytes}, static_cast<i32>(a.range.how));
        return;
    default:
        prep::madvise(sqe, a.memory.address, a.memory.bytes, a.memory.advice);
        return;
    }
}

void prepare_path(abi::Sqe& sqe, Completion& completion) noexcept {
    const Any& a = completion.arguments;
    const i32 fd = completion.fd;
    const prep::PathPair pair = {a.paths.old_path, a.paths.new_path, fd, a.paths.new_directory,
                                 a.paths.flags};
    const arguments::Attribute* const attribute =
        completion.kind == Kind::getxattr || completion.kind == Kind::setxattr
            ? a.path_attribute.attribute
            : &a.attribute;
    const auto reads = [attribute]() noexcept {
        return prep::AttributeRead{attribute->name, attribute->value, attribute->bytes};
    };
    const auto writes = [attribute]() noexcept {
        return prep::AttributeWrite{attribute->name, attribute->value, attribute->bytes,
                                    attribute->flags};
    };
    switch (completion.kind) {
    case Kind::renameat:
        prep::renameat(sqe, pair);
        return;
    case Kind::linkat:
        prep::linkat(sqe, pair);
        return;
    case Kind::symlinkat:
        prep::symlinkat(sqe, {a.paths.old_path, a.paths.new_path, a.paths.new_directory});
        return;
    case Kind::unlinkat:
        prep::unlinkat(sqe, fd, a.path.path, static_cast<i32>(a.path.how));
        return;
    case Kind::mkdirat:
        prep::mkdirat(sqe, fd, a.path.path, a.path.how);
        return;
    case Kind::getxattr:
        prep::getxattr(sqe, a.path_attribute.path, reads());
        return;
    case Kind::setxattr:
        prep::setxattr(sqe, a.path_attribute.path, writes());
        return;
    case Kind::fgetxattr:
        prep::fgetxattr(sqe, fd, reads());
        return;
    default:
        prep::fsetxattr(sqe, fd, writes());
        return;
    }
}

void prepare_pipe(abi::Sqe& sqe, const Completion& completion) noexcept {
    const Any& a = completion.arguments;
    switch (completion.kind) {
    case Kind::splice:
        prep::splice(sqe, {.from_fd = a.splice.splice->from_fd,
                           .from_offset = a.splice.splice->from_offset,
                           .to_fd = a.splice.splice->to_fd,
                           .to_offset = a.splice.splice->to_offset,
                           .bytes = a.splice.splice->bytes,
                           .flags = a.splice.splice->flags});
        return;
    case Kind::tee:
        prep::tee(sqe, {.from_fd = a.splice.splice->from_fd,
                        .to_fd = a.splice.splice->to_fd,
                        .bytes = a.splice.splice->bytes,
                        .flags = a.splice.splice->flags});
        return;
    default:
        prep::pipe(sqe, a.pipe.fds, a.pipe.flags);
        return;
    }
}

void prepare_any(State& state, abi::Sqe& sqe, Completion& completion) noexcept {
    if (is_transfer(completion.kind)) {
        prepare_transfer(state, sqe, completion);
    } else if (completion.kind < Kind::renameat) {
        prepare_file(sqe, completion);
    } else if (completion.kind < Kind::splice) {
        prepare_path(sqe, completion);
    } else {
        prepare_pipe(sqe, completion);
    }
}

} // namespace

bool is_file(i32 fd) noexcept {
    abi::Statx status = {};
    const i32 result =
        kernel::statx(fd, "", abi::at_flag::empty_path, abi::statx_mask::type, &status);
    const u32 type = status.mode & abi::file_mode::type_mask;
    return result == 0 && (type == abi::file_mode::regular || type == abi::file_mode::directory ||
                           type == abi::file_mode::block_device);
}

/// Whether the kernel would call a read_multishot -EBADFD, if it had one: nobody can wait for it.
[[nodiscard]] static bool is_file_without_multishot(State& state,
                                                    const Completion& completion) noexcept {
    return !(has(state, abi::Opcode::read_multishot) &&
             completion.arguments.managed.pool->kernel_takes) &&
           is_file(completion.fd);
}

/// Every ring that a loop stands on has those that have a place of their own in the file, and
/// something to transfer. They need no second look, and this is what files are mostly read with.
static void submit_transfer(Loop& loop, Completion& completion) noexcept {
    State& state = state_of(loop);
    const arguments::Transfer& transfer = completion.arguments.transfer;
    if (transfer.offset == abi::current_position || transfer.bytes == 0 || !loop.parked().empty() ||
        !state.ring.has_sqe_at_hand()) {
        begin(loop, completion);
        return;
    }
    abi::Sqe& sqe = *state.ring.get_sqe();
    prepare_plain_transfer(state, sqe, completion);
    finish_entry(loop, sqe, completion);
    completion.state = oxbow::State::engine;
    loop.slot_of(completion).readers.push(completion);
}

constexpr FilePart file_part = {submit_transfer, prepare_any, leaves_position,
                                mend_position,   is_file,     is_file_without_multishot};

} // namespace uring_engine
} // namespace oxbow
