// Reads a log in large pieces, and looks at each record in its place.
#include "reader.h"

#include "../../syscall/text.h"
#include "record.h"

namespace oxbow::power_cut {

namespace {

constexpr u32 window_bytes = 1 << 20;
constinit u8 window[window_bytes] = {};

/// A file, a part of which is in the window.
class Reader {
  public:
    Reader(Loop& loop, i32 fd) noexcept : loop_(loop), fd_(fd) {}

    /// The `bytes` at `offset`; nullptr where the file has fewer, or after an error.
    [[nodiscard]] const u8* at(u64 offset, u32 bytes) noexcept {
        if (offset < start_ || offset + bytes > start_ + filled_) {
            start_ = offset;
            filled_ = 0;
            const i32 result = perform_on(loop_, op::pread_all(fd_, window, window_bytes, offset));
            if (result < 0) {
                error_ = result;
                return nullptr;
            }
            filled_ = static_cast<u32>(result);
        }
        return filled_ < bytes ? nullptr : window + (offset - start_);
    }
    [[nodiscard]] i32 error() const noexcept { return error_; }

  private:
    Loop& loop_;
    i32 fd_;
    u64 start_ = 0;
    u32 filled_ = 0;
    i32 error_ = 0;
};

void print_bad(const Way& way, u64 number, const char* why) noexcept {
    TextBuffer<120> line;
    line.add("bad ").add(way.name).add(' ').number(number).add(": ").add(why).add(".\n");
    (void)line.write_to(1);
}

void print_behind(const Way& way, u64 number) noexcept {
    TextBuffer<80> line;
    (void)line.add("behind ").add(way.name).add(' ').number(number).add(".\n").write_to(1);
}

[[nodiscard]] i32 look_at_records(Loop& loop, const Way& way, i32 fd, u64 file_bytes,
                                  Found& found) noexcept {
    Reader reader(loop, fd);
    u64 offset = 0;
    u64 seed = 0;
    bool is_broken = false;
    for (u64 number = 1; offset < file_bytes && reader.error() == 0; ++number) {
        const u32 bytes = record_bytes(number, way.alignment);
        const u8* const record = reader.at(offset, bytes);
        const char* const why =
            record != nullptr ? why_not_record(record, bytes, number, seed) : "the file ends in it";
        offset += bytes;
        if (why == nullptr && !is_broken) {
            found = {number, offset};
        } else if (why == nullptr) {
            print_behind(way, number);
        } else if (!is_broken) {
            is_broken = true;
            print_bad(way, number, why);
        }
    }
    return reader.error();
}

} // namespace

i32 perform_on(Loop& loop, const Operation& operation) noexcept {
    struct Ended {
        i32 value = 0;
        void note(Result result) noexcept { value = result.value; }
    };
    Completion completion;
    Ended ended;
    loop.submit(completion, operation, on<&Ended::note>(ended));
    const i32 ran = loop.run();
    return ran < 0 ? ran : ended.value;
}

i32 look_through(Loop& loop, const Way& way, Found& found) noexcept {
    found = {};
    TextBuffer<64> path;
    path.add(directory).add('/').add(way.name);
    const i32 fd =
        perform_on(loop, op::openat(abi::at_fdcwd, path.c_str(),
                                    abi::open_flag::read_only | abi::open_flag::cloexec));
    i32 result = fd == -Errno::enoent ? 0 : fd;
    if (fd >= 0) {
        abi::Statx status = {};
        result = perform_on(
            loop,
            op::statx(fd, "", {.flags = abi::at_flag::empty_path, .mask = abi::statx_mask::size},
                      &status));
        if (result == 0) {
            result = look_at_records(loop, way, fd, status.size, found);
        }
        const i32 closed = perform_on(loop, op::close(fd));
        result = result < 0 ? result : closed;
    }
    TextBuffer<80> line;
    line.add("intact ").add(way.name).add(' ').number(found.records).add(' ').number(found.bytes);
    (void)line.add(".\n").write_to(1);
    return result;
}

} // namespace oxbow::power_cut
