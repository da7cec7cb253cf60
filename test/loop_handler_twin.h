// A handler of a class that another file has, too, in an unnamed namespace of its own.
#pragma once

#include "../loop/completion.h"

namespace oxbow::test {

[[nodiscard]] Handler other_twin() noexcept;
[[nodiscard]] u32 calls_of_other_twin() noexcept;

} // namespace oxbow::test
