"""What is measured, and what Oxbow is to reach.

Goals are ratios of medians of one run, or counts that are exact (instructions, system calls); never a time.
"""

import dataclasses
import itertools


@dataclasses.dataclass
class Case:
    name: str
    parameters: dict  # each with its values
    count: int  # operations of a run
    quick: int = 4  # a quick run has so many times fewer of them
    quantity: str = "cpu_ns"  # what is compared
    instructions: int = 0  # operations under callgrind; 0: not counted
    fixed: dict = dataclasses.field(default_factory=dict)
    tools: tuple = ()  # programs that are no subjects
    absent: tuple = ()  # (who, parameters) that there is nothing to measure for
    counts: tuple = ()  # (parameters, count), where `count` is not right
    counted_at: dict = dataclasses.field(default_factory=dict)  # parameters at which instructions are counted
    programs: str = ""  # the case whose programs these are, where it has none of its own
    through: str = ""  # one of `tools`, which runs a subject and measures it from outside
    prefers_static: bool = False  # the peers' programs without shared libraries, which start faster
    only: tuple = ()  # the subjects, where not all are worth the time
    rounds_max: int = 0  # of runs that take long
    not_quick: tuple = ()  # parameters that a quick run leaves out
    variants: dict = dataclasses.field(default_factory=dict)  # program: {who: its parameters}
    ratios: tuple = ()  # (key, who, figure): further ratios, to the best of that subject's variants
    file_bytes: int = 0  # of a test file that it needs; a quarter in a quick run
    needs_direct: bool = False  # the page cache must not come between the file and its disk
    base: dict = dataclasses.field(default_factory=dict)  # parameters that the others' figures are divided by
    busy: float = 0  # share of its time that the server is to have work for; 0: always
    also: tuple = ()  # further figures that the table shows
    pinned: bool = False  # to one processor: another's share of the cache may be half as large

    @property
    def folder(self):
        return (self.programs or self.name).replace("-", "_")

    def combinations(self, quick):
        for values in itertools.product(*self.parameters.values()):
            parameters = dict(zip(self.parameters, values))
            if not quick or not any(where.items() <= parameters.items() for where in self.not_quick):
                yield parameters

    def groups(self, quick):
        """Sets of parameters that are measured in turn: one, or with a base all that only it tells apart."""
        groups = {}
        for parameters in self.combinations(quick):
            key = tuple(value for name, value in parameters.items() if name not in self.base)
            groups.setdefault(key, []).append(parameters)
        return groups.values()

    def leaves_out(self, who, parameters):
        return (self.only and who not in self.only) or any(
            who == name and where.items() <= parameters.items() for name, where in self.absent)

    def count_of(self, parameters, quick):
        count = next((count for where, count in self.counts if where.items() <= parameters.items()), self.count)
        return count // self.quick if quick else count

    def is_counted(self, parameters):
        return self.counted_at.items() <= parameters.items()


@dataclasses.dataclass
class Goal:
    case: str
    who: str
    quantity: str
    limit: float
    where: dict = dataclasses.field(default_factory=dict)

    def matches(self, row):
        return row["case"] == self.case and row["who"] == self.who and self.where.items() <= row.items()


FILE_BYTES = 1 << 30
# With the file and the buffers registered, and with neither. How many completions to wait for: what a disk does.
FILES_VARIANTS = {
    "oxbow": {"oxbow-uring": ["engine=uring"], "oxbow-plain": ["engine=uring", "fixed=0"],
              "oxbow-epoll": ["engine=epoll"]},
    "raw_uring": {"raw-uring": ["fixed=1"], "raw-plain": ["fixed=0"], "raw-wait-8": ["fixed=1", "wait=8"]},
    "liburing": {"liburing": ["fixed=1"], "liburing-plain": ["fixed=0"]},
    "fio": {"fio": ["fixed=1"], "fio-plain": ["fixed=0"]},
}
# Waits that a quarter of the depth ends, as fio's do, and for comparison those that the first ends.
FILES_DIRECT_VARIANTS = {
    **FILES_VARIANTS,
    "oxbow": {"oxbow-uring": ["engine=uring", "wait=8"], "oxbow-wait-1": ["engine=uring"],
              "oxbow-plain": ["engine=uring", "wait=8", "fixed=0"], "oxbow-epoll": ["engine=epoll"]},
}
# Three ways through the loop: what the kernel copies by itself, from page to page through a pipe, reads and writes.
COPY_VARIANTS = {
    "oxbow": {f"oxbow-{engine}{name}": [f"engine={engine}", f"way={way}"]
              for way, name in (("range", ""), ("splice", "-splice"), ("buffers", "-rw"))
              for engine in ("uring", "epoll")},
    "raw_copy_file_range": {"raw-copy-range": []},
    "libuv": {"libuv": ["way=copyfile"], "libuv-sendfile": ["way=sendfile"]},
}

SERVER_TOOLS = ("start_up", "idle")

