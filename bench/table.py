"""The rows of a run as a table in Markdown: a line for each set of parameters."""

from ratios import is_oxbow, is_raw
from words import case_of, engine_in_words, parameters_in_words

HEAD = ("case", "raw", "oxbow-uring", "oxbow-epoll", "best peer", "instructions", "system calls")
BASE_HEAD = ("compared with itself", "on io_uring", "on epoll", "instructions", "system calls")


def figure(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio(value):
    return "-" if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def of_oxbow(row, case):
    """What it costs, and beside how much of the lower bound of its engine and of the best peer that is."""
    if row is None:
        return ""
    ratios = [f"{ratio(row[key])} × {word}" for key, word in (("ratio_to_raw", "raw"), ("ratio_to_best_peer", "peer"))
              if row.get(key) is not None]
    return f"**{figure(row[case.quantity])}**" + (f" ({', '.join(ratios)})" if ratios else "")


def counts(named, key):
    """A count of the subjects of a line that have one, in the order of its columns."""
    shown = [f"{name} {figure(row[key])}" for name, row in named if row is not None and row.get(key) is not None]
    return ", ".join(shown)


def line_of(group):
    case = case_of(group)
    by_name = {row["who"]: row for row in group}
    uring = by_name.get("oxbow-uring") or by_name.get("oxbow-ring")
    epoll = by_name.get("oxbow-epoll")
    raws = [row for row in group if is_raw(row["who"])]
    peers = [row for row in group if not is_raw(row["who"]) and not is_oxbow(row["who"])]
    peer = min(peers, key=lambda row: row[case.quantity], default=None)
    raw = min(raws, key=lambda row: row[case.quantity], default=None)
    named = [("raw", raw), ("uring", uring), ("epoll", epoll), (peer["who"] if peer else "peer", peer)]
    raws_in_words = ", ".join(f"{engine_in_words(row['who'])} {figure(row[case.quantity])}" for row in raws)
    peer_in_words = f"{engine_in_words(peer['who'])} {figure(peer[case.quantity])}" if peer else ""
    words = parameters_in_words(case, group[0])
    return (f"{case.name}{': ' if words else ''}{words}", raws_in_words, of_oxbow(uring, case), of_oxbow(epoll, case),
            peer_in_words, counts(named, "instructions"), counts(named, "syscalls"))


def line_against_base(group):
    """Of a case that compares a subject with itself: Oxbow, or what is by hand instead."""
    case = case_of(group)
    by_name = {row["who"]: row for row in group}
    def cell(row):
        return f"{figure(row[case.quantity])} ({ratio(row['ratio_to_base'])})" if row else ""
    uring = by_name.get("oxbow-uring") or by_name.get("raw-uring")
    epoll = by_name.get("oxbow-epoll") or by_name.get("raw-epoll")
    named = [("uring", uring), ("epoll", epoll)]
    return (f"{case.name}: {parameters_in_words(case, group[0])}", cell(uring), cell(epoll),
            counts(named, "instructions"), counts(named, "syscalls"))


def table_of(head, lines):
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines)) + "\n"


def markdown(groups):
    """One table of everything beside its peers, and one of what is compared with itself, where there is such."""
    beside = [line_of(group) for group in groups if not case_of(group).base]
    itself = [line_against_base(group) for group in groups if case_of(group).base]
    tables = ([table_of(HEAD, beside)] if beside else []) + ([table_of(BASE_HEAD, itself)] if itself else [])
    return "\n".join(tables)
