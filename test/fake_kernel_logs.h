// The logs and the script of a FakeKernel: too large for a stack, so they have memory of their own.
#pragma once

#include "fake_kernel.h"

namespace oxbow::test {

struct FakeKernel::Logs {
    EnterRecord enters[enters_max];
    RegisterRecord registers[registers_max];
    SetupRecord setups[setups_max];
    abi::Sqe sqes[sqes_max];
    Step steps[steps_max];
    i32 register_results[64];
    bool has_register_result[64];
};

/// Memory from the real kernel, all zero; ends the test where there is none.
[[nodiscard]] void* fake_memory(usize bytes) noexcept;
void free_fake_memory(void* memory, usize bytes) noexcept;

} // namespace oxbow::test
