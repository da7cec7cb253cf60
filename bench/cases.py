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
    shown: tuple = ()  # further figures of a row
    base: dict = dataclasses.field(default_factory=dict)  # parameters of the row that ratio_to_base compares with

    @property
    def folder(self):
        return (self.programs or self.name).replace("-", "_")

    def combinations(self, quick=False):
        for values in itertools.product(*self.parameters.values()):
            parameters = dict(zip(self.parameters, values))
            if not quick or not any(where.items() <= parameters.items() for where in self.not_quick):
                yield parameters

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


SERVER_TOOLS = ("start_up", "idle")

CASES = [
    Case("nop", {"batch": [1, 32, 256]}, count=400000, instructions=25600),
    Case("loop-nop", {"outstanding": [1, 32]}, count=2000000, instructions=64000,
         counts=(({"outstanding": 1}, 500000),)),
    Case("timers", {"work": ["late", "live", "pair", "reset"]}, count=1000000, instructions=50000,
         counted_at={"work": "pair"}),
    Case("ping-pong", {}, count=50000, instructions=4000),
    Case("echo", {"connections": [1, 64, 1000], "bytes": [64, 16384], "load_cpu": [0, 1]}, count=60000,
         tools=("load",), counts=(({"connections": 1}, 20000),)),
    Case("wake", {"work": ["round-trip", "flood"], "cpus": [1, 2]}, count=30000,
         absent=(("raw-uring", {"work": "flood"}),)),
    Case("start-up", {}, count=200, quantity="ns", programs="server", through="start_up", tools=SERVER_TOOLS,
         prefers_static=True),
    Case("idle", {}, count=10000, quantity="total_bytes", programs="server", through="idle",
         tools=SERVER_TOOLS, rounds_max=3, shown=("own_bytes", "kernel_bytes", "cpu_ns"),
         absent=(("oxbow-both", {}),)),
    Case("size", {}, count=1, quantity="bytes", programs="server", tools=SERVER_TOOLS),
    # Requests in a second, of a loop and its load on each processor. The load needs about as much time as the
    # server; `share` is the server's, so what two loops can have of two processors is twice what one has of one.
    Case("scale", {"loops": [1, 2]}, count=60000, quantity="ns", programs="echo", tools=("load",),
         fixed={"connections": 64, "bytes": 64}, shown=("cpu_ns", "share"), base={"loops": 1}),
    Case("scale", {"connections": [64, 1, 1000, 10000, 50000]}, count=100000, programs="echo",
         tools=("load",), fixed={"bytes": 64}, base={"connections": 64}, rounds_max=3,
         counts=(({"connections": 1}, 20000),), not_quick=({"connections": 10000}, {"connections": 50000}),
         only=("oxbow-uring", "oxbow-epoll", "raw-uring", "raw-epoll", "libuv", "asio-epoll")),
]

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
    Goal("echo", "oxbow-uring", "syscalls", 1.0, {"connections": 1}),
    Goal("echo", "oxbow-uring", "syscalls", 0.1, {"connections": 64}),
    *(Goal("wake", who, "ratio_to_raw", 1.03, {"work": "round-trip"}) for who in ENGINES),
    *(Goal("wake", who, "syscalls", 0.01, {"work": "flood"}) for who in ENGINES),
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
