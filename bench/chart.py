"""Draws the rows of a run as one SVG: a dot for each subject, at its ratio to the cheapest hand-written program.

Every case is a section with an axis of its own, logarithmic because some peers are far away. The card brings its
own background, so that it can be read wherever it is shown, and follows the reader's wish for light or dark.
"""

import math
from xml.sax.saxutils import escape

from ratios import is_oxbow, is_raw
from words import base_in_words, case_of, engine_in_words, parameters_in_words, title_of, unit_of

WIDTH = 960
MARGIN = 28
PLOT_LEFT, PLOT_RIGHT = 262, 766
COLUMNS = {"oxbow-uring": 854, "oxbow-ring": 854, "oxbow-epoll": WIDTH - MARGIN}
TRACK, NAMES = 13, 31  # from the top of a row down to its dots, and to the names of the peers
ROW, ROW_WITHOUT_NAMES = 41, 26
TICKS = (0.1, 0.2, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
TICK_GAP = 34
APART = {"uring": -2.5, "epoll": 2.5}  # so that of two equal ones both are seen
NARROWEST = (0.85, 1.5)  # an axis never shows less than this, or noise would look like news

# Class: property, on light, on dark.
COLORS = {
    "card": ("fill", "#ffffff", "#0d1117"), "frame": ("stroke", "#d0d7de", "#30363d"),
    "grid": ("stroke", "#eaeef2", "#21262d"), "one": ("stroke", "#57606a", "#8b949e"),
    "title": ("fill", "#1f2328", "#f0f6fc"), "text": ("fill", "#32383f", "#d1d7e0"),
    "soft": ("fill", "#656d76", "#8b949e"), "name": ("fill", "#656d76", "#8b949e"),
    "peer": ("fill", "#9aa4af", "#6e7681"), "lead": ("stroke", "#c4cbd3", "#3d444d"),
    "raw": ("fill", "#57606a", "#adb6c0"), "halo,.name": ("stroke", "#ffffff", "#0d1117"),
    "uring": ("fill", "#d9480f", "#ff922b"), "epoll": ("fill", "#0b7285", "#3bc9db"),
}
SHAPES = """text{font-family:-apple-system,BlinkMacSystemFont,"Segoe UI","Noto Sans",Helvetica,Arial,sans-serif;\
font-size:12px}
.title{font-size:14px;font-weight:600}.head{font-size:20px;font-weight:600}.soft{font-size:11px;font-weight:400}
.name{font-size:9.5px;text-anchor:middle;paint-order:stroke;stroke-width:3px}
.tick{font-size:9.5px;text-anchor:middle}.end{text-anchor:end}
.value{font-weight:600;text-anchor:end;font-variant-numeric:tabular-nums}
.grid,.one,.lead,.frame{fill:none;stroke-width:1}.one{stroke-dasharray:3 3}.halo{stroke-width:1.5}"""


def number(value):
    return f"{value:.1f}".rstrip("0").rstrip(".")


def text(x, y, classes, words):
    return f'<text x="{number(x)}" y="{number(y)}" class="{classes}">{escape(words)}</text>'


def style():
    def rules(theme):
        return "".join(f".{name}{{{values[0]}:{values[theme]}}}" for name, values in COLORS.items())
    return f"<style>{SHAPES}\n{rules(1)}\n@media (prefers-color-scheme:dark){{{rules(2)}}}</style>"


def class_of(who):
    if is_oxbow(who):
        return "epoll" if "epoll" in who else "uring"
    return "raw" if is_raw(who) else "peer"


def short_time(nanoseconds):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.{3 if nanoseconds < 1000 * size else 6}g} {unit}"
    return f"{nanoseconds:.3g} ns"


def ratio_text(ratio):
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.1f}" if ratio < 100 else f"{ratio:.0f}"


