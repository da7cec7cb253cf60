// Finding the vDSO's clock: an ELF image in memory, with program headers, a dynamic section, and a
// table of symbols. elf(5), vdso(7).
#include "vdso.h"

#include "abi_process.h"
#include "atomic.h"
#include "call_file.h"
#include "call_memory.h"
#include "call_process.h"
#include "call_time.h"
#include "start.h"
#include "time.h"

namespace oxbow {
namespace {

// ---- The parts of ELF that are needed ----------------------------------------------------------

struct Header {
    u8 identification[16]; ///< 0x7f, "ELF", then the class: 1 has 32 bits, 2 has 64
    u16 type;
    u16 machine;
    u32 version;
    uptr entry;
    uptr program_headers; ///< their offset
    uptr section_headers;
    u32 flags;
    u16 header_bytes;
    u16 program_header_bytes;
    u16 program_header_count;
};

/// The first where addresses have 64 bits, the second where they have 32.
template <class For64, class For32, usize address_bytes = sizeof(uptr)>
struct Choose {
    using Type = For64;
};
template <class For64, class For32>
struct Choose<For64, For32, 4> {
    using Type = For32;
};

struct ProgramHeader64 {
    u32 type;
    u32 flags;
    u64 offset;
    u64 address;
};
struct ProgramHeader32 {
    u32 type;
    u32 offset;
    u32 address;
};
using ProgramHeader = Choose<ProgramHeader64, ProgramHeader32>::Type;
constexpr u32 loadable = 1;
constexpr u32 dynamic = 2;

struct Dynamic {
    uptr tag;
    uptr value;
};
constexpr uptr tag_hash = 4;
constexpr uptr tag_strings = 5;
constexpr uptr tag_symbols = 6;
constexpr uptr tag_gnu_hash = 0x6ffffef5;

struct Symbol64 {
    u32 name;
    u8 info;
    u8 other;
    u16 section;
    u64 value;
    u64 bytes;
};
struct Symbol32 {
    u32 name;
    u32 value;
    u32 bytes;
    u8 info;
    u8 other;
    u16 section;
};
using Symbol = Choose<Symbol64, Symbol32>::Type;
constexpr u8 type_mask = 15;
constexpr u8 type_function = 2;

/// What the dynamic section says of an image.
struct Image {
    uptr bias = 0; ///< what is added to the addresses that are in it
    const char* strings = nullptr;
    const Symbol* symbols = nullptr;
    const u32* gnu_hash = nullptr;
    const u8* hash = nullptr;
};

template <class T>
[[nodiscard]] const T* at(uptr address) noexcept {
    return reinterpret_cast<const T*>(address);
}

[[nodiscard]] bool is_same(const char* a, const char* b) noexcept {
    while (*a != '\0' && *a == *b) {
        ++a;
        ++b;
    }
    return *a == *b;
}

[[nodiscard]] Image look_into(const Header& header) noexcept {
    Image image;
    const uptr start = reinterpret_cast<uptr>(&header);
    const Dynamic* entry = nullptr;
    bool is_loaded = false;
    for (u32 i = 0; i < header.program_header_count; ++i) {
        const ProgramHeader& part =
            *at<ProgramHeader>(start + header.program_headers + i * header.program_header_bytes);
        if (part.type == loadable && !is_loaded) {
            is_loaded = true;
            image.bias = start + static_cast<uptr>(part.offset - part.address);
        } else if (part.type == dynamic) {
            entry = at<Dynamic>(start + static_cast<uptr>(part.offset));
        }
    }
    for (; is_loaded && entry != nullptr && entry->tag != 0; ++entry) {
        const uptr address = image.bias + entry->value;
        switch (entry->tag) {
        case tag_hash:
            image.hash = at<u8>(address);
            break;
        case tag_strings:
            image.strings = at<char>(address);
            break;
        case tag_symbols:
            image.symbols = at<Symbol>(address);
            break;
        case tag_gnu_hash:
            image.gnu_hash = at<u32>(address);
            break;
        default:
            break;
        }
    }
    return image;
}

/// How many symbols there are: only the tables of hashes tell, and newer images have only the GNU
/// one, by whose longest chain it is found.
[[nodiscard]] u32 symbols_of(const Image& image) noexcept {
    if (image.gnu_hash != nullptr) {
        const u32 buckets = image.gnu_hash[0];
        const u32 first = image.gnu_hash[1];
        const u32* const bucket =
            image.gnu_hash + 4 + image.gnu_hash[2] * (sizeof(uptr) / sizeof(u32));
        const u32* const chain = bucket + buckets;
        u32 last = 0;
        for (u32 i = 0; i < buckets; ++i) {
            last = bucket[i] > last ? bucket[i] : last;
        }
        if (last < first) {
            return 0;
        }
        while ((chain[last - first] & 1) == 0) {
            ++last;
        }
        return last + 1;
    }
    if (image.hash == nullptr) {
        return 0;
    }
#if defined(__s390x__)
    return static_cast<u32>(reinterpret_cast<const u64*>(image.hash)[1]); // its words are longer
#else
    return reinterpret_cast<const u32*>(image.hash)[1];
#endif
}

// ---- The clock
// -----------------------------------------------------------------------------------

// i386 and arm have a second one for 64-bit seconds (5.3, 5.5).
#if defined(__x86_64__) || defined(__riscv)
constexpr const char* clock_name = "__vdso_clock_gettime";
#elif defined(__i386__) || defined(__arm__)
constexpr const char* clock_name = "__vdso_clock_gettime64";
#else // aarch64, powerpc64le, s390x
constexpr const char* clock_name = "__kernel_clock_gettime";
#endif

using Clock = int (*)(i32 clock, abi::Timespec* time);

int ask_kernel(i32 clock, abi::Timespec* time) noexcept {
    return kernel::clock_gettime(static_cast<u32>(clock), time);
}

constinit Clock found_clock = nullptr;

/// The address of the vDSO, from what the kernel told this process at its start. 0: nobody knows.
[[nodiscard]] uptr find_vdso() noexcept {
    const uptr told = auxiliary_value(auxiliary::vdso);
    if (told != 0) {
        return told;
    }
    // A program with a C library, which alone saw the start. prctl tells since 6.4.
    uptr vector[96] = {};
    long bytes = kernel::prctl(abi::prctl_option::get_auxiliary_vector, &vector[0], sizeof(vector));
    if (bytes < 0) {
        const i32 file = kernel::openat(abi::at_fdcwd, "/proc/self/auxv", abi::open_flag::cloexec);
        if (file < 0) {
            return 0;
        }
        bytes = kernel::read(file, vector, sizeof(vector));
        (void)kernel::close(file);
    }
    for (usize i = 0; i + 1 < sizeof(vector) / sizeof(uptr) && vector[i] != 0 && bytes > 0;
         i += 2) {
        if (vector[i] == auxiliary::vdso) {
            return vector[i + 1];
        }
    }
    return 0;
}

[[gnu::cold]] Clock find_clock() noexcept {
    const uptr image = find_vdso();
    Clock clock = nullptr;
    u8 resident = 0;
    // An emulator may have taken it away and left its address (valgrind does).
    if (image != 0 && kernel::mincore(reinterpret_cast<void*>(image), 1, &resident) == 0) {
        clock = reinterpret_cast<Clock>(
            vdso_function(reinterpret_cast<const void*>(image), clock_name));
    }
    abi::Timespec time = {};
    if (clock == nullptr || clock(static_cast<i32>(abi::clock::monotonic), &time) != 0) {
        clock = &ask_kernel;
    }
    store_release(&found_clock, clock); // of threads that meet here, each finds the same
    return clock;
}

} // namespace

void* vdso_function(const void* image, const char* name) noexcept {
    const Header& header = *static_cast<const Header*>(image);
    constexpr u8 expected[] = {0x7f, 'E', 'L', 'F', sizeof(uptr) == 8 ? 2 : 1};
    for (usize i = 0; i < sizeof(expected); ++i) {
        if (header.identification[i] != expected[i]) {
            return nullptr;
        }
    }
    const Image found = look_into(header);
    if (found.symbols == nullptr || found.strings == nullptr) {
        return nullptr;
    }
    const u32 count = symbols_of(found);
    for (u32 i = 0; i < count; ++i) {
        const Symbol& symbol = found.symbols[i];
        if ((symbol.info & type_mask) == type_function && symbol.section != 0 &&
            is_same(found.strings + symbol.name, name)) {
            return reinterpret_cast<void*>(found.bias + static_cast<uptr>(symbol.value));
        }
    }
    return nullptr;
}

u64 monotonic_ns() noexcept {
    Clock clock = load_relaxed(&found_clock);
    if (clock == nullptr) [[unlikely]] {
        clock = find_clock();
    }
    abi::Timespec time = {};
    (void)clock(static_cast<i32>(abi::clock::monotonic), &time); // it has not failed before
    return nanoseconds_of(time);
}

} // namespace oxbow
