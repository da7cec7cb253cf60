// A program of a timer and a socket on a loop, whose size is pinned: a listening socket, one
// client, one message each way, and a timer.
#pragma once

#include "../../loop/loop.h"
#include "../../syscall/call_socket.h"

namespace oxbow::size {

class Program {
  public:
    [[nodiscard]] int run(Loop& loop) noexcept {
        loop_ = &loop;
        const i32 listener = kernel::socket(abi::socket_family::inet, abi::socket_type::stream, 0);
        u32 bytes = sizeof(address_);
        address_.family = abi::socket_family::inet;
        address_.address = abi::ipv4_loopback;
        if (kernel::bind(listener, &address_, bytes) != 0 || kernel::listen(listener, 8) != 0 ||
            kernel::getsockname(listener, &address_, &bytes) != 0) {
            return 1;
        }
        loop.submit(accept_, op::accept(listener), on<&Program::accepted>(*this));
        loop.submit(timer_, op::timer(1000000), on<&Program::timed>(*this));
        client_ = kernel::socket(abi::socket_family::inet, abi::socket_type::stream, 0);
        loop.submit(connect_, op::connect(client_, &address_, bytes),
                    on<&Program::connected>(*this));
        if (loop.run() < 0) {
            return 1;
        }
        loop.close();
        return done_ == 2 ? 0 : 1;
    }

  private:
    void timed(Result result) noexcept { done_ += result.ok() ? 1 : 0; }

    void accepted(Result result) noexcept {
        server_ = result.fd();
        loop_->submit(accept_, op::recv(server_, in_, sizeof(in_)), on<&Program::received>(*this));
    }

    void connected(Result) noexcept {
        loop_->submit(connect_, op::send_all(client_, "hello", 5), Handler{});
    }

    void received(Result result) noexcept {
        done_ += result.count() == 5 ? 1 : 0;
        loop_->submit(accept_, op::close(server_), Handler{});
    }

    Loop* loop_ = nullptr;
    abi::SocketAddressIn address_{};
    i32 client_ = 0;
    i32 server_ = 0;
    int done_ = 0;
    char in_[16] = {};
    Completion accept_;
    Completion connect_;
    Completion timer_;
};

} // namespace oxbow::size
