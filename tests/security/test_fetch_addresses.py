"""Which addresses may be reached. The oracle is the standard library and a list kept here, not the code's own."""

import ipaddress
import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator_tasks.fetch.addresses import AddressPolicy
from orchestrator_tasks.fetch.wire import resolve_host
from workflows.settings import Settings

PUBLIC_ONLY = AddressPolicy()

# RFC 6890 and its successors, as first and last address.
NOT_PUBLIC = [
    ("0.0.0.0", "0.255.255.255"), ("10.0.0.0", "10.255.255.255"), ("100.64.0.0", "100.127.255.255"),
    ("127.0.0.0", "127.255.255.255"), ("169.254.0.0", "169.254.255.255"), ("172.16.0.0", "172.31.255.255"),
    ("192.0.0.0", "192.0.0.255"), ("192.0.2.0", "192.0.2.255"), ("192.31.196.0", "192.31.196.255"),
    ("192.52.193.0", "192.52.193.255"), ("192.88.99.0", "192.88.99.255"), ("192.168.0.0", "192.168.255.255"),
    ("192.175.48.0", "192.175.48.255"), ("198.18.0.0", "198.19.255.255"), ("198.51.100.0", "198.51.100.255"),
    ("203.0.113.0", "203.0.113.255"), ("224.0.0.0", "255.255.255.255"), ("168.63.129.16", "168.63.129.16"),
]  # fmt: skip


def number(text):
    return int.from_bytes(socket.inet_aton(text), "big")


def expected_public(value):
    address = ipaddress.IPv4Address(value)
    listed = any(number(first) <= value <= number(last) for first, last in NOT_PUBLIC)
    return address.is_global and not address.is_multicast and not listed


edges = [end for first, last in NOT_PUBLIC for end in (number(first), number(last))]
ipv4 = st.one_of(
    st.integers(0, 2**32 - 1),
    st.builds(lambda edge, step: max(0, min(2**32 - 1, edge + step)), st.sampled_from(edges), st.integers(-2, 2)),
)


@given(ipv4)
@example(number("8.8.8.8"))
def test_an_ipv4_address_is_allowed_exactly_when_it_is_public(value):
    refusal = PUBLIC_ONLY.refusal(str(ipaddress.IPv4Address(value)), 443)
    assert (refusal is None) == expected_public(value)


WRAPPINGS = {
    "mapped": lambda v4: 0xFFFF << 32 | v4,
    "6to4": lambda v4: 0x2002 << 112 | v4 << 80 | 1,
    "nat64": lambda v4: 0x64FF9B << 96 | v4,
    "teredo client": lambda v4: 0x20010000 << 96 | number("8.8.8.8") << 64 | (v4 ^ 0xFFFFFFFF),
    "teredo server": lambda v4: 0x20010000 << 96 | v4 << 64 | (number("8.8.8.8") ^ 0xFFFFFFFF),
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@given(ipv4)
def test_an_ipv4_address_inside_an_ipv6_one_is_judged_as_itself(wrapping, value):
    outer = str(ipaddress.IPv6Address(WRAPPINGS[wrapping](value)))
    assert (PUBLIC_ONLY.refusal(outer, 443) is None) == expected_public(value)


@given(st.integers(0, 2**128 - 1))
@example(int(ipaddress.IPv6Address("2606:4700::1111")))
@example(int(ipaddress.IPv6Address("fec0::1")))
@example(int(ipaddress.IPv6Address("ff0e::1")))
@example(int(ipaddress.IPv6Address("64:ff9b:1::a9fe:a9fe")))
@example(int(ipaddress.IPv6Address("3fff::1")))
@example(int(ipaddress.IPv6Address("::7f00:1")))
def test_an_allowed_ipv6_address_is_global_unicast(value):
    address = ipaddress.IPv6Address(value)
    if address.ipv4_mapped or address.sixtofour or address.teredo or value >> 32 == 0x64FF9B << 64:
        return  # judged above
    if PUBLIC_ONLY.refusal(str(address), 443) is None:
        assert address.is_global
        assert value >> 125 == 1  # 2000::/3, all that is assigned


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_a_public_address_is_allowed_on_the_listed_ports_only(address):
    assert PUBLIC_ONLY.refusal(address, 80) is None
    assert PUBLIC_ONLY.refusal(address, 443) is None
    assert "port 22" in PUBLIC_ONLY.refusal(address, 22)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "0.0.0.0", "::", "::1", "169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1", "::a9fe:a9fe", "fe80::1", "fe80::1%1", "fd00:ec2::254", "fc00::1",
        "fec0::1", "ff02::1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "2001:db8::1", "3fff::1", "5f00::1", "100::1", "nonsense", "",
    ],
)  # fmt: skip
def test_addresses_known_from_attacks_are_refused(address):
    assert PUBLIC_ONLY.refusal(address, 80)


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "168.63.129.16"])
def test_metadata_is_refused_even_where_everything_private_is_admitted(address):
    policy = AddressPolicy(private=tuple(map(ipaddress.ip_network, ("0.0.0.0/0", "::/0"))))
    assert "metadata" in policy.refusal(address, 80)


