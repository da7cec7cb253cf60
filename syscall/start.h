// How a program begins. It defines `oxbow_main`, not `main`: ISO C++ lets nobody call `main` or
// choose its linkage, and a freestanding program's entry is neither. start.cc calls it, so that one
// source builds both ways:
//
//   hosted (with a C library)           start.cc gives the `main` that the C library looks for
//   freestanding (-ffreestanding,       start.cc gives `_start`, the program's first instruction,
//   -nostdlib)                          and ends the process with what oxbow_main returns
//
// A program with a `main` of its own needs none of this: as a member of an archive, start.o is
// linked in only where `main` or `_start` is missing. The functions below work there too, after
// `remember_start`; before it they find nothing (page_bytes always answers).
#pragma once

#include "types.h"

/// The program. `argv` and `environment` both end with a null pointer.
extern "C" int oxbow_main(int argc, char** argv, char** environment);

namespace oxbow {

/// Kinds of auxiliary_value, of those that are the same on every machine. getauxval(3).
namespace auxiliary {
inline constexpr uptr program_headers = 3;
inline constexpr uptr program_header_bytes = 4;
inline constexpr uptr program_header_count = 5;
inline constexpr uptr page_size = 6;
inline constexpr uptr interpreter_base = 7;
inline constexpr uptr entry = 9;
inline constexpr uptr user = 11;
inline constexpr uptr hardware = 16;
inline constexpr uptr secure = 23;
inline constexpr uptr random = 25;
inline constexpr uptr executable_name = 31;
inline constexpr uptr vdso = 33;
} // namespace auxiliary

/// Notes where the kernel put the environment and the auxiliary vector: behind `argv`, on the stack
/// that the process began with. start.cc calls it before oxbow_main.
void remember_start(int argc, char** argv) noexcept;

/// The value of `name` in the environment that the process began with, or nullptr.
[[nodiscard]] const char* environment_value(const char* name) noexcept;

/// What the kernel said about `kind` at the start, or `otherwise` where it said nothing.
[[nodiscard]] uptr auxiliary_value(uptr kind, uptr otherwise = 0) noexcept;

/// Sixteen random bytes that the kernel made for this process, or nullptr.
[[nodiscard]] const u8* start_random_bytes() noexcept;

/// The size of a page of memory.
[[nodiscard]] usize page_bytes() noexcept;

/// Most bytes that one read or write moves, whatever it is asked: 2 GiB less a page (read(2) tells
/// only of pages of 4096 bytes, with which it is 0x7ffff000).
[[nodiscard]] u32 transfer_bytes_max() noexcept;
/// The same with the largest pages there are: what it takes no question to know.
inline constexpr u32 transfer_bytes_least = 0x80000000u - 65536u;

} // namespace oxbow
