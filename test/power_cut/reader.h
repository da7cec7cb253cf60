// What is left of a log.
#pragma once

#include "../../io/open.h"
#include "way.h"

namespace oxbow::power_cut {

/// The records from the start of a file that are whole and right.
struct Found {
    u64 records = 0;
    u64 bytes = 0;
};

/// Submits `operation`, and runs the loop until it has ended.
[[nodiscard]] i32 perform_on(Loop& loop, const Operation& operation) noexcept;

/// Reads the file of `way` through the loop. Prints `intact WAY RECORDS BYTES.`; where the file
/// goes on behind them, `bad WAY NUMBER: why.` of the first record that is not there, and `behind
/// WAY NUMBER.` of each later one that is. A file that is missing has no records. 0 or a negative
/// errno.
[[nodiscard]] i32 look_through(Loop& loop, const Way& way, Found& found) noexcept;

} // namespace oxbow::power_cut
