"""The subjects of a case: programs, what they are run with, and what of them is missing on this machine."""

import concurrent.futures
import shutil
import subprocess
import sys
import pathlib

LIBRARIES = {"liburing": "liburing-dev", "libuv": "libuv1-dev", "asio_epoll": "libasio-dev",
             "asio_uring": "libasio-dev and liburing-dev", "libev": "libev-dev", "libevent": "libevent-dev",
             "fio": "fio", "cp": "coreutils"}
SOURCES = pathlib.Path(__file__).parent
OXBOW = {f"oxbow-{engine}": [f"engine={engine}"] for engine in ("uring", "epoll")}
RUN_SECONDS_MAX = 120
EXIT_LEFT_OUT = 77  # of a program that this machine does not let run


class LeftOut(Exception):
    """A subject that cannot be measured here, and why."""


class Failed(Exception):
    """A subject that ended otherwise than with figures, and how."""


class Subject:
    """A program, and the parameters that make it one of the names that the tables show."""

    def __init__(self, who, program, fixed):
        self.who = who
        self.command = ([sys.executable] if program.suffix == ".py" else []) + [str(program)] + fixed

    def run(self, parameters, prefix=()):
        words = [f"{key}={value}" for key, value in parameters.items()]
        told = f"{self.who}: {' '.join(words)}"
        try:
            done = subprocess.run([*prefix, *self.command, *words], capture_output=True, text=True,
                                  timeout=RUN_SECONDS_MAX, check=False)
        except subprocess.TimeoutExpired as error:
            raise Failed(f"{told}: not done after {RUN_SECONDS_MAX} s") from error
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            if done.returncode == EXIT_LEFT_OUT:
                raise LeftOut(last)
            raise Failed(f"{told}: exit status {done.returncode}: {last}")
        return done

    def figures(self, parameters):
        words = self.run(parameters).stdout.split()
        return {key: float(value) for key, value in (word.split("=") for word in words)}

    def instructions(self, parameters, count):
        """User instructions of one operation: what `count` more of them cost."""
        tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]

        def total_of(times):
            printed = self.run({**parameters, "count": count * times}, tool).stderr
            return next(int(line.split()[-1]) for line in printed.splitlines() if "Collected" in line)
        with concurrent.futures.ThreadPoolExecutor() as both:  # they are exact, whatever runs beside
            once, twice = both.map(total_of, (1, 2))
        return (twice - once) / count


def scripts_of(case):
    """WHO.py runs the program WHO of the machine as a subject."""
    return [script for script in (SOURCES / case.folder).glob("*.py") if shutil.which(script.stem)]


def subject_from_outside(case, program, build):
    """A program that another one starts and measures."""
    static = build / "bench" / "static" / program.name
    server = static if case.prefers_static and static.exists() else program
    return Subject(program.name.replace("_", "-"), program.parent / case.through, [f"server={server}"])


def subjects_of(case, build):
    """Every program of a case, Oxbow's own once for each engine, and others as its variants say."""
    found = []
    programs = [program for program in (build / "bench" / case.folder).iterdir() if not program.suffix]
    for program in sorted(programs + scripts_of(case), key=lambda program: program.name):
        name = program.stem
        if name in case.tools:
            continue
        if case.through:
            found.append(subject_from_outside(case, program, build))
            continue
        variants = OXBOW if name == "oxbow" else {name.replace("_", "-"): []}
        found += [Subject(who, program, fixed) for who, fixed in case.variants.get(name, variants).items()]
    return found


def tell_what_is_absent(case, build):
    folder = build / "bench" / case.folder
    sources = SOURCES / case.folder
    absent = [source.stem for source in sources.glob("*.cc") if not (folder / source.stem).exists()]
    absent += [script.stem for script in sources.glob("*.py") if script not in scripts_of(case)]
    for name in sorted(absent):
        print(f"bench: {case.name} without {name}: {LIBRARIES.get(name, 'its library')} is not installed",
              file=sys.stderr)