def settings(**overrides):
    values = {
        "source_allow_private": "127.0.0.0/8, 10.0.0.0/8,::1/128",
        "database_url": "postgresql://user:secret@127.0.0.1:5433/db",
        "redis_url": "redis://cache.internal:6380/0",
        "s3_endpoint_url": "http://10.1.1.1",
        "port": 9001,
    }
    return Settings(**{**values, **overrides})


def lookup(host, _port):
    return {"cache.internal": ["10.2.2.2"]}.get(host) or [str(ipaddress.ip_address(host))]


@pytest.mark.parametrize(
    ("address", "port", "allowed"),
    [
        ("127.0.0.1", 8080, True),
        ("127.0.0.1", 5433, False),
        ("127.0.0.2", 5433, False),
        ("::1", 5433, False),
        ("::ffff:127.0.0.1", 5433, False),
        ("127.0.0.1", 9001, False),
        ("10.2.2.2", 6380, False),
        ("10.2.2.3", 6380, True),
        ("10.1.1.1", 80, False),
        ("10.1.1.1", 81, True),
        ("10.1.1.2", 80, True),
        ("192.168.0.1", 80, False),
        ("8.8.8.8", 80, True),
        ("8.8.8.8", 8080, False),
    ],
)
def test_inside_the_admitted_networks_any_port_but_our_engines(address, port, allowed):
    policy = AddressPolicy.from_settings(settings(), resolve=lookup)
    assert (policy.refusal(address, port) is None) == allowed


def test_our_engines_are_ours_under_every_address_of_this_machine():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; names the address packets would leave from
        own = probe.getsockname()[0]
    policy = AddressPolicy.from_settings(settings(source_allow_private="0.0.0.0/0"), resolve=lookup)
    assert policy.refusal(own, 5433)
    assert policy.refusal(own, 9001)
    assert policy.refusal("10.9.9.9", 9001) is None


def test_an_engine_that_cannot_be_found_is_assumed_everywhere_private():
    def nowhere(host, _port):
        raise OSError(host)

    policy = AddressPolicy.from_settings(settings(), resolve=nowhere)
    assert policy.refusal("10.77.0.1", 6380)
    assert policy.refusal("10.77.0.1", 6381) is None


def test_every_server_of_a_database_url_and_its_usual_port_are_ours():
    several = settings(database_url="postgresql://u:p%40@10.3.3.1,10.3.3.2:5500/db?x=1", redis_url="redis://10.3.3.3")
    policy = AddressPolicy.from_settings(several, resolve=lookup)
    ours = [("10.3.3.1", 5432), ("10.3.3.2", 5500), ("10.3.3.3", 6379)]
    assert all(policy.refusal(address, port) for address, port in ours)
    assert policy.refusal("10.3.3.1", 5500) is None


def test_no_name_is_looked_up_when_nothing_private_is_admitted():
    def never(host, _port):
        raise AssertionError(host)

    policy = AddressPolicy.from_settings(settings(source_allow_private=""), resolve=never)
    assert policy.refusal("127.0.0.1", 80)


@pytest.mark.parametrize("text", ["127.0.0.1/8", "localhost", "10.0.0.0/33"])
def test_a_wrong_network_names_its_variable(text):
    with pytest.raises(ValueError, match="SOURCE_ALLOW_PRIVATE"):
        AddressPolicy.from_settings(settings(source_allow_private=text), resolve=resolve_host)


def test_a_wrong_port_names_its_variable():
    with pytest.raises(ValueError, match="SOURCE_PORTS"):
        AddressPolicy.from_settings(settings(source_ports="80,http"), resolve=resolve_host)
