import socket

from orchestrator_tasks.embedded.ports import Ports, is_free


def listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def test_a_port_with_a_listener_is_not_free():
    with listener() as server:
        port = server.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_a_listener_on_all_interfaces_takes_the_port_too():
    with socket.create_server(("0.0.0.0", 0)) as server:
        assert not is_free(server.getsockname()[1])


def test_the_wanted_port_is_given_when_free():
    with listener() as server:
        port = server.getsockname()[1]
    ports = Ports()
    assert ports.choose("API", port) == port
    assert ports.moved == {}


def test_a_taken_port_is_replaced_and_that_is_said():
    with listener() as server:
        wanted = server.getsockname()[1]
        ports = Ports()
        chosen = ports.choose("API", wanted)
        assert chosen != wanted
        assert is_free(chosen)
    assert ports.moved == {"API": (wanted, chosen)}


def test_no_port_is_given_twice():
    ports = Ports()
    first = ports.choose("a")
    assert ports.choose("b", first) != first
    assert len({ports.choose(f"n{n}") for n in range(30)} | {first}) == 31
