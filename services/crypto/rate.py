"""How often somebody's key signs: a bound, so that nobody signs without end in another's name. Pure."""

from collections import OrderedDict
from collections.abc import Hashable

_KNOWN = 10_000


class Rate:
    """Each owner has `most` takes, which come back evenly within `seconds`; counted by this process alone.

    Of the owners beyond ten thousand those that were idle longest begin anew.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._each = seconds / most
        self._free_at: OrderedDict[Hashable, float] = OrderedDict()

    def take(self, owner: Hashable, now: float) -> bool:
        """Whether the owner has one left at `now` (seconds of a clock that never goes back), which is then taken."""
        # When all of the owner's takes would be there again: each take puts that off by its share of the time.
        full = max(self._free_at.get(owner, now), now)
        if full - now > (self._most - 1) * self._each + self._each / 2:
            return False
        self._free_at[owner] = full + self._each
        self._free_at.move_to_end(owner)
        if len(self._free_at) > _KNOWN:
            self._free_at.popitem(last=False)
        return True
