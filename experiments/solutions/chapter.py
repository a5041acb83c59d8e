"""What the chapter prints of the solutions, and the words for what it does not print."""

TABLE_3 = ("1111", "1011", "1010", "0010", "0000")
"""Parity: hidden code by number of inputs on."""

TABLE_5 = (
    (0.5, 0, 0),
    (0, 1, 0),
    (1, 1, 0),
    (1, 1, 1),
    (0, 1, 1),
    (0.5, 0, 1),
    (1, 0, 0.5),
    (0, 0, 0.5),
)
"""Encoder: hidden codes of the eight patterns."""

TABLE_7 = {"10": 0.0, "11": 0.2, "00": 0.6, "01": 1.0}
"""Graded code: values of the single unit."""

FIG_8 = (-6.0, 4.0, 0.0)
"""Graded code: weights and bias of that unit, from the left input, from the right one."""

CASES = ("00", "01", "10", "11")

COUNTED = {
    0: "counts the inputs that are on",
    1: "counts, one input complemented",
    2: "counts, two inputs complemented",
    -1: "does not count",
}
