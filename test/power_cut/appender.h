// Appends records to a log until the power goes, several at a time, and acknowledges each.
#pragma once

#include "reader.h"
#include "record.h"

namespace oxbow::power_cut {

class Appender {
  public:
    static constexpr u32 depth_max = 16;

    /// Goes on behind `found`. `fd` is open as `way` says.
    Appender(Loop& loop, const Way& way, i32 fd, const Found& found, u64 seed) noexcept
        : loop_(loop), way_(way), fd_(fd), offset_(found.bytes), last_(found.records), seed_(seed) {
    }

    /// Keeps `depth` records in flight, 1 to depth_max. Returns only after an error, which it has
    /// printed; nothing is in flight then.
    void run(u32 depth) noexcept;

  private:
    /// One record in flight.
    struct Slot {
        Appender* appender = nullptr;
        u8* memory = nullptr;
        u64 number = 0;
        u32 bytes = 0;
        Completion write;
        Completion sync;

        void written(Result result) noexcept;
        void synced(Result result) noexcept;
    };

    void append_next(Slot& slot) noexcept;
    void acknowledge(const Slot& slot) noexcept;
    void fail(const Slot& slot, const char* what, Result result) noexcept;

    Loop& loop_;
    const Way& way_;
    i32 fd_;
    u64 offset_; // where the next record goes
    u64 last_;   // the number of the last one that was begun
    u64 seed_;
    bool failed_ = false;
    Slot slots_[depth_max];
};

} // namespace oxbow::power_cut
