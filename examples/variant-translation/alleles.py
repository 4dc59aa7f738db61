"""Alleles and what they translate to: made up, and the same at each run.

Three neighbouring coding alleles (CA...) have the same protein allele (PA...), as in
ClinGen's registry several changes of the DNA lead to one change of the protein.  A score
set is a range of alleles; two sets of one experiment share most of them, and their jobs
come to them from opposite ends.
"""

import hashlib

PER_REQUEST = 200  # alleles that one request to the registry resolves


def identifier(prefix, number):
    digest = hashlib.sha256(f"{prefix}{number}".encode()).digest()
    return f"{prefix}{int.from_bytes(digest[:4], 'big'):010}"


def translate(allele):
    """The pair of identifiers of one allele: of the protein, of the DNA."""
    return identifier("PA", allele // 3), identifier("CA", allele)


def score_sets(pairs):
    """Two sets of so many alleles each, three fifths of them shared: (first, step)."""
    other = pairs * 2 // 5
    return [{"first": 0, "step": 1, "count": pairs},
            {"first": other + pairs - 1, "step": -1, "count": pairs}]


def alleles(score_set):
    first, step = score_set["first"], score_set["step"]
    return range(first, first + step * score_set["count"], step)


def union(sets):
    """All pairs of the sets, each once, in the order of the table's key."""
    return sorted({translate(allele) for one in sets for allele in alleles(one)})
