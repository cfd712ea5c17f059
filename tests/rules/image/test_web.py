"""Which URLs and addresses a web-download may ask."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from agent.namespaces import inside, ip, network
from pileus.kernel.config import Image
from pileus.services.image.web import DownloadFailed, Place, check_url, may_reach, pinned

CLOSED = Image()
OUTSIDE = ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"]
INSIDE = [
    "0.0.0.0",
    "127.0.0.1",
    "127.8.9.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2001:0:0a00:1::1",
]


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_outside_may_be_asked(address: str) -> None:
    assert may_reach(ip_address(address), CLOSED)


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_may_not(address: str) -> None:
    assert not may_reach(ip_address(address), CLOSED)


def test_an_operator_opens_networks() -> None:
    options = Image(download_networks=("10.1.0.0/16", "127.0.0.1/32"))
    assert may_reach(ip_address("10.1.2.3"), options)
    assert may_reach(ip_address("127.0.0.1"), options)
    assert not may_reach(ip_address("10.2.0.1"), options)


def test_the_address_that_was_looked_at_is_asked_whatever_the_name_means_by_then() -> None:
    url, host, port = check_url("http://images.example/disk?a=b", CLOSED)
    request = pinned(Place(url, host, port, ip_address("1.1.1.1")))
    assert (str(request.url), request.headers["host"]) == ("http://1.1.1.1/disk?a=b", "images.example")


def test_what_is_this_machine_s_own_may_not_however_public_it_is() -> None:
    own, others = ("1.2.3.4", "2606:4700::7"), ("1.2.3.5", "2606:4700::8")
    written = (*own, "::ffff:1.2.3.4", "64:ff9b::102:304", "2002:102:304::1")
    with network() as net:
        for each in own:
            ip("-n", net.control, "addr", "add", each, "dev", "lo")
        with inside(net.control):
            assert not [each for each in written if may_reach(ip_address(each), CLOSED)]
            assert all(may_reach(ip_address(each), CLOSED) for each in others)
            with pytest.raises(DownloadFailed, match="filtering"):
                check_url("http://1.2.3.4/", CLOSED)
            assert may_reach(ip_address(own[0]), Image(download_networks=("1.2.3.4/32",)))
    assert may_reach(ip_address(own[0]), CLOSED)


@pytest.mark.parametrize("url", ["http://one.example/x", "https://one.example:443/x?y=z", "http://1.1.1.1"])
def test_a_url_of_the_web_may_be_asked(url: str) -> None:
    assert check_url(url, CLOSED)[0].geturl() == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "one.example",
        "//one.example/",
        "ftp://one.example/",
        "file:///etc/passwd",
        "http://",
        "http://one.example:22/",
        "http://one.example:x/",
        "http://one.example:99999/",
        "http://user:password@one.example/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[::1%25lo]/",
        "http://[::1/",
        "http://one.example/\r\nX: y",
        "http://one.example/ x",
    ],
)
def test_another_may_not(url: str) -> None:
    with pytest.raises(DownloadFailed, match="filtering"):
        check_url(url, CLOSED)
