// The life of a record: a write, in some ways an fdatasync chained behind it, the acknowledgement.
#include "appender.h"

#include "../../syscall/text.h"

namespace oxbow::power_cut {

// Direct I/O wants it aligned.
alignas(direct_alignment) static constinit u8
    memory_of_slots[Appender::depth_max][record_bytes_max] = {};

void Appender::run(u32 depth) noexcept {
    for (u32 i = 0; i < depth; ++i) {
        slots_[i].appender = this;
        slots_[i].memory = memory_of_slots[i];
        append_next(slots_[i]);
    }
    const i32 ran = loop_.run();
    if (ran < 0) {
        fail(slots_[0], "the loop", {ran});
    }
    (void)loop_.drain();
}

void Appender::append_next(Slot& slot) noexcept {
    if (failed_) {
        return;
    }
    slot.number = ++last_;
    slot.bytes = record_bytes(slot.number, way_.alignment);
    make_record(slot.memory, slot.bytes, slot.number, seed_);
    loop_.submit(slot.write,
                 op::pwrite_all(fd_, slot.memory, slot.bytes, offset_, way_.write_flags),
                 on<&Slot::written>(slot));
    if (way_.syncs) {
        loop_.then(slot.write, slot.sync, op::fdatasync(fd_), on<&Slot::synced>(slot));
    }
    offset_ += slot.bytes;
}

void Appender::Slot::written(Result result) noexcept {
    if (!result.ok() || result.count() != bytes) {
        appender->fail(*this, "write", result);
        return;
    }
    if (!appender->way_.waits_for_sync) {
        appender->acknowledge(*this);
    }
    if (!appender->way_.syncs) {
        appender->append_next(*this);
    }
}

void Appender::Slot::synced(Result result) noexcept {
    if (!result.ok()) {
        appender->fail(*this, "fdatasync", result);
        return;
    }
    if (appender->way_.waits_for_sync) {
        appender->acknowledge(*this);
    }
    appender->append_next(*this);
}

void Appender::acknowledge(const Slot& slot) noexcept {
    if (failed_) {
        return; // it may be this record's write that was short
    }
    // The full stop tells a whole number from one that the cut has torn.
    TextBuffer<64> line;
    (void)line.add("ack ").add(way_.name).add(' ').number(slot.number).add(".\n").write_to(1);
}

void Appender::fail(const Slot& slot, const char* what, Result result) noexcept {
    if (!failed_) {
        failed_ = true;
        TextBuffer<160> line;
        line.add("power-cut: ").add(what).add(" of record ").number(slot.number).add(": ");
        if (result.ok()) {
            line.number(result.count()).add(" of ").number(slot.bytes).add(" bytes\n");
        } else {
            line.error(result.value).add('\n');
        }
        (void)line.write_to(1);
    }
    loop_.stop();
}

} // namespace oxbow::power_cut
