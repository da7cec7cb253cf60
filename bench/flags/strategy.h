// What the loop's io_uring engine chose on this kernel, and one choice of it left out: `without=`
//
//     none             all that it chose
//   of the setup flags
//     submit_all       an entry that is refused ends the batch
//     taskrun_flag     no bit in the ring tells of waiting task work
//     no_sqarray       the kernel looks up each entry in an index array
//     defer_taskrun    task work runs whenever it comes, by interrupting the thread
//     defer_for_coop   the same, but on the thread's next way out of the kernel (COOP_TASKRUN)
//     single_issuer    any thread may submit; and no DEFER_TASKRUN, which needs it
//   of the rest
//     registered_ring  the descriptor is looked up in every io_uring_enter
//     multishot        a receive for each message
//     buffer_ring      the same, each into a buffer of its own connection
//     skip_success     sends post completions
//     one_call         io_uring_enter to submit, and again to wait
//     ring_send        sends are system calls, send(2)
#pragma once

#include "../../uring/engine_state.h"
#include "../oxbow.h"
#include "../raw_ring.h"

namespace bench {

struct Strategy {
    RawSetup setup;
    bool multishot = true;
    bool buffer_ring = true;
    bool skip_success = true;
    bool one_call = true;
    bool ring_send = true;

    /// Prints whether what is left out is a choice of the engine on this kernel at all.
    explicit Strategy(const char* without) {
        look_at_the_engine();
        if (std::strcmp(without, "none") != 0 && !leave_out_flag(without) &&
            !leave_out_other(without)) {
            fail("there is nothing of that name to leave out", 0);
        }
        std::printf("chosen=%d\n", static_cast<int>(was_chosen_));
    }

  private:
    /// Its choices are what the kernel has taken of its wishes. It starts disabled, to belong to
    /// the thread that runs it: that is of no account once it runs.
    void look_at_the_engine() {
        oxbow::Loop loop;
        open_loop(loop, "uring");
        oxbow::uring_engine::enable(loop); // as the first run would
        const oxbow::uring_engine::State& state = oxbow::uring_engine::state_of(loop);
        setup.flags = state.ring.setup_flags() &
                      ~static_cast<unsigned>(IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE);
        setup.registered = state.ring.fd_is_registered();
        multishot = state.features.recv_multishot;
        buffer_ring = state.features.buffer_rings;
        skip_success = state.ring.has(oxbow::abi::feature::cqe_skip);
        loop.close();
    }

    bool leave_out_flag(const char* without) {
        constexpr unsigned deferring = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
        const struct {
            const char* name;
            unsigned out;
            unsigned in;
        } known[] = {
            {"submit_all", IORING_SETUP_SUBMIT_ALL, 0},
            {"taskrun_flag", IORING_SETUP_TASKRUN_FLAG, 0},
            {"no_sqarray", setup_no_sqarray, 0},
            {"defer_taskrun", deferring, 0},
            {"defer_for_coop", deferring, IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG},
            {"single_issuer", deferring | IORING_SETUP_SINGLE_ISSUER, 0},
        };
        for (const auto& flag : known) {
            if (std::strcmp(without, flag.name) == 0) {
                was_chosen_ = (setup.flags & flag.out) != 0;
                setup.flags = (setup.flags & ~flag.out) | flag.in;
                return true;
            }
        }
        return false;
    }

    bool leave_out_other(const char* without) {
        const struct {
            const char* name;
            bool& choice;
        } known[] = {{"registered_ring", setup.registered},
                     {"multishot", multishot},
                     {"buffer_ring", buffer_ring},
                     {"skip_success", skip_success},
                     {"one_call", one_call},
                     {"ring_send", ring_send}};
        for (const auto& other : known) {
            if (std::strcmp(without, other.name) == 0) {
                was_chosen_ = other.choice;
                other.choice = false;
                multishot = multishot && buffer_ring; // which it cannot do without
                return true;
            }
        }
        return false;
    }

    bool was_chosen_ = true;
};

} // namespace bench
