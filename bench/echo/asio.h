// async_read_some into a buffer for each connection, then async_write_some until all is sent; the
// two programs differ in what Asio waits with.
#pragma once

#include "echo.h"

#include <asio/basic_socket_acceptor.hpp>
#include <asio/basic_stream_socket.hpp>
#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <deque>
#include <utility>
#include <vector>

namespace {

using namespace bench;

using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, asio::io_context::executor_type>;
using Socket = asio::basic_stream_socket<asio::ip::tcp, asio::io_context::executor_type>;

void check(const char* what, const asio::error_code& error) {
    if (error) {
        fail(what, -error.value());
    }
}

class Session {
  public:
    Session(Socket socket, unsigned bytes, EchoProgress& progress)
        : socket_(std::move(socket)), buffer_(bytes), progress_(progress) {
        receive();
    }

  private:
    void receive() {
        socket_.async_read_some(asio::buffer(buffer_),
                                [this](const asio::error_code& error, std::size_t bytes) {
                                    if (error == asio::error::eof) {
                                        socket_.close();
                                        progress_.closed();
                                        return;
                                    }
                                    check("async_read_some", error);
                                    send(buffer_.data(), bytes);
                                });
    }
    void send(const char* data, std::size_t bytes) {
        socket_.async_write_some(
            asio::buffer(data, bytes),
            [this, data, bytes](const asio::error_code& error, std::size_t sent) {
                check("async_write_some", error);
                if (sent == bytes) {
                    receive();
                } else {
                    send(data + sent, bytes - sent);
                }
            });
    }

    Socket socket_;
    std::vector<char> buffer_;
    EchoProgress& progress_;
};

class Server {
  public:
    Server(int listener, const EchoParameters& echo, EchoProgress& progress, Parameters&)
        : echo_(echo), progress_(progress), acceptor_(context_, asio::ip::tcp::v4(), listener) {
        accept();
    }
    void run() { context_.run(); }

  private:
    void accept() {
        acceptor_.async_accept([this](const asio::error_code& error, Socket socket) {
            check("async_accept", error);
            progress_.accepted(socket.native_handle());
            sessions_.emplace_back(std::move(socket), echo_.bytes, progress_);
            if (!progress_.all_accepted()) { // else run() returns after the last connection
                accept();
            }
        });
    }

    EchoParameters echo_;
    EchoProgress& progress_;
    asio::io_context context_{1};
    Acceptor acceptor_;
    std::deque<Session> sessions_;
};

} // namespace

int main(int argc, char** argv) {
    return run_echo<Server>(argc, argv);
}
