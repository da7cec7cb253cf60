// What an optional feature of the loop costs, measured on the ping-pong: the same round trip with
// one feature in use that it could do without.
//
//     none            receives into the caller's own buffer, one at a time; sends that nobody wants
//                     to know the end of
//     deadline        every receive has one, which never passes
//     pool            receives one at a time into a buffer of a pool
//     multishot       one receive for all, into buffers of a pool
//     told-sends      a callback for the end of every send
//     chain           answers by Loop::then, prepared before there is anything to answer
//     callback-times  the loop looks at the clock around every callback
//     registered      both descriptors are registered with the loop
//
// Statistics are not among them: the loop always counts, and what that costs is in every figure.
#pragma once

#include "../bench.h"

namespace bench {

struct Features {
    bool deadline = false;
    bool pool = false;
    bool multishot = false;
    bool told_sends = false;
    bool chain = false;
    bool callback_times = false;
    bool registered = false;

    explicit Features(const char* name) {
        const struct {
            const char* name;
            bool& switched_on;
        } known[] = {{"deadline", deadline},    {"pool", pool},
                     {"multishot", multishot},  {"told-sends", told_sends},
                     {"chain", chain},          {"callback-times", callback_times},
                     {"registered", registered}};
        bool found = std::strcmp(name, "none") == 0;
        for (const auto& feature : known) {
            feature.switched_on = std::strcmp(name, feature.name) == 0;
            found |= feature.switched_on;
        }
        if (!found) {
            fail("no such feature", 0);
        }
    }
};

} // namespace bench
