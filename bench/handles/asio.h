// Objects of the user, and what Asio allocates for each operation, which depends on the handler:
// here it holds a pointer and an allocator that counts.
#include "handles.h"

#include <asio/basic_stream_socket.hpp>
#include <asio/basic_waitable_timer.hpp>
#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <sys/socket.h>

namespace {

using Socket = asio::basic_stream_socket<asio::ip::tcp, asio::io_context::executor_type>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>,
                                         asio::io_context::executor_type>;

std::size_t allocated;

template <class T>
struct CountingAllocator {
    using value_type = T;
    CountingAllocator() = default;
    template <class Other>
    explicit CountingAllocator(const CountingAllocator<Other>&) {}
    T* allocate(std::size_t count) {
        allocated += count * sizeof(T);
        return std::allocator<T>().allocate(count);
    }
    void deallocate(T* memory, std::size_t count) { std::allocator<T>().deallocate(memory, count); }
    template <class Other>
    bool operator==(const CountingAllocator<Other>&) const {
        return true;
    }
};

struct Handler {
    using allocator_type = CountingAllocator<char>;
    int* called;
    [[nodiscard]] allocator_type get_allocator() const noexcept { return {}; }
    template <class... Results>
    void operator()(Results...) const {
        ++*called;
    }
};

/// Starts one operation and runs it to its end.
template <class Start>
void print_allocated(const char* name, asio::io_context& context, Start start) {
    int called = 0;
    allocated = 0;
    start(Handler{&called});
    context.restart();
    context.run();
    if (called != 1 || allocated == 0) {
        bench::fail(name, called);
    }
    bench::print_bytes(name, allocated);
}

} // namespace

int main() {
    int ends[2];
    bench::expect("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    asio::io_context context{1};
    // Asio need not know that they are no TCP sockets.
    Socket one(context, asio::ip::tcp::v4(), ends[0]);
    Socket other(context, asio::ip::tcp::v4(), ends[1]);
    Timer timer(context, std::chrono::milliseconds(1));
    char byte = 1;
    char received = 0;
    bench::print_bytes("socket", sizeof(Socket));
    bench::print_bytes("timer", sizeof(Timer));
    print_allocated("async_write_some", context, [&](Handler handler) {
        one.async_write_some(asio::buffer(&byte, 1), handler);
    });
    print_allocated("async_read_some", context, [&](Handler handler) {
        other.async_read_some(asio::buffer(&received, 1), handler);
    });
    print_allocated("async_wait", context, [&](Handler handler) { timer.async_wait(handler); });
    print_allocated("post", context, [&](Handler handler) { asio::post(context, handler); });
    if (received != byte) {
        bench::fail("the byte did not come", received);
    }
    return 0;
}
