// A crowd of pairs that talk to each other: what one side sends the other sends back, byte for
// byte, so that anything lost, doubled or out of order is noticed.
#pragma once

#include "live_ring.h"
#include "loop_help.h"

namespace oxbow::test {

/// One side of a conversation.
class EchoSide {
  public:
    void begin(Loop& loop, i32 fd, u32 rounds, bool asks) noexcept {
        fd_ = fd;
        rounds_ = rounds;
        asks_ = asks;
        next(loop, asks);
    }
    [[nodiscard]] bool done() const noexcept { return rounds_ == 0 && completion.idle(); }
    [[nodiscard]] u32 rounds_left() const noexcept { return rounds_; }

    Completion completion;

  private:
    void next(Loop& loop, bool sends) noexcept {
        sends_ = sends;
        if (sends && asks_) {
            byte_ = static_cast<u8>(rounds_);
        } else if (!sends) {
            byte_ = 0xff;
        }
        loop.submit(completion, sends ? op::send(fd_, &byte_, 1) : op::recv(fd_, &byte_, 1),
                    on<&EchoSide::ended>(*this));
    }
    void ended(Loop& loop, Result result) noexcept {
        CHECK_EQ(result.value, 1);
        if (!sends_) {
            CHECK_EQ(byte_, static_cast<u8>(rounds_));
        }
        const bool round_ends = sends_ != asks_;
        if (round_ends && --rounds_ == 0) {
            return;
        }
        next(loop, !sends_);
    }

    i32 fd_ = -1;
    u32 rounds_ = 0;
    bool asks_ = false;
    bool sends_ = false;
    u8 byte_ = 0;
};

template <u32 count>
class EchoCrowd {
  public:
    void begin(Loop& loop, u32 rounds) noexcept {
        for (u32 i = 0; i < count; ++i) {
            pairs_[i] = make_socket_pair();
            near_[i].begin(loop, pairs_[i].near, rounds, true);
            far_[i].begin(loop, pairs_[i].far, rounds, false);
        }
    }
    [[nodiscard]] bool done() const noexcept {
        for (u32 i = 0; i < count; ++i) {
            if (!near_[i].done() || !far_[i].done()) {
                return false;
            }
        }
        return true;
    }

  private:
    SocketPair pairs_[count];
    EchoSide near_[count];
    EchoSide far_[count];
};

} // namespace oxbow::test
