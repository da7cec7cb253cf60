// The queues that completions wait in. All are intrusive: they use Completion::next (and ::prev)
// and no memory of their own, and a completion is in at most one of them.
#pragma once

#include "../syscall/atomic.h"
#include "../syscall/check.h"
#include "completion.h"

namespace oxbow {

/// First in, first out; takes one from the front only.
class CompletionQueue {
  public:
    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
    [[nodiscard]] Completion* first() const noexcept { return first_; }
    /// Of one that is not empty.
    [[nodiscard]] Completion* last() const noexcept { return last_; }

    void push(Completion& completion) noexcept {
        completion.next = nullptr;
        if (first_ == nullptr) {
            first_ = &completion;
        } else {
            last_->next = &completion;
        }
        last_ = &completion;
    }

    /// nullptr where it is empty.
    [[nodiscard]] Completion* pop() noexcept {
        Completion* const completion = first_;
        if (completion != nullptr) {
            first_ = completion->next;
        }
        return completion;
    }

  private:
    Completion* first_ = nullptr;
    Completion* last_ = nullptr; // counts only while there is a first
};

/// In order, and any of them can leave at any time.
class CompletionList {
  public:
    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
    [[nodiscard]] Completion* first() const noexcept { return first_; }

    void push(Completion& completion) noexcept {
        completion.next = nullptr;
        if (first_ == nullptr) {
            completion.prev = nullptr;
            first_ = &completion;
        } else {
            completion.prev = last_;
            last_->next = &completion;
        }
        last_ = &completion;
    }

    void push_front(Completion& completion) noexcept {
        completion.prev = nullptr;
        completion.next = first_;
        if (first_ == nullptr) {
            last_ = &completion;
        } else {
            first_->prev = &completion;
        }
        first_ = &completion;
    }

    void remove(Completion& completion) noexcept {
        if (completion.next != nullptr) {
            completion.next->prev = completion.prev;
        } else {
            last_ = completion.prev;
        }
        if (completion.prev != nullptr) {
            completion.prev->next = completion.next;
        } else {
            first_ = completion.next;
        }
    }

    [[nodiscard]] Completion* pop() noexcept {
        Completion* const completion = first_;
        if (completion != nullptr) {
            remove(*completion);
        }
        return completion;
    }

    /// Removes the one that there is.
    void take_only() noexcept {
        OXBOW_CHECK(first_ != nullptr && first_->next == nullptr, "there is not one completion");
        first_ = nullptr;
    }

  private:
    Completion* first_ = nullptr;
    Completion* last_ = nullptr; // counts only while there is a first
};

/// Many threads push, one takes all at once: a stack by compare-and-exchange, which is turned round
/// when it is taken. Since nodes leave only all together, no thread can meet one that left and came
/// back (the ABA problem). `Node` has a `next`.
template <class Node>
class RemoteQueue {
  public:
    [[nodiscard]] bool empty() const noexcept { return load_relaxed(&newest_) == nullptr; }

    /// From any thread or signal handler. The node is the queue's from here on, and may be gone
    /// when this returns.
    void push(Node& node) noexcept {
        Node* newest = load_relaxed(&newest_);
        do {
            node.next = newest;
        } while (!__atomic_compare_exchange_n(&newest_, &newest, &node, true, __ATOMIC_RELEASE,
                                              __ATOMIC_RELAXED));
    }

    /// All that was pushed, the oldest first, linked through `next`; nullptr where there is none.
    [[nodiscard]] Node* take_all() noexcept {
        if (empty()) {
            return nullptr;
        }
        Node* newest = exchange(&newest_, static_cast<Node*>(nullptr));
        Node* oldest = nullptr;
        while (newest != nullptr) {
            Node* const older = newest->next;
            newest->next = oldest;
            oldest = newest;
            newest = older;
        }
        return oldest;
    }

  private:
    Node* newest_ = nullptr;
};

} // namespace oxbow