class Row:
    """One set of parameters: where its dots are, as ratios, and the words beside them."""

    def __init__(self, rows):
        case = case_of(rows)
        self.words = parameters_in_words(case, rows[0])
        self.below = ""
        self.is_alone = bool(case.base) and len(rows) == 1
        if case.base:
            self.dots = [(row["who"], row["ratio_to_base"]) for row in rows if row["ratio_to_base"]]
            self.named = self.without_column(self.dots) if not self.is_alone else []
            return
        raws = [row for row in rows if is_raw(row["who"])]
        base = min(raws or rows, key=lambda row: row[case.quantity])
        self.dots = [(row["who"], row[case.quantity] / base[case.quantity]) for row in rows if row is not base]
        self.named = self.without_column(self.dots)
        figure = base[case.quantity]
        shown = short_time(figure) if case.quantity.endswith("ns") else f"{figure:.0f} B"
        self.below = f"1× is {engine_in_words(base['who'])}, {shown}"

    @staticmethod
    def without_column(dots):
        return [(who, ratio) for who, ratio in dots if who not in COLUMNS]

    @property
    def height(self):
        return ROW if self.named or self.below else ROW_WITHOUT_NAMES


class Axis:
    """Logarithmic, over all rows of a case."""

    def __init__(self, rows):
        ratios = [ratio for row in rows for _, ratio in row.dots if ratio > 0]
        low = min(ratios + [NARROWEST[0] * 1.03]) / 1.03
        high = max(ratios + [NARROWEST[1] / 1.05]) * 1.05
        self.low = math.log(low)
        self.scale = (PLOT_RIGHT - PLOT_LEFT) / (math.log(high) - self.low)

    def at(self, ratio):
        return PLOT_LEFT + (math.log(ratio) - self.low) * self.scale

    def ticks(self):
        """1 always, and of the others those that leave room."""
        shown = [1]
        for tick in sorted(TICKS, key=lambda tick: abs(math.log(tick))):
            place = self.at(tick)
            if PLOT_LEFT <= place <= PLOT_RIGHT and all(abs(place - self.at(other)) >= TICK_GAP for other in shown):
                shown.append(tick)
        return sorted(shown)


def spread(wishes, left, right):
    """Centres for labels of some width, as near to where they want to be as they can without touching.

    `wishes` are (centre, width) in rising order. Labels that would touch form a block, which is put where the
    mean of what its members want is; blocks that then touch become one.
    """
    blocks = []  # [sum of wanted starts, labels, width]
    def start_of(block):
        return min(max(block[0] / block[1], left), right - block[2])
    for centre, width in wishes:
        blocks.append([centre - width / 2, 1, width])
        while len(blocks) > 1 and start_of(blocks[-2]) + blocks[-2][2] > start_of(blocks[-1]):
            wanted, count, wide = blocks.pop()
            before = blocks[-1]
            blocks[-1] = [before[0] + wanted - count * before[2], before[1] + count, before[2] + wide]
    centres = []
    widths = iter(width for _, width in wishes)
    for block in blocks:
        place = start_of(block)
        for _ in range(block[1]):
            width = next(widths)
            centres.append(place + width / 2)
            place += width
    return centres


def draw_names(row, axis, top):
    """The peers' names below their dots, each with a line that leads there."""
    named = sorted(row.named, key=lambda dot: (dot[1], dot[0]))
    words = [engine_in_words(who) for who, _ in named]
    wishes = [(axis.at(ratio), 5.1 * len(word) + 9) for (_, ratio), word in zip(named, words)]
    centres = spread(wishes, PLOT_LEFT - 16, PLOT_RIGHT + 16)
    lines = "".join(f"M{number(place)} {top + TRACK + 3}L{number(centre)} {top + NAMES - 8.5}"
                    for (place, _), centre in zip(wishes, centres))
    return [f'<path class="lead" d="{lines}"/>',
            *(text(centre, top + NAMES, "name", word) for centre, word in zip(centres, words))]


def draw_dot(who, ratio, axis, y):
    x, kind = number(axis.at(ratio)), class_of(who)
    if kind == "raw":
        return f'<path class="raw" d="M{x} {y - 4.5}l4 4.5l-4 4.5l-4 -4.5z"/>'
    if kind == "peer":
        return f'<circle class="peer" cx="{x}" cy="{y}" r="3.2"/>'
    return f'<circle class="{kind} halo" cx="{x}" cy="{y + APART[kind]}" r="5.2"/>'


