// asio::random_access_file, one object for each read that is under way: an object does one at a
// time. (Asio has files on io_uring only.)
#define ASIO_HAS_IO_URING 1
#define ASIO_DISABLE_EPOLL 1
#include "files.h"

#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/random_access_file.hpp>

#include <memory>

namespace {

class Subject {
  public:
    Subject(int fd, bench::ReadJob& job, bench::Parameters&) : job_(job) {
        for (unsigned slot = 0; slot < job.depth; ++slot) {
            files_.push_back(std::make_unique<File>(
                context_.get_executor(), static_cast<int>(bench::expect("dup", dup(fd)))));
        }
    }
    void run() {
        for (unsigned slot = 0; slot < job_.depth && job_.has_next(); ++slot) {
            start(slot);
        }
        context_.run();
    }

  private:
    using File = asio::basic_random_access_file<asio::io_context::executor_type>;

    void start(unsigned slot) {
        files_[slot]->async_read_some_at(
            job_.next_offset(slot), asio::buffer(job_.buffer(slot), bench::block_bytes),
            [this, slot](const std::error_code& error, std::size_t bytes) {
                job_.finish(slot, error ? long{-error.value()} : static_cast<long>(bytes));
                if (job_.has_next()) {
                    start(slot);
                }
            });
    }

    bench::ReadJob& job_;
    asio::io_context context_{1};
    std::vector<std::unique_ptr<File>> files_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_files<Subject>(argc, argv);
}