CASES = [
    Case("nop", {"batch": [1, 32, 256]}, count=400000, instructions=25600, pinned=True),
    Case("loop-nop", {"outstanding": [1, 32]}, count=500000, instructions=16000, pinned=True,
         counts=(({"outstanding": 1}, 200000),)),
    # A million of them differ little from half of one, and take the slower peers several seconds each.
    Case("timers", {"work": ["late", "live", "pair", "reset"]}, count=500000, instructions=20000,
         pinned=True, counts=(({"work": "live"}, 200000), ({"work": "pair"}, 200000), ({"work": "reset"}, 200000)),
         counted_at={"work": "pair"}, not_quick=({"work": "live"},)),
    Case("ping-pong", {}, count=30000, instructions=2000, pinned=True),
    # A request of 16 KiB is cheap beside the page faults of the first ones, so there are more of them.
    Case("echo", {"connections": [1, 64, 1000], "bytes": [64, 16384], "load_cpu": [0, 1]}, count=6000,
         tools=("load",), counts=(({"connections": 1}, 4000), ({"bytes": 16384}, 16000)),
         ratios=(("ratio_to_raw_epoll", "raw-epoll", "cpu_ns"),),
         not_quick=({"connections": 1000}, {"load_cpu": 1})),
    Case("latency", {"connections": [64], "bytes": [64]}, count=30000, quantity="p99_ns", programs="echo",
         tools=("load",), fixed={"load_cpu": 1}, busy=0.5, also=("p50_ns", "p999_ns", "max_ns", "cpu_ns", "rate")),
    Case("features", {"feature": ["none", "deadline", "pool", "multishot", "told-sends", "chain", "callback-times",
                                  "registered"]},
         count=10000, instructions=1000, base={"feature": "none"}, pinned=True),
    Case("flags", {"work": ["ping-pong", "echo"],
                   "without": ["none", "submit_all", "taskrun_flag", "no_sqarray", "defer_taskrun", "defer_for_coop",
                               "single_issuer", "registered_ring", "multishot", "buffer_ring", "skip_success",
                               "one_call", "ring_send"]},
         count=10000, base={"without": "none"}, also=("chosen",), pinned=True),  # the echo server pins itself
    Case("wake", {"work": ["round-trip", "flood"], "cpus": [1, 2]}, count=8000,
         absent=(("raw-uring", {"work": "flood"}),)),
    Case("files", {"cached": [1]}, count=200000, tools=("prepare",), variants=FILES_VARIANTS, file_bytes=FILE_BYTES,
         pinned=True,
         ratios=(("ratio_to_libuv", "libuv", "cpu_ns"), ("ratio_to_asio", "asio-uring", "cpu_ns"))),
    Case("files-direct", {"cached": [0]}, count=40000, quick=2, quantity="ns", programs="files", tools=("prepare",),
         absent=(("raw", {}),), variants=FILES_DIRECT_VARIANTS, file_bytes=FILE_BYTES, needs_direct=True,
         ratios=(("ratio_to_fio", "fio", "ns"), ("ratio_to_libuv", "libuv", "ns"),
                 ("ratio_to_asio", "asio-uring", "ns"))),
    Case("copy", {}, count=FILE_BYTES >> 20, quantity="ns", also=("cpu_ns",), variants=COPY_VARIANTS,
         file_bytes=FILE_BYTES, rounds_max=5,
         ratios=(("ratio_to_cp", "cp", "ns"), ("cpu_ratio_to_cp", "cp", "cpu_ns"),
                 ("cpu_ratio_to_sendfile", "raw-sendfile", "cpu_ns"))),
    Case("start-up", {}, count=200, quantity="ns", programs="server", through="start_up", tools=SERVER_TOOLS,
         prefers_static=True),
    Case("idle", {}, count=10000, quantity="total_bytes", programs="server", through="idle",
         tools=SERVER_TOOLS, rounds_max=3, also=("own_bytes", "kernel_bytes", "cpu_ns"),
         absent=(("oxbow-both", {}),)),
    Case("size", {}, count=1, quantity="bytes", programs="server", tools=SERVER_TOOLS),
    # Requests in a second, of a loop and its load on each processor. The load needs about as much time as the
    # server; `share` is the server's, so what two loops can have of two processors is twice what one has of one.
    Case("scale", {"loops": [1, 2]}, count=30000, quick=10, quantity="ns", programs="echo", tools=("load",),
         fixed={"connections": 64, "bytes": 64}, also=("cpu_ns", "share"), base={"loops": 1}),
    Case("scale", {"connections": [64, 1, 1000, 10000, 50000]}, count=60000, quick=20,
         programs="echo",
         tools=("load",), fixed={"bytes": 64}, base={"connections": 64}, rounds_max=3,
         counts=(({"connections": 1}, 20000),),
         not_quick=({"connections": 1000}, {"connections": 10000}, {"connections": 50000}),
         only=("oxbow-uring", "oxbow-epoll", "raw-uring", "raw-epoll", "libuv", "asio-epoll")),
]

