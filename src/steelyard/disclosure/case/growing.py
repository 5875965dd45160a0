"""A mapping that never changes and of which a larger or other one is made cheaply.

Decides nothing. A view is frozen, and a case takes thousands of objects one by one: were all
of them copied for each, a case would cost the square of its length.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Generic, TypeAlias, TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")
_BUCKETS: Final = 128
_Bucket: TypeAlias = "dict[K, tuple[int, V]]"


class Grown(Mapping[K, V], Generic[K, V]):
    """Keys and values in the order in which the keys came; empty until `with_item`."""

    __slots__ = ("_buckets", "_next")

    def __init__(self) -> None:
        self._buckets: tuple[_Bucket[K, V], ...] = ({},) * _BUCKETS
        self._next = 0

    def __getitem__(self, key: K) -> V:
        return self._buckets[hash(key) % _BUCKETS][key][1]

    def __iter__(self) -> Iterator[K]:
        placed = [(place, key) for part in self._buckets for key, (place, _) in part.items()]
        return (key for _, key in sorted(placed, key=lambda pair: pair[0]))

    def __len__(self) -> int:
        return sum(map(len, self._buckets))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and dict(self) == dict(cast("Mapping[K, V]", other))

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __repr__(self) -> str:
        return f"Grown({dict(self)!r})"

    def with_item(self, key: K, value: V) -> Grown[K, V]:
        """The same with one value changed or added."""
        bucket = self._buckets[hash(key) % _BUCKETS]
        place = bucket[key][0] if key in bucket else self._next
        return self._with(key, {**bucket, key: (place, value)})

    def without(self, key: K) -> Grown[K, V]:
        """The same less one key, which need not be in it."""
        bucket = self._buckets[hash(key) % _BUCKETS]
        if key not in bucket:
            return self
        return self._with(key, {name: item for name, item in bucket.items() if name != key})

    def _with(self, key: K, bucket: _Bucket[K, V]) -> Grown[K, V]:
        index = hash(key) % _BUCKETS
        grown: Grown[K, V] = Grown()
        grown._buckets = (*self._buckets[:index], bucket, *self._buckets[index + 1 :])
        grown._next = self._next + 1
        return grown
