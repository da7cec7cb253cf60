// The environment and the auxiliary vector, where the kernel left them; see start.h. Apart from
// start.cc, because that one defines the program's entry.
#include "start.h"
#include "syscall.h"

namespace oxbow {
namespace {

struct AuxiliaryEntry {
    uptr kind; ///< 0 in the last entry
    uptr value;
};

// Not among what is zero: that page has been touched already when a program begins, and another
// one costs a small program a tenth of its start.
[[gnu::section(".data")]] constinit char** start_environment = nullptr;

/// What follows `name=` in `entry`, or nullptr where it is another name's.
[[nodiscard]] const char* value_in(const char* entry, const char* name) noexcept {
    for (; *name != '\0'; ++name, ++entry) {
        if (*entry != *name) {
            return nullptr;
        }
    }
    return *entry == '=' ? entry + 1 : nullptr;
}

} // namespace

void remember_start(int argc, char** argv) noexcept {
    start_environment = argv + argc + 1;
}

const char* environment_value(const char* name) noexcept {
    if (start_environment == nullptr) {
        return nullptr;
    }
    for (char** entry = start_environment; *entry != nullptr; ++entry) {
        const char* value = value_in(*entry, name);
        if (value != nullptr) {
            return value;
        }
    }
    return nullptr;
}

uptr auxiliary_value(uptr kind, uptr otherwise) noexcept {
    if (start_environment == nullptr) {
        return otherwise;
    }
    char** end = start_environment;
    while (*end != nullptr) {
        ++end;
    }
    const AuxiliaryEntry* entry = reinterpret_cast<const AuxiliaryEntry*>(end + 1);
    for (; entry->kind != 0; ++entry) {
        if (entry->kind == kind) {
            return entry->value;
        }
    }
    return otherwise;
}

const u8* start_random_bytes() noexcept {
    return reinterpret_cast<const u8*>(auxiliary_value(auxiliary::random));
}

usize page_bytes() noexcept {
    const uptr told = auxiliary_value(auxiliary::page_size);
    if (told != 0) {
        return told;
    }
    // Asked for no bytes at all, madvise checks only that its address begins a page.
    usize size = 4096;
    while (size < 65536 && invoke(number::madvise, size, 0, 0) < 0) {
        size *= 2;
    }
    return size;
}

u32 transfer_bytes_max() noexcept {
    return 0x80000000 - static_cast<u32>(page_bytes());
}

} // namespace oxbow
