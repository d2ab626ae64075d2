"""Real servers on loopback for the downloader's tests: one that answers by a script, one that must stay untouched."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network

from orchestrator_tasks.fetch.addresses import AddressPolicy
from orchestrator_tasks.fetch.budget import Limits
from orchestrator_tasks.fetch.wire import Route, resolve_host

LOOPBACK = AddressPolicy(private=(ip_network("127.0.0.1/32"),))
LIMITS = Limits(max_bytes=1024**2, total_s=20, min_bytes_per_s=0, connect_s=5, idle_s=10, head_s=10)


def route(policy=LOOPBACK, names=None, tls=None):
    """A route that finds the hosts in `names` by the table and all others by the system."""
    names = names or {}
    return Route(policy=policy, resolve=lambda host, port: names.get(host) or resolve_host(host, port), tls=tls)


@dataclass
class Server:
    """A server that hands each connection and the request's head to `answer`."""

    answer: Callable[["Server", socket.socket, str], None]
    tls: ssl.SSLContext | None = None
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.1)
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def url(self, path="/clip.mp4", host="127.0.0.1", scheme="http"):
        return f"{scheme}://{host}:{self.port}{path}"

    def pause(self, seconds):
        """Wait as a slow server does; True when the test is over."""
        return self.closing.wait(seconds)

    def close(self):
        self.closing.set()
        for thread in self.threads:
            thread.join(10)
        self.listener.close()

    def _accept(self):
        while not self.closing.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self.listener.accept()
                self.threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self.threads[-1].start()

    def _serve(self, connection):
        with contextlib.suppress(OSError, ssl.SSLError), contextlib.ExitStack() as stack:
            stack.callback(connection.close)
            connection.settimeout(10)
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
                stack.callback(connection.close)
            head, _, rest = self._receive(connection).partition(b"\r\n\r\n")
            self.bodies.append(rest)
            self.heads.append(head.decode("latin-1"))
            self.answer(self, connection, self.heads[-1])

    def _receive(self, connection):
        data = b""
        while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < _declared(data):
            block = connection.recv(65536)
            if not block:
                break
            data += block
        return data


def _declared(data):
    fields = dict(line.lower().split(b": ", 1) for line in data.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:])
    return int(fields.get(b"content-length", 0))


@contextmanager
def serving(answer, tls=None) -> Iterator[Server]:
    """A server whose answers are raw bytes, or whatever a function of (server, connection, head) sends."""
    script = answer if callable(answer) else lambda _server, connection, _head: connection.sendall(answer)
    server = Server(script, tls)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def canary(host="127.0.0.1") -> Iterator[int]:
    """The port of a listener that nobody may connect to while the block runs."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        yield listener.getsockname()[1]
        listener.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            connection, peer = listener.accept()
            connection.close()
            raise AssertionError(f"{peer} connected to what must stay untouched")


def ok(body, *headers):
    """A complete answer with the body's length."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def redirect(location, status=302):
    return f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")
