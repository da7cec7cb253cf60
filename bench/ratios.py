"""What rows are compared with: the lower bound, the peers, one subject, or the same subject set otherwise."""


def is_oxbow(who):
    return who.startswith("oxbow")


def is_raw(who):
    return who.startswith("raw")


def ratio(figure, to):
    return round(figure / to, 3) if figure is not None and to else None


def add_ratios(rows, quantity):
    """To the lower bound of the same engine, or the best one, and to the best of the peers.

    Rows of one set of parameters. What is all by hand is not compared with itself.
    """
    known = {row["who"]: row[quantity] for row in rows if row[quantity]}
    raws = {who: figure for who, figure in known.items() if is_raw(who)}
    best_peer = min((figure for who, figure in known.items() if not is_raw(who) and not is_oxbow(who)), default=None)
    if len(raws) == len(known):
        raws = {}
    for row in rows:
        engine = row["who"].rsplit("-", 1)[-1]
        raw = raws.get(f"raw-{engine}", min(raws.values(), default=None))
        row["ratio_to_raw"] = ratio(row[quantity], raw)
        row["ratio_to_best_peer"] = ratio(row[quantity], best_peer)


def add_ratios_of_case(rows, case):
    """To the best variant of one subject; None where that is not there. Rows of one set of parameters."""
    for key, who, figure in case.ratios:
        best = min((row[figure] for row in rows if (row["who"] + "-").startswith(who + "-")), default=None)
        for row in rows:
            row[key] = ratio(row[figure], best)


def add_ratio_to_base(rows, case):
    """To the same subject with the parameters that are the case's base; None where those were left out."""
    varied = sorted(case.parameters.keys() - case.base.keys())

    def key_of(row):
        return (row["who"], *(row[name] for name in varied))
    bases = {key_of(row): row[case.quantity] for row in rows if case.base.items() <= row.items()}
    for row in rows:
        row["ratio_to_base"] = ratio(row[case.quantity], bases.get(key_of(row)))
