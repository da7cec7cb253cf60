// The names, in tables by number.
#include "names.h"

namespace oxbow {

namespace {

constexpr KernelName opcodes[] = {
    {"nop", 5, 1},
    {"readv", 5, 1},
    {"writev", 5, 1},
    {"fsync", 5, 1},
    {"read_fixed", 5, 1},
    {"write_fixed", 5, 1},
    {"poll_add", 5, 1},
    {"poll_remove", 5, 1},
    {"sync_file_range", 5, 2},
    {"sendmsg", 5, 3},
    {"recvmsg", 5, 3},
    {"timeout", 5, 4},
    {"timeout_remove", 5, 5},
    {"accept", 5, 5},
    {"async_cancel", 5, 5},
    {"link_timeout", 5, 5},
    {"connect", 5, 5},
    {"fallocate", 5, 6},
    {"openat", 5, 6},
    {"close", 5, 6},
    {"files_update", 5, 6},
    {"statx", 5, 6},
    {"read", 5, 6},
    {"write", 5, 6},
    {"fadvise", 5, 6},
    {"madvise", 5, 6},
    {"send", 5, 6},
    {"recv", 5, 6},
    {"openat2", 5, 6},
    {"epoll_ctl", 5, 6},
    {"splice", 5, 7},
    {"provide_buffers", 5, 7},
    {"remove_buffers", 5, 7},
    {"tee", 5, 8},
    {"shutdown", 5, 11},
    {"renameat", 5, 11},
    {"unlinkat", 5, 11},
    {"mkdirat", 5, 15},
    {"symlinkat", 5, 15},
    {"linkat", 5, 15},
    {"msg_ring", 5, 18},
    {"fsetxattr", 5, 19},
    {"setxattr", 5, 19},
    {"fgetxattr", 5, 19},
    {"getxattr", 5, 19},
    {"socket", 5, 19},
    {"uring_cmd", 5, 19},
    {"send_zc", 6, 0},
    {"sendmsg_zc", 6, 1},
    {"read_multishot", 6, 7},
    {"waitid", 6, 7},
    {"futex_wait", 6, 7},
    {"futex_wake", 6, 7},
    {"futex_waitv", 6, 7},
    {"fixed_fd_install", 6, 8},
    {"ftruncate", 6, 9},
    {"bind", 6, 11},
    {"listen", 6, 11},
    {"recv_zc", 6, 15},
    {"epoll_wait", 6, 15},
    {"readv_fixed", 6, 15},
    {"writev_fixed", 6, 15},
    {"pipe", 6, 16},
    {"nop128", 6, 19},
    {"uring_cmd128", 6, 19},
};
static_assert(sizeof(opcodes) / sizeof(opcodes[0]) == opcodes_named);

constexpr KernelName register_ops[] = {
    {"buffers", 5, 1},
    {"unregister_buffers", 5, 1},
    {"files", 5, 1},
    {"unregister_files", 5, 1},
    {"eventfd", 5, 2},
    {"unregister_eventfd", 5, 2},
    {"files_update", 5, 5},
    {"eventfd_async", 5, 6},
    {"probe", 5, 6},
    {"personality", 5, 6},
    {"unregister_personality", 5, 6},
    {"restrictions", 5, 10},
    {"enable_rings", 5, 10},
    {"files2", 5, 13},
    {"files_update2", 5, 13},
    {"buffers2", 5, 13},
    {"buffers_update", 5, 13},
    {"iowq_aff", 5, 14},
    {"unregister_iowq_aff", 5, 14},
    {"iowq_max_workers", 5, 15},
    {"ring_fds", 5, 18},
    {"unregister_ring_fds", 5, 18},
    {"pbuf_ring", 5, 19},
    {"unregister_pbuf_ring", 5, 19},
    {"sync_cancel", 6, 0},
    {"file_alloc_range", 6, 0},
    {"pbuf_status", 6, 8},
    {"napi", 6, 9},
    {"unregister_napi", 6, 9},
    {"clock", 6, 12},
    {"clone_buffers", 6, 12},
    {"send_msg_ring", 6, 13},
    {"zcrx_ifq", 6, 15},
    {"resize_rings", 6, 13},
    {"mem_region", 6, 13},
    {"query", 6, 18},
    {"zcrx_ctrl", 6, 19},
    {"bpf_filter", 7, 0},
};
static_assert(sizeof(register_ops) / sizeof(register_ops[0]) == register_ops_named);

constexpr KernelName setup_flags[] = {
    {"iopoll", 5, 1},        {"sqpoll", 5, 1},
    {"sq_aff", 5, 1},        {"cqsize", 5, 5},
    {"clamp", 5, 6},         {"attach_wq", 5, 6},
    {"r_disabled", 5, 10},   {"submit_all", 5, 18},
    {"coop_taskrun", 5, 19}, {"taskrun_flag", 5, 19},
    {"sqe128", 5, 19},       {"cqe32", 5, 19},
    {"single_issuer", 6, 0}, {"defer_taskrun", 6, 1},
    {"no_mmap", 6, 5},       {"registered_fd_only", 6, 5},
    {"no_sqarray", 6, 6},    {"hybrid_iopoll", 6, 13},
    {"cqe_mixed", 6, 18},    {"sqe_mixed", 6, 19},
    {"sq_rewind", 7, 0},
};
static_assert(sizeof(setup_flags) / sizeof(setup_flags[0]) == setup_flags_named);

constexpr KernelName features[] = {
    {"single_mmap", 5, 4},     {"nodrop", 5, 5},           {"submit_stable", 5, 5},
    {"rw_cur_pos", 5, 6},      {"cur_personality", 5, 6},  {"fast_poll", 5, 7},
    {"poll_32bits", 5, 9},     {"sqpoll_nonfixed", 5, 11}, {"ext_arg", 5, 11},
    {"native_workers", 5, 12}, {"rsrc_tags", 5, 13},       {"cqe_skip", 5, 17},
    {"linked_file", 5, 17},    {"reg_reg_ring", 6, 3},     {"recvsend_bundle", 6, 10},
    {"min_timeout", 6, 12},    {"rw_attr", 6, 14},         {"no_iowait", 6, 15},
};
static_assert(sizeof(features) / sizeof(features[0]) == features_named);

constexpr KernelName enter_flags[] = {
    {"getevents", 5, 1},        {"sq_wakeup", 5, 1},  {"sq_wait", 5, 10},     {"ext_arg", 5, 11},
    {"registered_ring", 5, 18}, {"abs_timer", 6, 12}, {"ext_arg_reg", 6, 13}, {"no_iowait", 6, 15},
};
static_assert(sizeof(enter_flags) / sizeof(enter_flags[0]) == enter_flags_named);

constexpr KernelName sqe_flags[] = {
    {"fixed_file", 5, 1},        {"io_drain", 5, 2}, {"io_link", 5, 3},
    {"io_hardlink", 5, 5},       {"async", 5, 6},    {"buffer_select", 5, 7},
    {"cqe_skip_success", 5, 17},
};
static_assert(sizeof(sqe_flags) / sizeof(sqe_flags[0]) == sqe_flags_named);

template <u32 count>
[[nodiscard]] KernelName name_in(const KernelName (&table)[count], u32 index) noexcept {
    return index < count ? table[index] : KernelName{"unknown", 0, 0};
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

} // namespace oxbow
