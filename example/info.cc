// info: what this kernel's io_uring offers to this process, and if nothing: why, and what to do.
// For people in 80 columns, or with --json as one object.
#include "../syscall/additions.h"
#include "../syscall/call.h"
#include "../syscall/start.h"
#include "../syscall/text.h"
#include "../uring/names.h"
#include "../uring/probe.h"
#include "../uring/reason.h"
#include "../uring/ring.h"
#include "../uring/surroundings.h"

namespace {

using namespace oxbow;

constexpr const char* help_text =
    "usage: info [--json]\n"
    "\n"
    "Prints what the io_uring of this kernel offers to this process: features, setup\n"
    "flags, operations, and the limits that decide whether a ring can be had. Names\n"
    "are followed by the first Linux that has them where this one lacks them.\n"
    "\n"
    "  --json    print one JSON object instead\n"
    "  --help    print this\n"
    "\n"
    "Exit status: 0; 1 where a ring is refused (the rest is printed all the same) or\n"
    "the output cannot be written; 2 for a wrong argument.\n";

constexpr usize line_width = 80;
constexpr usize label_width = 20;

/// Everything is put together here and written at once.
char page[24576];

// ---- The lists of names -------------------------------------------------------------------------

KernelName name_of_opcode(u32 index) noexcept {
    return opcode_name(static_cast<abi::Opcode>(index));
}
KernelName name_of_register_op(u32 index) noexcept {
    return register_op_name(static_cast<abi::RegisterOp>(index));
}

/// One list: what there is, by number, and which of it this kernel has.
struct Section {
    const char* title;
    const char* key; ///< in JSON
    u32 named;
    KernelName (*name)(u32) noexcept;
    u64 has[4];

