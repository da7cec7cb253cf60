// asio::post from the other thread: each is a handler of its own, and none is merged with others.
// The two programs differ in what Asio waits with.
#pragma once

#include "wake.h"

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

namespace {

class Subject : public bench::Wakeable {
  public:
    explicit Subject(bench::Parameters&) {}
    void open() {}
    void run() { context_.run(); }
    void stop() { context_.stop(); }
    void notify(Subject*) {
        asio::post(context_, [this] { woken(user); });
    }

  private:
    asio::io_context context_{1};
    asio::executor_work_guard<asio::io_context::executor_type> guard_{context_.get_executor()};
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_wake<Subject>(argc, argv);
}
