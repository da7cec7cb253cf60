// async_read_some and async_write_some, without composed operations or type-erased executors; the
// two programs differ in what Asio waits with.
#pragma once

#include "ping_pong.h"

#include <asio/basic_stream_socket.hpp>
#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

namespace {

using Socket = asio::basic_stream_socket<asio::ip::tcp, asio::io_context::executor_type>;

class Subject {
  public:
    Subject(const bench::TcpPair& pair, bench::Parameters&)
        : client_(context_, asio::ip::tcp::v4(), pair.client),
          server_(context_, asio::ip::tcp::v4(), pair.server) {
        receive_on_client();
        receive_on_server();
    }
    void run(long count) {
        left_ = count;
        context_.restart();
        send_to(client_);
        context_.run();
    }

  private:
    void receive_on_client() {
        client_.async_read_some(asio::buffer(client_data_),
                                [this](const asio::error_code& error, std::size_t bytes) {
                                    check(client_data_, error, bytes);
                                    if (--left_ > 0) {
                                        send_to(client_);
                                    } else {
                                        context_.stop();
                                    }
                                    receive_on_client();
                                });
    }
    void receive_on_server() {
        server_.async_read_some(asio::buffer(server_data_),
                                [this](const asio::error_code& error, std::size_t bytes) {
                                    check(server_data_, error, bytes);
                                    send_to(server_);
                                    receive_on_server();
                                });
    }
    static void check(const char* data, const asio::error_code& error, std::size_t bytes) {
        bench::check_ping(data, error ? -error.value() : static_cast<long>(bytes));
    }
    static void send_to(Socket& socket) {
        socket.async_write_some(asio::buffer(bench::ping, bench::ping_bytes),
                                [](const asio::error_code& error, std::size_t bytes) {
                                    if (bytes != bench::ping_bytes) {
                                        bench::fail("async_write_some", -error.value());
                                    }
                                });
    }

    asio::io_context context_{1};
    Socket client_;
    Socket server_;
    char client_data_[64];
    char server_data_[64];
    long left_ = 0;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_ping_pong<Subject>(argc, argv);
}
