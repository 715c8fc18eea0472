"""URLs, names and redirects that mean to lead to where nobody may go; generated, a few hundred of them."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

BLOCKED_V4 = (
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.254", "100.64.0.1", "100.100.100.200", "100.127.255.254",
    "127.0.0.1", "127.0.0.53", "127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2",
    "172.16.0.1", "172.31.255.254", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1",
    "192.168.255.254", "198.18.0.1", "198.19.255.254", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250",
    "240.0.0.1", "255.255.255.255",
)  # fmt: skip
BLOCKED_V6 = (
    "::", "::1", "::2", "fe80::1", "febf::1", "fec0::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fdff::1",
    "ff02::1", "ff0e::1", "2001::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "3fff::1", "100::1",
    "5f00::1", "4000::1", "64:ff9b:1::1", "2620:4f:8000::1",
)  # fmt: skip
WRAPPED = ("127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.0.1", "100.64.0.1", "172.16.0.1")


def wrapped(v4: str) -> Iterator[str]:
    """``v4`` inside IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP."""
    number = int(IPv4Address(v4))
    for high in (0xFFFF << 32, 0, 0xFFFF << 48, int(IPv6Address("64:ff9b::")), int(IPv6Address("2a00:1450::5efe:0:0"))):
        yield str(IPv6Address(high | number))
    yield str(IPv6Address((0x2002 << 112) | (number << 80) | 1))
    yield str(IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF)))


def addresses() -> list[str]:
    """Every address that no connection may be made to."""
    found = [*BLOCKED_V4, *BLOCKED_V6, *(address for v4 in WRAPPED for address in wrapped(v4))]
    return list(dict.fromkeys(found))


def odd_forms(v4: str) -> Iterator[str]:
    """An IPv4 address as the C library would still read it."""
    number = int(IPv4Address(v4))
    a, b, c, d = v4.split(".")
    yield str(number)
    yield hex(number)
    yield f"0{number:o}"
    yield ".".join(hex(int(part)) for part in (a, b, c, d))
    yield ".".join(f"0{int(part):o}" for part in (a, b, c, d))
    yield f"{a}.{(int(b) << 16) + (int(c) << 8) + int(d)}"
    yield f"{a}.{b}.{(int(c) << 8) + int(d)}"
    yield f"0x{int(a):x}.{int(b)}.{int(c)}.0{int(d):o}"
    yield f"{v4}."
    yield f"{int(a):03}.{int(b):03}.{int(c):03}.{int(d):03}"
    yield v4.replace(".", "。")
    yield v4.replace(".", "．")
    yield v4.translate({ord("0") + n: 0xFF10 + n for n in range(10)})
    yield "".join("①②③④⑤⑥⑦⑧⑨"[int(c) - 1] if c in "123456789" else c for c in v4)
    yield v4.replace(".", "%2e")
    yield f"{v4}%00.public.example"


def confusing(v4: str) -> Iterator[str]:
    """URLs in which two readers may see two hosts."""
    yield f"http://public.example@{v4}/"
    yield f"http://public.example:80@{v4}/"
    yield f"http://{v4}@public.example/"
    yield f"http://user:password@{v4}/"
    yield f"http://public.example\\@{v4}/"
    yield f"http://{v4}\\.public.example/"
    yield f"http://public.example%40{v4}/"
    yield f"http://public.example#@{v4}:80:80/"
    yield f"http:///{v4}/"
    yield f"http:/{v4}/"
    yield f"http:{v4}"
    yield f"http://\t{v4}/"
    yield f" http://{v4}/"
    yield f"http://{v4}\n.public.example/"
    yield f"ht\ntp://{v4}/"
    yield f"http://[::ffff:{v4}%25eth0]/"
    yield f"http://[{v4}]/"
    yield f"http://{v4}:80:80/"
    yield f"http://{v4}:0/"
    yield f"http://{v4}:99999/"
    yield f"gopher://{v4}/"
    yield f"file://{v4}/etc/passwd"
    yield f"ftp://{v4}/"
    yield f"//{v4}/"


OTHERS = (
    "http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://[::1", "http://::1/", "http://[v1.fe80]/",
    "http://localhost./", "http://LOCALHOST../", "http://lоcalhost/", "http://loc\u00adalhost/", "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "http://localhost\u3002/", "http://local\u200dhost/", "http:// localhost/", "http://-localhost/", "http://a..b/",
    "http://.localhost/", "http://", "http://?", "http://#", "http://:80/", "javascript:alert(1)", "", "http://0x/",
    "http://1.2.3.4.5/", "http://256.1.1.1/", "http://0x7f000001.0x0/", "http://public.example:65536/",
    "http://public.example:/\r\nHost: localhost/", "unix:///var/run/docker.sock", "http+unix://%2Fvar%2Frun/",
)  # fmt: skip


def is_v6(address: str) -> bool:
    return ip_address(address).version == 6


def url_of(address: str) -> str:
    return f"http://[{address}]/" if is_v6(address) else f"http://{address}/"
