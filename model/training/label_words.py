"""A catalogue's labels against the taxonomy's words, before anything is learned from them.

A label is a value as it is written. One that the taxonomy writes otherwise (`Red`, `rot`) is trained as a value of its
own: no word of a title ever states it, and readers of events know another name. That may be meant, so it is told, not
refused.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from model.taxonomy import Taxonomy
from model.training.dataset import Row

_NUM_EXAMPLES = 3

Log = Callable[[str], None]


def tell_of_strange_labels(rows: Sequence[Row], names: Iterable[str], taxonomy: Taxonomy, warn: Log) -> None:
    """A line per attribute of ``names`` for labels that are written in two ways, and for those that the taxonomy
    writes otherwise.
    """
    for name in names:
        counts = Counter(row.labels[name] for row in rows if name in row.labels)
        for found, meaning in ((_twice(counts), _TWICE), (_otherwise(name, counts, taxonomy), _OTHERWISE)):
            if told := list(found):
                more = f" and {len(told) - _NUM_EXAMPLES:,} more" if len(told) > _NUM_EXAMPLES else ""
                warn(f"{name}: {'; '.join(told[:_NUM_EXAMPLES])}{more}; {meaning}")


_TWICE = "labels that differ only in how they are written are learned as different values: write each in one way"
_OTHERWISE = (
    "such labels are learned as values of their own, which no word of a title states: write the taxonomy's, or add "
    "yours to model/taxonomy.json"
)


def _twice(counts: Mapping[str, int]) -> Iterator[str]:
    alike: dict[str, list[str]] = defaultdict(list)
    for label in counts:
        alike[_plain(label)].append(label)
    for labels in alike.values():
        if len(labels) > 1:
            yield " and ".join(f"{label!r} ({counts[label]:,})" for label in sorted(labels))


def _otherwise(name: str, counts: Mapping[str, int], taxonomy: Taxonomy) -> Iterator[str]:
    values = _values(name, taxonomy)
    meant = {_plain(word): value for value, words in taxonomy.synonyms(name).items() for word in words}
    meant |= {_plain(value): value for value in values}
    for label, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
        if label not in values and (value := meant.get(_plain(label))) is not None:
            yield f"{label!r} ({count:,}) is {value!r} in the taxonomy"


def _values(name: str, taxonomy: Taxonomy) -> frozenset[str]:
    if name == "scene":
        return frozenset(taxonomy.scenes)
    return frozenset(taxonomy.synonyms(name)) | (taxonomy.product_types if name == "product_type" else frozenset())


def _plain(label: str) -> str:
    return " ".join(label.casefold().replace("-", " ").replace("_", " ").split())
