// asio::post from within a handler; the two programs differ in what Asio waits with.
#pragma once

#include "loop_nop.h"

#include <asio/io_context.hpp>
#include <asio/post.hpp>

namespace {

class Subject {
  public:
    Subject(bench::Parameters&) {}
    void run() {
        context_.restart();
        for (long i = 0; i < bench::outstanding; ++i) {
            post();
        }
        context_.run();
    }

  private:
    void post() {
        asio::post(context_, [this] {
            if (bench::goes_on()) {
                post();
            }
        });
    }

    asio::io_context context_{1};
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_loop_nop<Subject>(argc, argv);
}
