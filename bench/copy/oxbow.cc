// As a user of the loop would write it, in three ways. way=range: op::copy_file_range, `kib` at a
// time, by a worker. way=splice: op::splice from the file into a pipe and from there into the copy,
// so that the kernel copies from page to page, through `depth` pipes; more than one is no faster,
// since only one write to a file goes on at a time. way=buffers: op::pread_all and then
// op::pwrite_all, `depth` pieces of `kib` at once.
#include "../oxbow.h"
#include "copy.h"

namespace {

using namespace oxbow;

/// What is still to be copied, for the pieces that take from it.
class Pieces {
  public:
    Pieces(const bench::CopyJob& job, u32 piece_bytes) : job_(job), piece_bytes_(piece_bytes) {}
    [[nodiscard]] const bench::CopyJob& job() const noexcept { return job_; }
    [[nodiscard]] u32 piece_bytes() const noexcept { return piece_bytes_; }

    /// False: nothing is left.
    [[nodiscard]] bool take(u64* offset, u32* bytes) noexcept {
        const u64 left = job_.bytes - next_;
        *offset = next_;
        *bytes = left < piece_bytes_ ? static_cast<u32>(left) : piece_bytes_;
        next_ += *bytes;
        return left != 0;
    }

  private:
    bench::CopyJob job_;
    u32 piece_bytes_;
    u64 next_ = 0;
};

/// A buffer and what is done with it.
class BufferedPiece {
  public:
    explicit BufferedPiece(Pieces& pieces)
        : pieces_(pieces), data_(bench::map_pages(pieces.piece_bytes())) {}
    void start(Loop& loop) noexcept {
        if (pieces_.take(&offset_, &bytes_)) {
            loop.submit(completion_, op::pread_all(pieces_.job().from, data_, bytes_, offset_),
                        on<&BufferedPiece::was_read>(*this));
        }
    }

  private:
    void was_read(Loop& loop, Result result) noexcept {
        check("pread_all", result);
        loop.submit(completion_, op::pwrite_all(pieces_.job().to, data_, bytes_, offset_),
                    on<&BufferedPiece::was_written>(*this));
    }
    void was_written(Loop& loop, Result result) noexcept {
        check("pwrite_all", result);
        start(loop);
    }
    void check(const char* what, Result result) const noexcept {
        if (result.value != static_cast<i32>(bytes_)) {
            bench::fail(what, result.value);
        }
    }

    Pieces& pieces_;
    char* data_;
    u64 offset_ = 0;
    u32 bytes_ = 0;
    Completion completion_;
};

/// A pipe and what goes through it.
class SplicedPiece {
  public:
    explicit SplicedPiece(Pieces& pieces) : pieces_(pieces) {
        bench::expect("pipe2", pipe2(pipe_, O_CLOEXEC));
        bench::expect("F_SETPIPE_SZ",
                      fcntl(pipe_[1], F_SETPIPE_SZ, static_cast<int>(pieces.piece_bytes())));
    }
    void start(Loop& loop) noexcept {
        if (pieces_.take(&offset_, &bytes_)) {
            fill(loop);
        }
    }

  private:
    void fill(Loop& loop) noexcept {
        splice_ = {pieces_.job().from, pipe_[1], offset_, abi::current_position, bytes_, 0};
        loop.submit(completion_, op::splice(&splice_), on<&SplicedPiece::filled>(*this));
    }
    void filled(Loop& loop, Result result) noexcept {
        in_pipe_ = moved(result);
        empty(loop);
    }
    void empty(Loop& loop) noexcept {
        splice_ = {pipe_[0], pieces_.job().to, abi::current_position, offset_, in_pipe_, 0};
        loop.submit(completion_, op::splice(&splice_), on<&SplicedPiece::emptied>(*this));
    }
    /// The pipe may have taken less than there is, and the file less than the pipe had.
    void emptied(Loop& loop, Result result) noexcept {
        const u32 written = moved(result);
        offset_ += written;
        bytes_ -= written;
        in_pipe_ -= written;
        if (in_pipe_ != 0) {
            empty(loop);
        } else if (bytes_ != 0) {
            fill(loop);
        } else {
            start(loop);
        }
    }
    static u32 moved(Result result) noexcept {
        if (result.value <= 0) {
            bench::fail("splice", result.value);
        }
        return static_cast<u32>(result.value);
    }

    Pieces& pieces_;
    i32 pipe_[2];
    u64 offset_ = 0;
    u32 bytes_ = 0;
    u32 in_pipe_ = 0;
    op::Splice splice_{};
    Completion completion_;
};

/// What the kernel copies by itself.
class CopiedPiece {
  public:
    explicit CopiedPiece(Pieces& pieces) : pieces_(pieces) {}
    void start(Loop& loop) noexcept {
        if (pieces_.take(&offset_, &bytes_)) {
            copy(loop);
        }
    }

  private:
    void copy(Loop& loop) noexcept {
        range_ = {pieces_.job().from, pieces_.job().to, offset_, offset_, bytes_, 0};
        loop.submit(completion_, op::copy_file_range(&range_), on<&CopiedPiece::copied>(*this));
    }
    void copied(Loop& loop, Result result) noexcept {
        if (result.value <= 0) {
            bench::fail("copy_file_range", result.value);
        }
        offset_ += result.count();
        bytes_ -= result.count();
        if (bytes_ != 0) {
            copy(loop);
        } else {
            start(loop);
        }
    }

    Pieces& pieces_;
    u64 offset_ = 0;
    u32 bytes_ = 0;
    op::Splice range_{};
    Completion completion_;
};

struct Way {
    const char* name;
    long depth;
    long kib;
};
constexpr Way ways[] = {{"range", 1, 1048576}, {"splice", 1, 1024}, {"buffers", 8, 128}};

[[nodiscard]] const Way& way_of(bench::Parameters& parameters) {
    const char* const name = parameters.text("way", "range");
    for (const Way& way : ways) {
        if (std::strcmp(name, way.name) == 0) {
            return way;
        }
    }
    bench::fail("way is range, splice or buffers", 0);
}

class Subject {
  public:
    Subject(const bench::CopyJob& job, bench::Parameters& parameters)
        : way_(way_of(parameters)), depth_(parameters.number("depth", way_.depth)),
          pieces_(job, static_cast<u32>(parameters.number("kib", way_.kib)) * 1024) {
        bench::open_loop(loop_, parameters);
    }
    void run() {
        if (&way_ == &ways[0]) {
            copy_by<CopiedPiece>();
        } else if (&way_ == &ways[1]) {
            copy_by<SplicedPiece>();
        } else {
            copy_by<BufferedPiece>();
        }
    }

  private:
    template <class Piece>
    void copy_by() {
        for (long i = 0; i < depth_; ++i) {
            (new Piece(pieces_))->start(loop_);
        }
        if (const int error = loop_.run(); error < 0) {
            bench::fail("Loop::run", error);
        }
    }

    const Way& way_;
    long depth_;
    Pieces pieces_;
    Loop loop_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_copy<Subject>(argc, argv);
}
