// asio::async_read_at and async_write_at, `depth` pieces of `kib` at once. Each has files of its
// own: an asio::random_access_file does one thing at a time. (Asio has files on io_uring only.)
#define ASIO_HAS_IO_URING 1
#define ASIO_DISABLE_EPOLL 1
#include "copy.h"

#include <asio/io_context.hpp>
#include <asio/random_access_file.hpp>
#include <asio/read_at.hpp>
#include <asio/write_at.hpp>
#include <memory>

namespace {

class Subject {
  public:
    Subject(const bench::CopyJob& job, bench::Parameters& parameters)
        : job_(job), piece_bytes_(static_cast<std::size_t>(parameters.number("kib", 128)) * 1024) {
        const long depth = parameters.number("depth", 8);
        for (long i = 0; i < depth; ++i) {
            pieces_.push_back(std::make_unique<Piece>(context_, job, piece_bytes_));
        }
    }
    void run() {
        for (const std::unique_ptr<Piece>& piece : pieces_) {
            start(*piece);
        }
        context_.run();
    }

  private:
    using File = asio::basic_random_access_file<asio::io_context::executor_type>;

    struct Piece {
        Piece(asio::io_context& context, const bench::CopyJob& job, std::size_t room)
            : from(context.get_executor(), copy_of(job.from)),
              to(context.get_executor(), copy_of(job.to)), data(bench::map_pages(room)) {}
        static int copy_of(int fd) { return static_cast<int>(bench::expect("dup", dup(fd))); }

        File from;
        File to;
        char* data;
        bench::u64 offset = 0;
        std::size_t bytes = 0;
    };

    void start(Piece& piece) {
        const bench::u64 left = job_.bytes - next_;
        if (left == 0) {
            return;
        }
        piece.offset = next_;
        piece.bytes = left < piece_bytes_ ? left : piece_bytes_;
        next_ += piece.bytes;
        asio::async_read_at(piece.from, piece.offset, asio::buffer(piece.data, piece.bytes),
                            [this, &piece](const std::error_code& error, std::size_t) {
                                check("async_read_at", error);
                                write(piece);
                            });
    }
    void write(Piece& piece) {
        asio::async_write_at(piece.to, piece.offset, asio::buffer(piece.data, piece.bytes),
                             [this, &piece](const std::error_code& error, std::size_t) {
                                 check("async_write_at", error);
                                 start(piece);
                             });
    }
    static void check(const char* what, const std::error_code& error) {
        if (error) {
            bench::fail(what, -error.value());
        }
    }

    bench::CopyJob job_;
    std::size_t piece_bytes_;
    bench::u64 next_ = 0;
    asio::io_context context_{1};
    std::vector<std::unique_ptr<Piece>> pieces_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_copy<Subject>(argc, argv);
}
