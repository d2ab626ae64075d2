"""Free TCP ports on the loopback interface."""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"
# Below the usual ephemeral range (32768-60999): a port there can be taken by any outgoing connection.
_CANDIDATES = range(20000, 32000)


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


@dataclass(slots=True)
class Ports:
    """Hands out ports, each once. A port that turns out taken later is dealt with by choosing again."""

    taken: set[int] = field(default_factory=set)
    moved: dict[str, tuple[int, int]] = field(default_factory=dict)

    def choose(self, name: str, wanted: int = 0) -> int:
        """`wanted` if it is free, else another port, noted in `moved` as (wanted, chosen). OSError if none is."""
        if wanted and wanted not in self.taken and is_free(wanted):
            return self._take(wanted)
        for port in random.sample(_CANDIDATES, 200):
            if port not in self.taken and is_free(port):
                if wanted:
                    self.moved[name] = (wanted, port)
                return self._take(port)
        raise OSError(f"no free port on {LOOPBACK} for {name} among 200 tried")

    def _take(self, port: int) -> int:
        self.taken.add(port)
        return port