    [[nodiscard]] bool supports(u32 index) const noexcept {
        return (has[index >> 6 & 3] >> (index & 63) & 1) != 0;
    }
    [[nodiscard]] u32 count(u32 from, u32 to) const noexcept {
        u32 found = 0;
        for (u32 index = from; index < to; ++index) {
            found += supports(index) ? 1 : 0;
        }
        return found;
    }
};

constexpr u32 section_count = 7;

KernelName name_of_addition(u32 index) noexcept {
    const Addition& addition = additions[index];
    return {addition.name, static_cast<u8>(addition.series), static_cast<u8>(addition.release)};
}

/// Nobody can ask for these: what a kernel should have that calls itself by this version.
Section section_of_additions(const char* release, const Features& features) noexcept {
    Section section = {"by its version", "by_version", additions_count, name_of_addition, {}};
    const KernelVersion version = kernel_version_of(release);
    for (u32 index = 0; index < additions_count; ++index) {
        const bool has = has_addition(additions[index], version, features.feature_bits);
        section.has[index >> 6] |= u64{has} << (index & 63);
    }
    return section;
}

void fill_sections(Section (&sections)[section_count], const Features& f,
                   const char* release) noexcept {
    sections[0] = {"features", "features", features_named, feature_name, {f.feature_bits}};
    sections[1] = {
        "setup flags", "setup_flags", setup_flags_named, setup_flag_name, {f.setup_flags}};
    sections[2] = {
        "enter flags", "enter_flags", enter_flags_named, enter_flag_name, {f.enter_flags}};
    sections[3] = {"entry flags", "sqe_flags", sqe_flags_named, sqe_flag_name, {f.sqe_flags}};
    sections[4] = {"operations",
                   "opcodes",
                   opcodes_named,
                   name_of_opcode,
                   {f.opcodes[0], f.opcodes[1], f.opcodes[2], f.opcodes[3]}};
    sections[5] = {"register operations",
                   "register_ops",
                   register_ops_named,
                   name_of_register_op,
                   {f.register_ops[0], f.register_ops[1]}};
    sections[6] = section_of_additions(release, f);
}

// ---- What is found out --------------------------------------------------------------------------

/// All that is found out, before anything is printed.
struct Report {
    abi::UtsName kernel = {};
    Surroundings around;
    Features features;
    i32 probe_result = 0;
    RingOptions options; ///< those of a default ring
    i32 ring_result = 0;
    Section sections[section_count] = {};
    Reason reason; ///< of the default ring
    u32 ring_flags = 0;
    u32 sq_entries = 0;
    u32 cq_entries = 0;
};

void find_out(Report& report) noexcept {
    (void)kernel::uname(&report.kernel);
    report.around = read_surroundings();
    report.probe_result = probe(report.features);
    fill_sections(report.sections, report.features, report.kernel.release);
    Ring ring;
    report.ring_result = ring.open(report.options, &report.reason);
    if (report.ring_result == 0) {
        report.ring_flags = ring.setup_flags();
        report.sq_entries = ring.sq_entries();
        report.cq_entries = ring.cq_entries();
        ring.close();
    }
}

// ---- For people ---------------------------------------------------------------------------------

[[gnu::cold, gnu::noinline]] Text& label(Text& out, const char* name) noexcept {
    return out.add("  ").left(name, label_width - 2);
}

/// `text` broken at spaces so that no line is wider than the page; further lines begin below it.
[[gnu::cold, gnu::noinline]] void wrap(Text& out, const char* text) noexcept {
    usize at = label_width;
    for (bool first = true; *text != '\0'; first = false) {
        usize length = 0;
        while (text[length] != '\0' && text[length] != ' ') {
            ++length;
        }
        if (!first && at + 1 + length > line_width) {
            out.add('\n').repeat(' ', label_width);
            at = label_width;
        } else if (!first) {
            out.add(' ');
            ++at;
        }
        out.add(text, length);
        at += length;
        text += length;
        while (*text == ' ') {
            ++text;
        }
    }
    out.add('\n');
}

[[gnu::cold, gnu::noinline]] void print_kib(Text& out, u64 bytes) noexcept {
    if (bytes == Surroundings::unlimited) {
        out.add("unlimited");
    } else {
        out.number(bytes >> 10).add(" KiB");
    }
}

[[nodiscard]] const char* text_of_source(FeatureSource source) noexcept {
    switch (source) {
    case FeatureSource::query:
        return "the kernel's own list (query)";
    case FeatureSource::trial:
        return "trying flags and operations on rings of one entry";
    case FeatureSource::none:
        break;
    }
    return "nothing more than what can be asked without a ring";
}

[[nodiscard]] const char* text_of_disabled(i32 disabled) noexcept {
    switch (disabled) {
    case 0:
        return "0 (every process may have rings)";
    case 1:
        return "1 (only CAP_SYS_ADMIN and the group below may have rings)";
    case 2:
        return "2 (no process may have rings)";
    default:
        return "unknown (no such sysctl before Linux 6.6, or no /proc)";
    }
}

[[nodiscard]] const char* text_of_seccomp(i32 mode) noexcept {
    switch (mode) {
    case 0:
        return "none";
    case 1:
        return "strict";
    case 2:
        return "a filter is in force";
    default:
        return "unknown";
    }
}

[[gnu::cold, gnu::noinline]] void print_flags(Text& out, const char* name, u32 flags) noexcept {
    TextBuffer<512> line;
    add_setup_flags(line, flags, " ");
    label(out, name);
    wrap(out, flags != 0 ? line.c_str() : "none");
}

[[gnu::cold, gnu::noinline]] void print_ring(Text& out, const Report& report) noexcept {
    out.add("ring\n");
    if (report.ring_result == 0) {
        label(out, "available").add("yes\n");
        label(out, "default ring").number(report.sq_entries).add(" entries, ");
        out.number(report.cq_entries).add(" completions\n");
    } else {
        label(out, "available").add("no\n");
        TextBuffer<1024> line;
        describe(report.reason, line);
        label(out, "why");
        wrap(out, line.c_str());
    }
    label(out, "its memory").number(required_bytes(report.options));
    out.add(" bytes at most\n");
    if (report.ring_result == 0) {
        print_flags(out, "its flags", report.ring_flags);
    }
    if (report.probe_result == 0) {
        print_flags(out, "best for a loop", best_ring_options(report.features).preferred_flags);
    }
    label(out, "found by").add(text_of_source(report.features.source)).add('\n');
}

[[gnu::cold, gnu::noinline]] void print_limits(Text& out, const Surroundings& around) noexcept {
    out.add("\nlimits\n");
    label(out, "locked memory");
    print_kib(out, around.locked_bytes_max);
    out.add(around.can(capability::ipc_lock) ? ", not applied (CAP_IPC_LOCK)\n" : "\n");
    label(out, "open files").number(around.open_files_max).add('\n');
    label(out, "io_uring_disabled").add(text_of_disabled(around.disabled)).add('\n');
    label(out, "io_uring_group");
    if (around.group == Surroundings::unknown) {
        out.add("none\n");
    } else {
        out.number(around.group).add(around.in_group ? " (this process is in it)\n" : "\n");
    }
    label(out, "seccomp").add(text_of_seccomp(around.seccomp_mode)).add('\n');
}

/// What there is in aligned columns, then what is missing with the Linux that brings it.
[[gnu::cold, gnu::noinline]] void print_section(Text& out, const Section& section) noexcept {
    const u32 found = section.count(0, section.named);
    const u32 unnamed = section.count(section.named, 256);
    out.add('\n').left(section.title, label_width).number(found).add(" of ");
    out.number(section.named).add('\n');
    usize cell = 0;
    for (u32 index = 0; index < section.named; ++index) {
        const usize length = text_length(section.name(index).text);
        cell = length + 2 > cell ? length + 2 : cell;
    }
    usize at = 0;
    // Names that leave no room for a second column are sentences: of those, what is missing will
    // do.
    for (u32 index = 0; cell <= line_width / 2 && index < section.named; ++index) {
        if (!section.supports(index)) {
            continue;
        }
        if (at != 0 && 2 + at + cell > line_width + 2) {
            out.add('\n');
            at = 0;
        }
        const char* const name = section.name(index).text;
        out.column(2 + at).add(name);
        at += cell;
    }
    out.add(at != 0 ? "\n" : "");
    if (unnamed != 0) {
        out.add("  and ").number(unnamed).add(" that this program has no name for\n");
    }
    if (found == section.named) {
        return;
    }
    TextBuffer<2048> missing;
    for (u32 index = 0; index < section.named; ++index) {
        const KernelName name = section.name(index);
        if (!section.supports(index)) {
            missing.add(missing.size() != 0 ? ", " : "").add(name.text).add(":");
            missing.number(name.series).add('.').number(name.release);
        }
    }
    label(out, "missing:since");
    wrap(out, missing.c_str());
}

void print_for_people(Text& out, const Report& report) noexcept {
    out.add("io_uring on ").add(report.kernel.system).add(" ").add(report.kernel.release);
    out.add(" ").add(report.kernel.machine).add(", pages of ").number(page_bytes());
    out.add(" bytes\n\n");
    print_ring(out, report);
    print_limits(out, report.around);
    for (const Section& section : report.sections) {
        print_section(out, section);
    }
}

// ---- For programs -------------------------------------------------------------------------------

/// RFC 8259, section 7.
[[gnu::cold, gnu::noinline]] void json_string(Text& out, const char* text) noexcept {
    out.add('"');
    for (; *text != '\0'; ++text) {
        const u8 character = static_cast<u8>(*text);
        if (*text == '"' || *text == '\\') {
            out.add('\\').add(*text);
        } else if (character < 0x20) {
            out.add("\\u").hex(character, 4);
        } else {
            out.add(*text);
        }
    }
    out.add('"');
}

/// Begins a member; the first one of an object has no comma before it.
[[gnu::cold, gnu::noinline]] Text& json_key(Text& out, const char* key,
                                            bool first = false) noexcept {
    out.add(first ? "" : ", ");
    json_string(out, key);
    return out.add(": ");
}

/// An array of setup flags.
[[gnu::cold, gnu::noinline]] void json_flags(Text& out, u32 flags) noexcept {
    out.add(flags != 0 ? "[\"" : "[");
    add_setup_flags(out, flags, "\", \"");
    out.add(flags != 0 ? "\"]" : "]");
}

[[gnu::cold, gnu::noinline]] void json_section(Text& out, const Section& section) noexcept {
    out.add(",\n  ");
    json_key(out, section.key, true).add("{");
    json_key(out, "supported", true).add("[");
    bool first = true;
    for (u32 index = 0; index < section.named; ++index) {
        if (section.supports(index)) {
            out.add(first ? "" : ", ");
            json_string(out, section.name(index).text);
            first = false;
        }
    }
    out.add("]");
    json_key(out, "missing").add("{");
    first = true;
    for (u32 index = 0; index < section.named; ++index) {
        const KernelName name = section.name(index);
        if (!section.supports(index)) {
            json_key(out, name.text, first).add('"').number(name.series).add('.');
            out.number(name.release).add('"');
            first = false;
        }
    }
    out.add("}");
    json_key(out, "unnamed").number(section.count(section.named, 256)).add("}");
}

[[gnu::cold, gnu::noinline]] void json_ring(Text& out, const Report& report) noexcept {
    out.add(",\n  ");
    json_key(out, "ring", true).add("{");
    json_key(out, "available", true).add(report.ring_result == 0 ? "true" : "false");
    json_key(out, "bytes_max").number(required_bytes(report.options));
    if (report.ring_result == 0) {
        json_key(out, "entries").number(report.sq_entries);
        json_key(out, "completion_entries").number(report.cq_entries);
        json_key(out, "flags");
        json_flags(out, report.ring_flags);
    } else {
        TextBuffer<1024> why;
        describe(report.reason, why);
        json_key(out, "error");
        json_string(out, errno_name(report.ring_result));
        json_key(out, "why");
        json_string(out, why.c_str());
    }
    json_key(out, "best_for_a_loop");
    json_flags(out, best_ring_options(report.features).preferred_flags);
    out.add("}");
}

[[gnu::cold, gnu::noinline]] void json_limit(Text& out, const char* key, u64 value) noexcept {
    json_key(out, key);
    if (value == Surroundings::unlimited) {
        out.add("null");
    } else {
        out.number(value);
    }
}

[[gnu::cold, gnu::noinline]] void json_known(Text& out, const char* key, i32 value) noexcept {
    json_key(out, key);
    if (value == Surroundings::unknown) {
        out.add("null");
    } else {
        out.number(value);
    }
}

[[gnu::cold, gnu::noinline]] void json_limits(Text& out, const Surroundings& around) noexcept {
    out.add(",\n  ");
    json_key(out, "limits", true).add("{");
    json_key(out, "locked_memory_applies", true)
        .add(around.can(capability::ipc_lock) ? "false" : "true");
    json_limit(out, "locked_memory_bytes", around.locked_bytes_max);
    json_limit(out, "open_files", around.open_files_max);
    json_known(out, "io_uring_disabled", around.disabled);
    json_known(out, "io_uring_group", around.group);
    json_known(out, "seccomp_mode", around.seccomp_mode);
    out.add("}");
}

[[gnu::cold, gnu::noinline]] void json_zcrx(Text& out, const abi::QueryZcrx& zcrx) noexcept {
    out.add(",\n  ");
    json_key(out, "zero_copy_receive", true).add("{");
    json_key(out, "register_flags", true).number(zcrx.register_flags);
    json_key(out, "area_flags").number(zcrx.area_flags);
    json_key(out, "features").number(zcrx.features);
    json_key(out, "control_ops").number(zcrx.control_op_count).add("}");
}

void print_json(Text& out, const Report& report) noexcept {
    constexpr const char* sources[] = {"none", "query", "trial"};
    out.add("{\n  ");
    json_key(out, "kernel", true).add("{");
    json_string(json_key(out, "system", true), report.kernel.system);
    json_string(json_key(out, "release"), report.kernel.release);
    json_string(json_key(out, "version"), report.kernel.version);
    json_string(json_key(out, "machine"), report.kernel.machine);
    json_key(out, "page_bytes").number(page_bytes()).add("}");
    json_ring(out, report);
    json_limits(out, report.around);
    out.add(",\n  ");
    json_string(json_key(out, "source", true), sources[static_cast<u32>(report.features.source)]);
    json_key(out, "query_ops").number(report.features.query_op_count);
    for (const Section& section : report.sections) {
        json_section(out, section);
    }
    json_zcrx(out, report.features.zcrx);
    out.add("\n}\n");
}

// ---- The program --------------------------------------------------------------------------------

[[nodiscard]] int complain(const char* what, const char* about, int status) noexcept {
    TextBuffer<512> line;
    line.add("info: ").add(what).add(about).add('\n');
    (void)line.write_to(2);
    return status;
}

[[nodiscard]] int write_page(const Text& out, int status) noexcept {
    const i32 result = out.truncated() ? -Errno::enobufs : out.write_to(1);
    if (result < 0) {
        TextBuffer<128> error;
        error.error(result);
        return complain("cannot write: ", error.c_str(), 1);
    }
    return status;
}

} // namespace

extern "C" int oxbow_main(int argc, char** argv, char**) {
    bool json = false;
    for (int at = 1; at < argc; ++at) {
        if (text_equal(argv[at], "--json")) {
            json = true;
        } else if (text_equal(argv[at], "--help") || text_equal(argv[at], "-h")) {
            Text out(page);
            return write_page(out.add(help_text), 0);
        } else {
            return complain("there is no such option, see --help: ", argv[at], 2);
        }
    }
    Report report;
    find_out(report);
    Text out(page);
    if (json) {
        print_json(out, report);
    } else {
        print_for_people(out, report);
    }
    return write_page(out, report.ring_result == 0 ? 0 : 1);
}
