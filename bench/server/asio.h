// async_wait until a connection is readable, then a read into one buffer for everybody: what Asio
// has for connections that are many and mostly idle. The two programs differ in what Asio waits
// with.
#include "hosted.h"

#include <asio/basic_socket_acceptor.hpp>
#include <asio/basic_stream_socket.hpp>
#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>
#include <utility>

namespace {

using namespace hosted;

using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, asio::io_context::executor_type>;
using Socket = asio::basic_stream_socket<asio::ip::tcp, asio::io_context::executor_type>;

u64 left;
char buffer[buffer_bytes];
asio::io_context context{1};

void check(const char* what, const asio::error_code& error) {
    if (error) {
        fail(what, -error.value());
    }
}

class Session {
  public:
    explicit Session(Socket socket) : socket_(std::move(socket)) {
        socket_.non_blocking(true);
        wait();
    }

  private:
    void wait() {
        socket_.async_wait(Socket::wait_read, [this](const asio::error_code& error) {
            check("async_wait", error);
            readable();
        });
    }
    void readable() {
        asio::error_code error;
        const std::size_t received = socket_.read_some(asio::buffer(buffer), error);
        if (error == asio::error::would_block) {
            wait();
            return;
        }
        if (error) {
            delete this; // which closes the connection
            return;
        }
        asio::write(socket_, asio::buffer(buffer, received));
        if (--left == 0) {
            context.stop();
        }
        wait();
    }

    Socket socket_;
};

void accept(Acceptor& acceptor) {
    acceptor.async_accept([&acceptor](const asio::error_code& error, Socket socket) {
        check("async_accept", error);
        new Session(std::move(socket));
        accept(acceptor);
    });
}

} // namespace

int main(int argc, char** argv) {
    left = answers_max(argc, argv);
    Acceptor acceptor(context, asio::ip::tcp::v4(), listen_and_tell());
    accept(acceptor);
    context.run();
    std::_Exit(0); // as the others, without ending what still waits
}
