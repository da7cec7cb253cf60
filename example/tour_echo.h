// A TCP echo server and its clients, all on one loop: the server takes connections and data as they
// come (multishot operations and one pool of buffers for everybody), each client sends messages and
// compares what comes back.
#pragma once

#include "../io/open.h"
#include "../syscall/call_socket.h"

namespace tour {

using namespace oxbow;

struct EchoCounts {
    u32 served = 0;   ///< connections that the server has closed
    u32 finished = 0; ///< clients that have had all their messages back
    u32 messages = 0;
    u64 bytes = 0;
    u32 wrong = 0; ///< answers that were not what had been sent, and anything that failed
};

/// One connection of the server.
class Session {
  public:
    void start(Loop& loop, BufferPool& pool, EchoCounts& counts, i32 fd) noexcept {
        pool_ = &pool;
        counts_ = &counts;
        fd_ = fd;
        loop.submit(receive_, op::recv_multishot(fd, pool), on<&Session::received>(*this));
    }

  private:
    static constexpr u32 waiting_max = 64; // buffers received and not yet sent back

    void received(Loop& loop, Result result) noexcept {
        if (result.has_buffer()) {
            waiting_[(first_ + count_++) & (waiting_max - 1)] = result;
            if (count_ == 1) {
                send_first(loop);
            }
        }
        if (!result.more()) {
            ended_ = true;
            counts_->wrong += result.eof() ? 0 : 1;
            close_when_idle(loop);
        }
    }

    void send_first(Loop& loop) noexcept {
        const Result& first = waiting_[first_];
        loop.submit(send_, op::send_all(fd_, pool_->data(first), first.count()),
                    on<&Session::sent>(*this));
    }

    void sent(Loop& loop, Result result) noexcept {
        counts_->wrong += result.count() == waiting_[first_].count() ? 0 : 1;
        pool_->give_back(waiting_[first_]);
        first_ = (first_ + 1) & (waiting_max - 1);
        if (--count_ != 0) {
            send_first(loop);
        } else {
            close_when_idle(loop);
        }
    }

    void close_when_idle(Loop& loop) noexcept {
        if (ended_ && count_ == 0) {
            loop.submit(send_, op::close(fd_), on<&Session::closed>(*this));
        }
    }

    void closed(Result result) noexcept {
        counts_->wrong += result.ok() ? 0 : 1;
        ++counts_->served;
    }

    BufferPool* pool_ = nullptr;
    EchoCounts* counts_ = nullptr;
    i32 fd_ = 0;
    bool ended_ = false;
    u32 first_ = 0;
    u32 count_ = 0;
    Completion receive_;
    Completion send_;
    Result waiting_[waiting_max] = {};
};

/// One client: sends messages of growing length, one after the other.
class Client {
  public:
    static constexpr u32 messages = 10;

    void start(Loop& loop, const abi::SocketAddressIn& server, EchoCounts& counts,
               u32 number) noexcept {
        server_ = server;
        counts_ = &counts;
        number_ = number;
        loop.submit(step_, op::socket(abi::socket_family::inet, abi::socket_type::stream),
                    on<&Client::made>(*this));
    }

  private:
    static constexpr u32 bytes_max = 4096;

    void made(Loop& loop, Result result) noexcept {
        fd_ = result.fd();
        loop.submit(step_, op::connect(fd_, &server_, sizeof(server_)),
                    on<&Client::connected>(*this));
    }

    void connected(Loop& loop, Result result) noexcept {
        if (!result.ok()) {
            ++counts_->wrong;
            return;
        }
        send_message(loop);
    }

    void send_message(Loop& loop) noexcept {
        bytes_ = 1 + ((number_ * 37 + message_ * 401) & (bytes_max - 1));
        for (u32 i = 0; i < bytes_; ++i) {
            out_[i] = static_cast<u8>(number_ + message_ * 3 + i * 7);
        }
        loop.submit(step_, op::send_all(fd_, out_, bytes_), on<&Client::sent>(*this));
    }

    void sent(Loop& loop, Result result) noexcept {
        counts_->wrong += result.count() == bytes_ ? 0 : 1;
        loop.submit(step_, op::recv_all(fd_, in_, bytes_), on<&Client::answered>(*this));
    }

    void answered(Loop& loop, Result result) noexcept {
        bool same = result.count() == bytes_;
        for (u32 i = 0; same && i < bytes_; ++i) {
            same = in_[i] == out_[i];
        }
        counts_->wrong += same ? 0 : 1;
        counts_->bytes += result.count();
        ++counts_->messages;
        if (same && ++message_ < messages) {
            send_message(loop);
        } else {
            loop.submit(step_, op::close(fd_), on<&Client::closed>(*this));
        }
    }

    void closed(Result result) noexcept {
        counts_->wrong += result.ok() ? 0 : 1;
        ++counts_->finished;
    }

    abi::SocketAddressIn server_{};
    EchoCounts* counts_ = nullptr;
    u32 number_ = 0;
    u32 message_ = 0;
    u32 bytes_ = 0;
    i32 fd_ = 0;
    Completion step_;
    u8 out_[bytes_max] = {};
    u8 in_[bytes_max] = {};
};

/// The server and `clients` clients; done when all connections are closed on both sides.
class Echo {
  public:
    static constexpr u32 clients = 200;

    /// 0, or what the listening socket could not be had for.
    [[nodiscard]] i32 start(Loop& loop) noexcept {
        const i32 result = pool_.open(loop, {.count = 256, .buffer_bytes = 4096});
        if (result != 0) {
            return result;
        }
        listener_ = kernel::socket(abi::socket_family::inet,
                                   abi::socket_type::stream | abi::socket_type::cloexec, 0);
        abi::SocketAddressIn address = {};
        address.family = abi::socket_family::inet;
        address.address = abi::ipv4_loopback;
        u32 bytes = sizeof(address);
        i32 error = kernel::bind(listener_, &address, bytes);
        error = error != 0 ? error : kernel::listen(listener_, 512);
        error = error != 0 ? error : kernel::getsockname(listener_, &address, &bytes);
        if (error != 0) {
            return error;
        }
        loop.submit(accept_, op::accept_multishot(listener_), on<&Echo::accepted>(*this));
        for (u32 i = 0; i < clients; ++i) {
            client_[i].start(loop, address, counts_, i);
        }
        return 0;
    }

    void close() noexcept { pool_.close(); }

    [[nodiscard]] const EchoCounts& counts() const noexcept { return counts_; }

  private:
    void accepted(Loop& loop, Result result) noexcept {
        if (result.ok() && accepted_ < clients) {
            session_[accepted_++].start(loop, pool_, counts_, result.fd());
        }
        if (accepted_ == clients && result.more()) {
            loop.submit(close_, op::close(listener_), Handler{}); // ends the accept as well
        }
    }

    BufferPool pool_;
    EchoCounts counts_;
    i32 listener_ = 0;
    u32 accepted_ = 0;
    Completion accept_;
    Completion close_;
    Session session_[clients];
    Client client_[clients];
};

} // namespace tour
