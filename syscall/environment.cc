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

struct StartInfo {
    char** environment;
    const AuxiliaryEntry* auxiliary;
};

constinit StartInfo start_info = {nullptr, nullptr};

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
    start_info.environment = argv + argc + 1;
    char** end = start_info.environment;
    while (*end != nullptr) {
        ++end;
    }
    start_info.auxiliary = reinterpret_cast<const AuxiliaryEntry*>(end + 1);
}

const char* environment_value(const char* name) noexcept {
    if (start_info.environment == nullptr) {
        return nullptr;
    }
    for (char** entry = start_info.environment; *entry != nullptr; ++entry) {
        const char* value = value_in(*entry, name);
        if (value != nullptr) {
            return value;
        }
    }
    return nullptr;
}

uptr auxiliary_value(uptr kind, uptr otherwise) noexcept {
    const AuxiliaryEntry* entry = start_info.auxiliary;
    if (entry == nullptr) {
        return otherwise;
    }
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

} // namespace oxbow
