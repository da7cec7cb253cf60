// steady_timer: expires_after and async_wait to start, cancel to stop, and expires_after and
// async_wait again as the reset; the two programs differ in what Asio waits with.
#pragma once

#include "timers.h"

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <vector>

namespace {

using bench::i64;

class Subject {
  public:
    Subject(long timers, bench::Parameters&) {
        timers_.reserve(static_cast<std::size_t>(timers));
        for (long i = 0; i < timers; ++i) {
            timers_.emplace_back(context_);
        }
    }
    void start(long timer, i64 delay_ns) {
        start(timers_[static_cast<std::size_t>(timer)], delay_ns);
    }
    void start_and_stop(i64 delay_ns) {
        start(spare_, delay_ns);
        spare_.cancel();
    }
    void reset(long timer, i64 delay_ns) {
        start(timer, delay_ns); // cancels the wait that is under way
    }
    void call(const std::function<void()>& work) {
        asio::post(context_, [&work] { work(); });
        context_.restart();
        context_.poll();
    }
    void run() {
        context_.restart();
        context_.run();
    }

  private:
    // Without a type-erased executor.
    using Timer = asio::steady_timer::rebind_executor<asio::io_context::executor_type>::other;

    static void start(Timer& timer, i64 delay_ns) {
        timer.expires_after(std::chrono::nanoseconds(delay_ns));
        timer.async_wait([](const asio::error_code& error) { bench::timers_fired += !error; });
    }
    asio::io_context context_{1};
    std::vector<Timer> timers_;
    Timer spare_{context_};
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_timers<Subject>(argc, argv);
}
