// The integer types that everything else is written in. They come from the compiler's own
// predefined macros, so that no header at all is needed.
#pragma once

namespace oxbow {

using u8 = __UINT8_TYPE__;
using u16 = __UINT16_TYPE__;
using u32 = __UINT32_TYPE__;
using u64 = __UINT64_TYPE__;
using i8 = __INT8_TYPE__;
using i16 = __INT16_TYPE__;
using i32 = __INT32_TYPE__;
using i64 = __INT64_TYPE__;
using usize = __SIZE_TYPE__;
using uptr = __UINTPTR_TYPE__;

/// A pointer as the kernel wants it inside its 64-bit structs: zero-extended on 32-bit machines.
[[nodiscard]] inline u64 address_of(const volatile void* pointer) noexcept {
    return static_cast<u64>(reinterpret_cast<uptr>(pointer));
}

} // namespace oxbow
