"""How the benchmarks print what they found: a title, a table of text, and sentences below it."""


def show(title, head, rows, notes=()):
    cells = [head] + [[text(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    print(f"\n{title}\n")
    for number, row in enumerate(cells):
        print("  " + "  ".join(value.ljust(width) if i == 0 else value.rjust(width)
                               for i, (value, width) in enumerate(zip(row, widths))).rstrip())
        if number == 0:
            print("  " + "  ".join("-" * width for width in widths))
    for note in notes:
        print("  " + note)


def text(value):
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}x"


def megabytes(count):
    return "-" if count is None or count < 0 else f"{count / 1e6:.0f} MB"
