// Stands in until the timing wheel is merged.
#pragma once

#include "../syscall/types.h"

namespace oxbow {

struct DeadlineNode {
    DeadlineNode* next = nullptr;
    DeadlineNode* prev = nullptr;
    u64 deadline_ns = 0;
    [[nodiscard]] bool armed() const noexcept { return next != nullptr; }
};

class Deadlines {
  public:
    void insert(DeadlineNode& node, u64 deadline_ns) noexcept {
        node.deadline_ns = deadline_ns;
        DeadlineNode* at = head();
        while (at->prev != head() && at->prev->deadline_ns > deadline_ns) {
            at = at->prev;
        }
        node.next = at;
        node.prev = at->prev;
        at->prev->next = &node;
        at->prev = &node;
        ++count_;
    }
    void remove(DeadlineNode& node) noexcept {
        node.prev->next = node.next;
        node.next->prev = node.prev;
        node.next = node.prev = nullptr;
        --count_;
    }
    void reset(DeadlineNode& node, u64 deadline_ns) noexcept {
        if (node.armed()) {
            remove(node);
        }
        insert(node, deadline_ns);
    }
    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
    [[nodiscard]] u32 count() const noexcept { return count_; }
    [[nodiscard]] u64 next_deadline_ns() noexcept {
        return count_ == 0 ? ~u64{0} : head()->next->deadline_ns;
    }
    template <class Visit>
    u32 expire(u64 now_ns, Visit&& visit) noexcept {
        u32 expired = 0;
        u32 most = count_;
        while (count_ != 0 && most-- != 0 && head()->next->deadline_ns <= now_ns) {
            DeadlineNode& node = *head()->next;
            remove(node);
            visit(node);
            ++expired;
        }
        return expired;
    }

  private:
    DeadlineNode* head() noexcept {
        if (head_.next == nullptr) {
            head_.next = head_.prev = &head_;
        }
        return &head_;
    }
    DeadlineNode head_;
    u32 count_ = 0;
};

} // namespace oxbow
