// The only places where memory is shared with the kernel or another thread. Five functions over the
// compiler's builtins, because std::atomic on mapped memory is undefined and costs 24,000 lines.
#pragma once

#include "types.h"

namespace oxbow {

/// Reads `word` once, in no order with anything else.
template <class T>
[[nodiscard]] inline T load_relaxed(const T* word) noexcept {
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/// Reads `word`; nothing after it is done before it. Pairs with `store_release` of the other side.
template <class T>
[[nodiscard]] inline T load_acquire(const T* word) noexcept {
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/// Writes `word` after everything before it. Pairs with `load_acquire` of the other side.
template <class T>
inline void store_release(T* word, T value) noexcept {
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/// Writes `word` and returns what it held, in order with everything around it.
template <class T>
[[nodiscard]] inline T exchange(T* word, T value) noexcept {
    return __atomic_exchange_n(word, value, __ATOMIC_ACQ_REL);
}

/// Orders every store before it with every load after it, which acquire and release do not.
inline void full_fence() noexcept {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

} // namespace oxbow
