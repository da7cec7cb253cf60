// The names, in one text per kind: by number, the release and the name of each, and a zero behind
// it. Such a text needs no relocation and half the memory of a table of pointers.
#include "names.h"

#include "../syscall/text.h"

namespace oxbow {

namespace {

constexpr char opcodes[] = "5.1 nop\0"
                           "5.1 readv\0"
                           "5.1 writev\0"
                           "5.1 fsync\0"
                           "5.1 read_fixed\0"
                           "5.1 write_fixed\0"
                           "5.1 poll_add\0"
                           "5.1 poll_remove\0"
                           "5.2 sync_file_range\0"
                           "5.3 sendmsg\0"
                           "5.3 recvmsg\0"
                           "5.4 timeout\0"
                           "5.5 timeout_remove\0"
                           "5.5 accept\0"
                           "5.5 async_cancel\0"
                           "5.5 link_timeout\0"
                           "5.5 connect\0"
                           "5.6 fallocate\0"
                           "5.6 openat\0"
                           "5.6 close\0"
                           "5.6 files_update\0"
                           "5.6 statx\0"
                           "5.6 read\0"
                           "5.6 write\0"
                           "5.6 fadvise\0"
                           "5.6 madvise\0"
                           "5.6 send\0"
                           "5.6 recv\0"
                           "5.6 openat2\0"
                           "5.6 epoll_ctl\0"
                           "5.7 splice\0"
                           "5.7 provide_buffers\0"
                           "5.7 remove_buffers\0"
                           "5.8 tee\0"
                           "5.11 shutdown\0"
                           "5.11 renameat\0"
                           "5.11 unlinkat\0"
                           "5.15 mkdirat\0"
                           "5.15 symlinkat\0"
                           "5.15 linkat\0"
                           "5.18 msg_ring\0"
                           "5.19 fsetxattr\0"
                           "5.19 setxattr\0"
                           "5.19 fgetxattr\0"
                           "5.19 getxattr\0"
                           "5.19 socket\0"
                           "5.19 uring_cmd\0"
                           "6.0 send_zc\0"
                           "6.1 sendmsg_zc\0"
                           "6.7 read_multishot\0"
                           "6.7 waitid\0"
                           "6.7 futex_wait\0"
                           "6.7 futex_wake\0"
                           "6.7 futex_waitv\0"
                           "6.8 fixed_fd_install\0"
                           "6.9 ftruncate\0"
                           "6.11 bind\0"
                           "6.11 listen\0"
                           "6.15 recv_zc\0"
                           "6.15 epoll_wait\0"
                           "6.15 readv_fixed\0"
                           "6.15 writev_fixed\0"
                           "6.16 pipe\0"
                           "6.19 nop128\0"
                           "6.19 uring_cmd128\0";

constexpr char register_ops[] = "5.1 buffers\0"
                                "5.1 unregister_buffers\0"
                                "5.1 files\0"
                                "5.1 unregister_files\0"
                                "5.2 eventfd\0"
                                "5.2 unregister_eventfd\0"
                                "5.5 files_update\0"
                                "5.6 eventfd_async\0"
                                "5.6 probe\0"
                                "5.6 personality\0"
                                "5.6 unregister_personality\0"
                                "5.10 restrictions\0"
                                "5.10 enable_rings\0"
                                "5.13 files2\0"
                                "5.13 files_update2\0"
                                "5.13 buffers2\0"
                                "5.13 buffers_update\0"
                                "5.14 iowq_aff\0"
                                "5.14 unregister_iowq_aff\0"
                                "5.15 iowq_max_workers\0"
                                "5.18 ring_fds\0"
                                "5.18 unregister_ring_fds\0"
                                "5.19 pbuf_ring\0"
                                "5.19 unregister_pbuf_ring\0"
                                "6.0 sync_cancel\0"
                                "6.0 file_alloc_range\0"
                                "6.8 pbuf_status\0"
                                "6.9 napi\0"
                                "6.9 unregister_napi\0"
                                "6.12 clock\0"
                                "6.12 clone_buffers\0"
                                "6.13 send_msg_ring\0"
                                "6.15 zcrx_ifq\0"
                                "6.13 resize_rings\0"
                                "6.13 mem_region\0"
                                "6.18 query\0"
                                "6.19 zcrx_ctrl\0"
                                "7.0 bpf_filter\0";

constexpr char setup_flags[] = "5.1 iopoll\0"
                               "5.1 sqpoll\0"
                               "5.1 sq_aff\0"
                               "5.5 cqsize\0"
                               "5.6 clamp\0"
                               "5.6 attach_wq\0"
                               "5.10 r_disabled\0"
                               "5.18 submit_all\0"
                               "5.19 coop_taskrun\0"
                               "5.19 taskrun_flag\0"
                               "5.19 sqe128\0"
                               "5.19 cqe32\0"
                               "6.0 single_issuer\0"
                               "6.1 defer_taskrun\0"
                               "6.5 no_mmap\0"
                               "6.5 registered_fd_only\0"
                               "6.6 no_sqarray\0"
                               "6.13 hybrid_iopoll\0"
                               "6.18 cqe_mixed\0"
                               "6.19 sqe_mixed\0"
                               "7.0 sq_rewind\0";

constexpr char features[] = "5.4 single_mmap\0"
                            "5.5 nodrop\0"
                            "5.5 submit_stable\0"
                            "5.6 rw_cur_pos\0"
                            "5.6 cur_personality\0"
                            "5.7 fast_poll\0"
                            "5.9 poll_32bits\0"
                            "5.11 sqpoll_nonfixed\0"
                            "5.11 ext_arg\0"
                            "5.12 native_workers\0"
                            "5.13 rsrc_tags\0"
                            "5.17 cqe_skip\0"
                            "5.17 linked_file\0"
                            "6.3 reg_reg_ring\0"
                            "6.10 recvsend_bundle\0"
                            "6.12 min_timeout\0"
                            "6.14 rw_attr\0"
                            "6.15 no_iowait\0";

constexpr char enter_flags[] = "5.1 getevents\0"
                               "5.1 sq_wakeup\0"
                               "5.10 sq_wait\0"
                               "5.11 ext_arg\0"
                               "5.18 registered_ring\0"
                               "6.12 abs_timer\0"
                               "6.13 ext_arg_reg\0"
                               "6.15 no_iowait\0";

constexpr char sqe_flags[] = "5.1 fixed_file\0"
                             "5.2 io_drain\0"
                             "5.3 io_link\0"
                             "5.5 io_hardlink\0"
                             "5.6 async\0"
                             "5.7 buffer_select\0"
                             "5.17 cqe_skip_success\0";

/// How many names a text has.
[[nodiscard]] constexpr u32 names_in(const char* text) noexcept {
    u32 count = 0;
    for (; *text != '\0'; text += text_length(text) + 1) {
        ++count;
    }
    return count;
}

static_assert(names_in(opcodes) == opcodes_named);
static_assert(names_in(register_ops) == register_ops_named);
static_assert(names_in(setup_flags) == setup_flags_named);
static_assert(names_in(features) == features_named);
static_assert(names_in(enter_flags) == enter_flags_named);
static_assert(names_in(sqe_flags) == sqe_flags_named);

[[nodiscard]] u8 number_before(const char*& text, char end) noexcept {
    u32 value = 0;
    for (; *text != end; ++text) {
        value = value * 10 + static_cast<u32>(*text - '0');
    }
    ++text;
    return static_cast<u8>(value);
}

[[nodiscard]] KernelName name_in(const char* text, u32 index) noexcept {
    for (; index != 0 && *text != '\0'; --index) {
        text += text_length(text) + 1;
    }
    if (*text == '\0') {
        return {"unknown", 0, 0};
    }
    const u8 series = number_before(text, '.');
    const u8 release = number_before(text, ' ');
    return {text, series, release};
}

} // namespace

KernelName opcode_name(abi::Opcode opcode) noexcept {
    return name_in(opcodes, static_cast<u32>(opcode));
}

KernelName register_op_name(abi::RegisterOp operation) noexcept {
    return name_in(register_ops, static_cast<u32>(operation));
}

KernelName setup_flag_name(u32 bit) noexcept {
    return name_in(setup_flags, bit);
}

KernelName feature_name(u32 bit) noexcept {
    return name_in(features, bit);
}

KernelName enter_flag_name(u32 bit) noexcept {
    return name_in(enter_flags, bit);
}

KernelName sqe_flag_name(u32 bit) noexcept {
    return name_in(sqe_flags, bit);
}

void add_setup_flags(Text& text, u32 flags, const char* between) noexcept {
    bool first = true;
    for (u32 bit = 0; bit < 32; ++bit) {
        if ((flags >> bit & 1) == 0) {
            continue;
        }
        text.add(first ? "" : between);
        first = false;
        if (bit < setup_flags_named) {
            text.add(setup_flag_name(bit).text);
        } else {
            text.add("bit ").number(bit);
        }
    }
}

} // namespace oxbow