NAMES = tuple(dict.fromkeys(case.name for case in CASES))  # a case may be measured in several ways
ENGINES = ("oxbow-uring", "oxbow-epoll")

GOALS = [
    *(Goal("nop", "oxbow-ring", "instructions", limit, {"batch": batch})
      for batch, limit in ((1, 60), (32, 25), (256, 24))),
    Goal("nop", "oxbow-ring", "ratio_to_raw", 1.02),
    *(Goal("loop-nop", who, quantity, limit, {"outstanding": outstanding}) for who in ENGINES
      for outstanding, quantity, limit in ((1, "ratio_to_raw", 3.75), (32, "ratio_to_raw", 2.67),
                                           (1, "syscalls", 0.01), (32, "syscalls", 0.01))),
    *(Goal("timers", who, "ratio_to_raw", limit, {"work": work}) for who in ENGINES
      for work, limit in (("late", 0.48), ("live", 1.01), ("pair", 0.65), ("reset", 0.58))),
    *(Goal("ping-pong", who, "ratio_to_raw", 1.02) for who in ENGINES),
    Goal("ping-pong", "oxbow-uring", "instructions", 450),
    Goal("ping-pong", "oxbow-epoll", "instructions", 300),
    *(Goal("echo", who, "ratio_to_raw", 1.02) for who in ENGINES),
    *(Goal("echo", who, "ratio_to_best_peer", 1.02) for who in ENGINES),
    Goal("echo", "oxbow-uring", "syscalls", 1.005, {"connections": 1}),  # 1, and four for the connection itself
    # Of larger messages, received and sent in turn, each is two.
    Goal("echo", "oxbow-uring", "syscalls", 0.1, {"connections": 64, "bytes": 64}),
    Goal("echo", "oxbow-uring", "ratio_to_raw_epoll", 0.94, {"connections": 64, "bytes": 64, "load_cpu": 0}),
    Goal("echo", "oxbow-uring", "ratio_to_raw_epoll", 1.05, {"bytes": 16384}),
    # One callback more or less in the way is not a tenth of what an answer takes; a batch held back would be.
    *(Goal("latency", who, "ratio_to_raw", 1.1) for who in ENGINES),
    *(Goal("wake", who, "ratio_to_raw", 1.03, {"work": "round-trip"}) for who in ENGINES),
    *(Goal("wake", who, "syscalls", 0.01, {"work": "flood"}) for who in ENGINES),
    # raw-uring has registered its buffers too, so this is 1.02 of the best there is on io_uring.
    Goal("files", "oxbow-uring", "ratio_to_raw", 1.02),
    Goal("files", "oxbow-uring", "ratio_to_best_peer", 1.02),
    Goal("files-direct", "oxbow-uring", "ratio_to_fio", 1.0),
    # No pool of Asio's: it reads files with io_uring or not at all.
    *(Goal(case, "oxbow-epoll", "ratio_to_libuv", 0.99) for case in ("files", "files-direct")),
    # Memory is most of a copy, and its speed differs by some percent between one run and the next: a ratio of 1
    # is met or missed by that much.
    *(Goal("copy", who, quantity, 1.0) for who in ENGINES for quantity in ("ratio_to_cp", "cpu_ratio_to_cp")),
    *(Goal("start-up", who, quantity, limit) for who in ENGINES
      for quantity, limit in (("ratio_to_raw", 1.1), ("syscalls", 16))),
    *(Goal("idle", who, "ratio_to_raw", 1.1) for who in ENGINES),
    *(Goal("size", who, "bytes", limit * 1024, {"what": "echo server"})
      for who, limit in (("oxbow-uring", 24), ("oxbow-epoll", 24), ("oxbow-both", 40))),
    Goal("size", "oxbow", "bytes", 96, {"what": "Completion"}),
    *(Goal("scale", who, "ratio_to_base", 0.527, {"loops": 2}) for who in ENGINES),  # 1 / 1.9
    *(Goal("scale", who, "ratio_to_base", 1.1, {"connections": connections}) for who in ENGINES
      for connections in (1000, 10000)),
]

# What Oxbow has reached, and may not lose: some instructions above what was counted with g++ 12, since the C
# library chooses its memcpy by the processor.
PINS = [
    *(Goal("nop", "oxbow-ring", "instructions", limit, {"batch": batch})
      for batch, limit in ((1, 58.5), (32, 22.7), (256, 22.5))),
    *(Goal("loop-nop", who, "instructions", limit, {"outstanding": outstanding}) for who in ENGINES
      for outstanding, limit in ((1, 80), (32, 69))),
    *(Goal("timers", who, "instructions", 118, {"work": "pair"}) for who in ENGINES),
    Goal("ping-pong", "oxbow-uring", "instructions", 1018),
    Goal("ping-pong", "oxbow-epoll", "instructions", 1100),
]
