"""Pairwise sampling: few rows in which every pair of values of any two parameters occurs at least once."""
import itertools


def product(parameters):
    """All rows (dicts) for `parameters` (name -> values)."""
    return [dict(zip(parameters, values)) for values in itertools.product(*parameters.values())]


def sample(parameters):
    """Greedy, and the same for the same input."""
    names = list(parameters)
    uncovered = {((a, x), (b, y)) for a, b in itertools.combinations(names, 2)
                 for x in parameters[a] for y in parameters[b]}
    candidates = product(parameters)
    rows = []
    while uncovered:
        best = max(candidates, key=lambda row: len(uncovered & pairs(row, names)))
        rows.append(best)
        uncovered -= pairs(best, names)
    return rows


def pairs(row, names):
    return {((a, row[a]), (b, row[b])) for a, b in itertools.combinations(names, 2)}
