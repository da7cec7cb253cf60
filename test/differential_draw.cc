// Drawing programs at random. See differential.h.
#include "differential.h"

namespace oxbow::test::differential {

namespace {

// ---- Drawing ------------------------------------------------------------------------------------

constexpr Call stream_reads[] = {Call::recv,        Call::recv_all, Call::recvmsg,
                                 Call::recvmsg_all, Call::read,     Call::read_all,
                                 Call::readv,       Call::poll_in,  Call::poll_multishot};
constexpr Call stream_writes[] = {Call::send,           Call::send_all, Call::sendmsg,
                                  Call::sendmsg_all,    Call::write,    Call::write_all,
                                  Call::send_zero_copy, Call::writev,   Call::poll_out};
constexpr Call pipe_reads[] = {Call::read,    Call::read_all,       Call::readv,
                               Call::poll_in, Call::poll_multishot, Call::splice};
constexpr Call pipe_writes[] = {Call::write, Call::write_all, Call::writev, Call::poll_out};
constexpr Call datagram_reads[] = {Call::recv, Call::recvmsg, Call::read, Call::readv,
                                   Call::poll_in};
constexpr Call datagram_writes[] = {Call::send, Call::sendmsg, Call::write, Call::writev,
                                    Call::poll_out};
constexpr Call counter_calls[] = {Call::read, Call::write, Call::poll_in, Call::poll_out};
constexpr Call file_calls[] = {Call::pread,      Call::pread_all, Call::pwrite, Call::pwrite_all,
                               Call::write_file, Call::read_file, Call::fsync,  Call::fallocate,
                               Call::ftruncate,  Call::read_pool};
constexpr Call accepts[] = {Call::accept, Call::accept_multishot, Call::poll_in};
constexpr Call times[] = {Call::nop, Call::nop, Call::timer, Call::timer_far, Call::timer_every};
constexpr Call socket_pools[] = {Call::recv_pool, Call::recv_multishot, Call::recv_multishot,
                                 Call::read_pool, Call::read_multishot};
constexpr Call datagram_pools[] = {Call::recv_pool, Call::recv_multishot, Call::recvmsg_multishot};
constexpr Call pipe_pools[] = {Call::read_pool, Call::read_multishot, Call::read_multishot};

template <usize N>
[[nodiscard]] Call one_of(Random& random, const Call (&calls)[N]) noexcept {
    return calls[random.below(N)];
}

[[nodiscard]] u32 some_bytes(Random& random) noexcept {
    const u32 which = random.below(100);
    return which < 4 ? 0 : which < 50 ? random.between(1, 16) : random.between(1, 2000);
}

[[nodiscard]] Kind some_kind(Random& random, const Profile& profile) noexcept {
    u32 sum = 0;
    for (const u32 weight : profile.weights) {
        sum += weight;
    }
    u32 at = random.below(sum);
    for (u32 kind = 0; kind < static_cast<u32>(Kind::count); ++kind) {
        if (at < profile.weights[kind]) {
            return static_cast<Kind>(kind);
        }
        at -= profile.weights[kind];
    }
    return Kind::stream;
}

void draw_call(Random& random, const Profile& profile, Kind kind, Step& step) noexcept {
    const bool pool = random.chance(profile.pools);
    const bool reads = random.chance(550);
    step.bytes = some_bytes(random);
    if (random.chance(profile.times)) {
        step.call = one_of(random, times);
        return;
    }
    switch (kind) {
    case Kind::tcp:
    case Kind::stream:
        step.call = !reads ? one_of(random, stream_writes)
                    : pool ? one_of(random, socket_pools)
                           : one_of(random, stream_reads);
        break;
    case Kind::datagram:
        step.call = !reads ? one_of(random, datagram_writes)
                    : pool ? one_of(random, datagram_pools)
                           : one_of(random, datagram_reads);
        break;
    case Kind::pipe:
        step.end = reads ? 0 : 1;
        step.call = !reads ? one_of(random, pipe_writes)
                    : pool ? one_of(random, pipe_pools)
                           : one_of(random, pipe_reads);
        break;
    case Kind::counter:
        step.call = pool ? one_of(random, pipe_pools) : one_of(random, counter_calls);
        step.end = step.call == Call::write || step.call == Call::poll_out ? 1 : 0;
        break;
    case Kind::file:
        step.call = one_of(random, file_calls);
        break;
    case Kind::listener:
        step.call = one_of(random, accepts);
        break;
    case Kind::notifier:
        step.call = Call::notification;
        break;
    default:
        step.call = one_of(random, times);
        break;
    }
    const bool all = step.call == Call::send_all || step.call == Call::sendmsg_all ||
                     step.call == Call::write_all;
    if (all && (kind == Kind::stream || kind == Kind::pipe) && random.chance(250)) {
        step.bytes = random.between(70'000, 250'000);
    }
}

[[nodiscard]] Do some_step(Random& random) noexcept {
    struct Weight {
        Do what;
        u32 of_100;
    };
    constexpr Weight weights[] = {{Do::submit, 52},   {Do::write, 16},    {Do::read, 8},
                                  {Do::cancel, 7},    {Do::quiet, 3},     {Do::make, 3},
                                  {Do::shutdown, 2},  {Do::shut, 2},      {Do::close, 2},
                                  {Do::give_back, 3}, {Do::cancel_fd, 1}, {Do::cancel_all, 1}};
    u32 at = random.below(100);
    for (const Weight& weight : weights) {
        if (at < weight.of_100) {
            return weight.what;
        }
        at -= weight.of_100;
    }
    return Do::quiet;
}

} // namespace

Program generate(u64 seed, const Profile& profile) noexcept {
    Random random(seed);
    Program program = {};
    program.seed = seed;
    program.count = random.between(8, steps_max);
    Kind kinds[objects_max] = {};
    const u32 first_makes = random.between(1, 4);
    for (u32 i = 0; i < program.count; ++i) {
        Step& step = program.steps[i];
        step.what = i < first_makes ? Do::make : some_step(random);
        step.object = static_cast<u8>(i < first_makes ? i : random.below(objects_max));
        if (step.what != Do::make) {
            for (u32 tries = 0; tries < 8 && kinds[step.object] == Kind::none; ++tries) {
                step.object = static_cast<u8>(random.below(objects_max));
            }
        }
        step.slot = static_cast<u8>(random.below(slots_max));
        step.other = static_cast<u8>(random.below(slots_max));
        step.end = static_cast<u8>(random.below(2));
        step.pool = static_cast<u8>(random.below(pools_max));
        step.kind = some_kind(random, profile);
        step.rearms = static_cast<u8>(random.chance(150) ? random.between(1, 3) : 0);
        step.hold = static_cast<u8>(random.chance(300) ? random.between(1, 3) : 0);
        step.offset = random.below(3000);
        step.flags = static_cast<u8>(random.below(4)); // the modes
        if (random.chance(60)) {
            step.flags |= Step::chained;
        }
        step.flags |= random.chance(25) ? Step::short_time : u8{0};
        step.flags |= random.chance(80) ? Step::long_time : u8{0};
        step.flags |= random.chance(400) ? Step::early : u8{0};
        step.flags |= random.chance(300) ? Step::unseen : u8{0};
        if (step.what == Do::make) {
            kinds[step.object] = kinds[step.object] == Kind::none ? step.kind : kinds[step.object];
        }
        draw_call(random, profile, kinds[step.object], step);
    }
    return program;
}

} // namespace oxbow::test::differential
