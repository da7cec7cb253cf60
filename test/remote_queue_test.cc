// RemoteQueue: many threads push, one takes all.
#include "../loop/list.h"
#include "thread_loop.h"

namespace oxbow::test {
namespace {

struct Node {
    Node* next;
    u32 producer;
    u32 number;
};

TEST(remote_queue_is_empty_at_first) {
    RemoteQueue<Node> queue;
    CHECK(queue.empty());
    CHECK(queue.take_all() == nullptr);
}

TEST(remote_queue_takes_the_oldest_first) {
    RemoteQueue<Node> queue;
    Node nodes[5] = {};
    for (u32 count = 1; count <= 5; ++count) {
        for (u32 i = 0; i < count; ++i) {
            nodes[i].next = &nodes[4]; // stale, as after an earlier life
            queue.push(nodes[i]);
        }
        CHECK(!queue.empty());
        const Node* at = queue.take_all();
        CHECK(queue.empty());
        for (u32 i = 0; i < count; ++i) {
            CHECK(at == &nodes[i]);
            at = at->next;
        }
        CHECK(at == nullptr);
        CHECK(queue.take_all() == nullptr);
    }
}

TEST(remote_queue_nodes_come_back_at_once) {
    RemoteQueue<Node> queue;
    Node nodes[2] = {};
    queue.push(nodes[0]);
    CHECK(queue.take_all() == &nodes[0]);
    queue.push(nodes[1]);
    queue.push(nodes[0]);
    const Node* const first = queue.take_all();
    CHECK(first == &nodes[1]);
    CHECK(first->next == &nodes[0]);
    CHECK(first->next->next == nullptr);
}

constexpr u32 producers = 4;
constexpr u32 pushes = 100'000;

struct Producer {
    RemoteQueue<Node>* queue;
    u32* started;
    Node* nodes;
    u32 number;
};

void produce(void* argument) noexcept {
    const Producer& self = *static_cast<Producer*>(argument);
    // All at once, or the first would be done before the last begins.
    __atomic_add_fetch(self.started, 1, __ATOMIC_ACQ_REL);
    while (load_acquire(self.started) != producers) {
        (void)kernel::sched_yield();
    }
    for (u32 i = 0; i < pushes; ++i) {
        Node& node = self.nodes[i];
        node.producer = self.number;
        node.number = i;
        self.queue->push(node);
    }
}

TEST(remote_queue_loses_nothing_and_keeps_each_producers_order) {
    RemoteQueue<Node> queue;
    Pages pages(usize{producers} * pushes * sizeof(Node));
    Producer arguments[producers];
    u32 started = 0;
    Threads threads;
    CHECK_OK(threads.open(producers));
    for (u32 i = 0; i < producers; ++i) {
        arguments[i] = {&queue, &started, pages.as<Node>() + usize{i} * pushes, i};
        CHECK_OK(threads.start("producer", produce, &arguments[i]));
    }
    u32 next_number[producers] = {};
    u32 batches = 0;
    for (u32 total = 0; total < producers * pushes;) {
        const Node* at = queue.take_all();
        batches += at != nullptr ? 1 : 0;
        for (; at != nullptr; at = at->next, ++total) {
            CHECK_LT(at->producer, producers);
            CHECK_EQ(at->number, next_number[at->producer]);
            ++next_number[at->producer];
        }
    }
    threads.join_and_close();
    CHECK(queue.empty());
    note("taken in", batches, "batches");
    for (const u32 number : next_number) {
        CHECK_EQ(number, pushes);
    }
}

} // namespace
} // namespace oxbow::test