def draw_row(row, axis, top):
    y = top + TRACK
    # The words stand in the middle of the row, on one line or on two.
    lines = [line for line in (("text", row.words), ("soft", row.below)) if line[1]]
    first = y + 4 if len(lines) == 1 else y + 2
    parts = [text(MARGIN, first + 15 * at, classes, words) for at, (classes, words) in enumerate(lines)]
    parts.append(f'<path class="grid" d="M{PLOT_LEFT} {y}H{PLOT_RIGHT}"/>')
    if row.named:
        parts += draw_names(row, axis, top)
    # Oxbow's lie above the others, and io_uring's above epoll's.
    order = ("peer", "raw", "epoll", "uring")
    for who, ratio in sorted(row.dots, key=lambda dot: order.index(class_of(dot[0]))):
        parts.append(draw_dot(who, ratio, axis, y))
        column = COLUMNS.get(who, COLUMNS["oxbow-uring"] if row.is_alone else None)
        if column:
            parts.append(text(column, y + 4, f"value {class_of(who)}", ratio_text(ratio)))
    return parts


def draw_section(groups, top):
    """A case; the parts, and where the next one begins."""
    case = case_of(groups[0])
    beside = [group for group in groups if not case.base or not case.base.items() <= group[0].items()]
    rows = [Row(group) for group in beside]
    axis = Axis(rows)
    head = top + 16
    about = escape(f" {unit_of(case)}{base_in_words(case)} · make bench CASE={case.name}")
    rows_top = top + 44
    bottom = rows_top + sum(row.height for row in rows)
    parts = [f'<path class="frame" d="M{MARGIN} {top - 8}H{WIDTH - MARGIN}"/>',
             f'<text x="{MARGIN}" y="{head}" class="title">{escape(title_of(case))} <tspan class="soft">{about}'
             "</tspan></text>"]
    subjects = {who for row in rows for who, _ in row.dots}
    for who in sorted(subjects & set(COLUMNS)):
        parts.append(text(COLUMNS[who], rows_top - 9, f"soft end {class_of(who)}",
                          engine_in_words(who).removeprefix("oxbow-")))
    grid = "".join(f"M{number(axis.at(tick))} {rows_top - 4}V{bottom}" for tick in axis.ticks() if tick != 1)
    parts.append(f'<path class="grid" d="{grid}"/>')
    one = number(axis.at(1))
    parts.append(f'<path class="one" d="M{one} {rows_top - 4}V{bottom}"/>')
    parts += [text(axis.at(tick), rows_top - 9, "soft tick", f"{tick:g}×") for tick in axis.ticks()]
    for row in rows:
        parts += draw_row(row, axis, rows_top)
        rows_top += row.height
    return parts, bottom + 20


def draw_legend(y):
    parts = []
    for x, who, words in ((MARGIN + 6, "oxbow-uring", "Oxbow on io_uring"),
                          (MARGIN + 146, "oxbow-epoll", "Oxbow on epoll"),
                          (MARGIN + 266, "peer", "a peer, by its name"),
                          (MARGIN + 412, "raw", "by hand for the other engine")):
        kind = class_of(who)
        mark = {"raw": f'<path class="raw" d="M{x} {y - 8.5}l4 4.5l-4 4.5l-4 -4.5z"/>',
                "peer": f'<circle class="peer" cx="{x}" cy="{y - 4}" r="3.2"/>'}
        parts.append(mark.get(kind, f'<circle class="{kind}" cx="{x}" cy="{y - 4}" r="5.5"/>'))
        parts.append(text(x + 11, y, "text", words))
    return parts


def draw(groups, footer):
    """The whole SVG. `footer` is what the run was made on."""
    parts = [text(MARGIN, 44, "title head", "Oxbow beside its peers"),
             text(MARGIN, 66, "soft",
                  "Cost of the same work as a multiple of the cheapest program written by hand with direct "
                  " system calls (1×). Further left is better."),
             *draw_legend(92)]
    top = 126
    sections = {}
    for group in groups:
        case = case_of(group)
        sections.setdefault((case.name, *case.parameters), []).append(group)
    for section in sections.values():
        drawn, top = draw_section(section, top)
        parts += drawn
    parts.append(f'<path class="frame" d="M{MARGIN} {top - 8}H{WIDTH - MARGIN}"/>')
    parts.append(text(MARGIN, top + 14, "soft", footer))
    height = top + 34
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" '
        'role="img" aria-label="Oxbow beside its peers: ratios of cost">',
        style(),
        f'<rect class="card frame" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="10"/>',
        *parts, "</svg>"]) + "\n"
