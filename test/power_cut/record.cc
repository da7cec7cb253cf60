// Records: made from number and seed, and looked at.
#include "record.h"

#include "../harness.h"

namespace oxbow::power_cut {

namespace {

struct Header {
    u64 magic;
    u64 number;
    u64 seed;
    u64 checksum; ///< of the whole record with 0 here
};

constexpr u64 magic = 0x4f78626f77204c67; // "Oxbow Lg"
constexpr u32 payload_bytes_max = record_bytes_max - sizeof(Header);

/// Spreads each bit of `value` over all.
[[nodiscard]] constexpr u64 mixed(u64 value) noexcept {
    return test::Random(value).next();
}

[[nodiscard]] u64 checksum_of(const u8* memory, u32 bytes) noexcept {
    u64 sum = bytes;
    for (u32 at = 0; at < bytes; at += sizeof(u64)) {
        const u32 rest = bytes - at;
        u64 word = 0;
        __builtin_memcpy(&word, memory + at, rest < sizeof(word) ? rest : sizeof(word));
        sum = mixed(sum ^ (at == __builtin_offsetof(Header, checksum) ? 0 : word));
    }
    return sum;
}

} // namespace

u32 record_bytes(u64 number, u32 alignment) noexcept {
    // Most are short; some span four pages.
    const u64 bits = mixed(number);
    const u32 length = static_cast<u32>(bits >> 32) % (payload_bytes_max + 1);
    const u32 bytes = static_cast<u32>(sizeof(Header)) + (length >> (bits & 3));
    return (bytes + alignment - 1) & ~(alignment - 1);
}

void make_record(u8* memory, u32 bytes, u64 number, u64 seed) noexcept {
    Header header = {magic, number, seed, 0};
    __builtin_memcpy(memory, &header, sizeof(header));
    const u64 start = mixed(seed) ^ number;
    for (u32 at = sizeof(header); at < bytes; at += sizeof(u64)) {
        const u32 rest = bytes - at;
        const u64 word = mixed(start + at);
        __builtin_memcpy(memory + at, &word, rest < sizeof(word) ? rest : sizeof(word));
    }
    header.checksum = checksum_of(memory, bytes);
    __builtin_memcpy(memory, &header, sizeof(header));
}

const char* why_not_record(const u8* memory, u32 bytes, u64 number, u64& seed) noexcept {
    Header header;
    __builtin_memcpy(&header, memory, sizeof(header));
    if (header.magic != magic) {
        return "it does not begin as a record";
    }
    if (header.number != number) {
        return "it is another record";
    }
    if (header.checksum != checksum_of(memory, bytes)) {
        return "its checksum is wrong";
    }
    if (header.seed < seed) {
        return "an earlier boot wrote it than the one before it";
    }
    seed = header.seed;
    return nullptr;
}

} // namespace oxbow::power_cut
