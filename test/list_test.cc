// The queues that completions wait in: order, and every way to leave.
#include "../loop/list.h"

#include "harness.h"

namespace oxbow::test {
namespace {

TEST(list_queue_is_empty_at_first) {
    CompletionQueue queue;
    CHECK(queue.empty());
    CHECK(queue.first() == nullptr);
    CHECK(queue.pop() == nullptr);
    CHECK(queue.pop() == nullptr);
}

// libxev, queue.zig: one element, two elements, interleaved.
TEST(list_queue_of_one) {
    CompletionQueue queue;
    Completion one;
    one.next = &one; // what an earlier list has left there means nothing
    queue.push(one);
    CHECK(!queue.empty());
    CHECK(queue.first() == &one);
    CHECK(queue.pop() == &one);
    CHECK(queue.empty());
    CHECK(queue.pop() == nullptr);
}

TEST(list_queue_of_two) {
    CompletionQueue queue;
    Completion both[2];
    queue.push(both[0]);
    queue.push(both[1]);
    CHECK(queue.pop() == &both[0]);
    CHECK(queue.pop() == &both[1]);
    CHECK(queue.pop() == nullptr);
}

TEST(list_queue_interleaved) {
    CompletionQueue queue;
    Completion all[4];
    queue.push(all[0]);
    CHECK(queue.pop() == &all[0]);
    queue.push(all[1]);
    queue.push(all[2]);
    CHECK(queue.last() == &all[2]);
    CHECK(queue.pop() == &all[1]);
    CHECK(queue.last() == &all[2]);
    queue.push(all[3]);
    queue.push(all[0]);
    CHECK(queue.pop() == &all[2]);
    CHECK(queue.pop() == &all[3]);
    CHECK(queue.pop() == &all[0]);
    CHECK(queue.pop() == nullptr);
    CHECK(queue.empty());
}

TEST(list_is_empty_at_first) {
    CompletionList list;
    CHECK(list.empty());
    CHECK(list.first() == nullptr);
    CHECK(list.pop() == nullptr);
}

TEST(list_gives_up_the_one_that_there_is) {
    CompletionList list;
    Completion all[2];
    list.push(all[0]);
    list.take_only();
    CHECK(list.empty());
    list.push(all[1]);
    list.push(all[0]);
    CHECK(list.pop() == &all[1]);
    CHECK(list.pop() == &all[0]);
    CHECK(list.pop() == nullptr);
}

TEST(list_keeps_order) {
    CompletionList list;
    Completion all[4];
    list.push(all[1]);
    list.push(all[2]);
    list.push_front(all[0]);
    list.push(all[3]);
    for (Completion& completion : all) {
        CHECK(list.first() == &completion);
        CHECK(list.pop() == &completion);
    }
    CHECK(list.empty());
}

TEST(list_first_middle_and_last_can_leave) {
    for (u32 leaves = 0; leaves < 3; ++leaves) {
        CompletionList list;
        Completion all[4];
        for (u32 i = 0; i < 3; ++i) {
            list.push(all[i]);
        }
        list.remove(all[leaves]);
        list.push(all[3]); // at the end, whoever the last one was
        for (u32 i = 0; i < 4; ++i) {
            if (i != leaves) {
                CHECK(list.pop() == &all[i]);
            }
        }
        CHECK(list.empty());
    }
}

TEST(list_only_one_can_leave_and_come_back) {
    CompletionList list;
    Completion one;
    list.push_front(one);
    list.remove(one);
    CHECK(list.empty());
    list.push(one);
    CHECK(list.pop() == &one);
    CHECK(list.empty());
}

/// The order as a plain array has it.
struct Model {
    static constexpr u32 most = 32;

    u32 count = 0;
    Completion* order[most];

    void insert(u32 at, Completion& completion) noexcept {
        for (u32 i = count++; i > at; --i) {
            order[i] = order[i - 1];
        }
        order[at] = &completion;
    }
    void remove(u32 at) noexcept {
        --count;
        for (u32 i = at; i < count; ++i) {
            order[i] = order[i + 1];
        }
    }
};

void check_same(const CompletionList& list, const Model& model) noexcept {
    CHECK_EQ(list.empty(), model.count == 0);
    const Completion* at = list.first();
    const Completion* before = nullptr;
    for (u32 i = 0; i < model.count; ++i) {
        CHECK(at == model.order[i]);
        CHECK(at->prev == before);
        before = at;
        at = at->next;
    }
    CHECK(at == nullptr);
}

TEST(list_behaves_as_an_array) {
    Random random;
    Completion all[Model::most];
    bool is_in[Model::most] = {};
    CompletionList list;
    Model model;
    for (u32 step = 0; step < 20'000; ++step) {
        const u32 which = random.below(Model::most);
        Completion& completion = all[which];
        if (is_in[which]) {
            u32 at = 0;
            while (model.order[at] != &completion) {
                ++at;
            }
            if (random.chance(300)) {
                CHECK(list.pop() == model.order[0]);
                is_in[model.order[0] - all] = false;
                model.remove(0);
            } else {
                list.remove(completion);
                is_in[which] = false;
                model.remove(at);
            }
        } else {
            is_in[which] = true;
            if (random.chance(500)) {
                list.push(completion);
                model.insert(model.count, completion);
            } else {
                list.push_front(completion);
                model.insert(0, completion);
            }
        }
        check_same(list, model);
    }
}

} // namespace
} // namespace oxbow::test
