# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hypothesis strategies of gandi_interfaces: good lists for the unit tests and the scenario `backends`, and all sorts of bad ones."""

from __future__ import annotations

from hypothesis import strategies as st

HOSTILE = st.sampled_from(
    ["eth0 eth1", "eth0\nDNS=192.0.2.66", "'", '"', "$(reboot)", "`id`", "../../etc/passwd", "ethé", "a;b", "x|y", "\\", "#", "%i", "*", "\x00"]
)
NAME = st.sampled_from(["eth0", "eth1", "eth2", "ens3", "eth0.100"])
ADDRESS4 = st.builds("198.51.{}.{}/{}".format, st.integers(100, 103), st.integers(0, 255), st.sampled_from([24, 25, 31, 32]))
ADDRESS6 = st.builds("2001:db8:{:x}::{:x}/{}".format, st.integers(0, 3), st.integers(0, 99), st.sampled_from([64, 127, 128]))
ROUTER = st.builds("198.51.{}.1".format, st.integers(100, 103)) | st.sampled_from(["fe80::1", "2001:db8:1::1"])
FLAG = st.booleans() | st.sampled_from(["yes", "no"])
TABLE = st.sampled_from([100, 254, 255, 26519, 26520, 70000])
JUNK = HOSTILE | st.none() | st.integers() | st.text(max_size=8) | st.lists(HOSTILE, max_size=2)

RANGE = st.sampled_from([1, 25, "25", "25-26", "26-25", 65535, "x"])
SELECTORS = {
    "from": ADDRESS4 | ADDRESS6,
    "to": st.sampled_from(["203.0.113.0/24", "2001:db8:f::/48", "192.0.2.1", "::/0", "default"]),
    "tos": st.sampled_from([16, "0x10", "0xb8", 3]),
    "fwmark": st.sampled_from(["0x2", 2, "0x200/0xff00", "0x2/0x1", 0]),
    "iif": NAME | st.just("lo"),
    "oif": NAME,
    "uid": RANGE | st.sampled_from(["backup", "www-data", 0]),
    "ipproto": st.sampled_from(["tcp", "icmp", "ICMPv6", 132, 256]),
    "sport": RANGE,
    "dport": RANGE,
}
SELECTOR_ENTRY = st.fixed_dictionaries({}, optional=SELECTORS)

GOOD = {
    "name": NAME,
    "mac": st.builds("02:00:00:00:00:{:02x}".format, st.integers(0, 255)),
    "primary": FLAG,
    "state": st.sampled_from(["present", "absent"]),
    "dhcp4": FLAG,
    "dhcp6": FLAG,
    "accept_ra": FLAG,
    "addresses": st.lists(ADDRESS4 | ADDRESS6, max_size=3),
    "gateway4": ROUTER,
    "gateway6": ROUTER,
    "nameservers": st.fixed_dictionaries({}, optional={"addresses": st.lists(ROUTER, max_size=2), "search": st.just(["example.net"])}),
    "mtu": st.sampled_from([68, 1280, 1500, 9000]),
    "routes": st.lists(
        st.fixed_dictionaries(
            {"to": st.sampled_from(["default", "203.0.113.0/24", "2001:db8:f::/48"]), "via": ROUTER},
            optional={"metric": st.integers(0, 9), "table": TABLE, "on_link": FLAG},
        ),
        max_size=2,
    ),
    "optional": FLAG,
    "agent": FLAG,
    "policy_routing": FLAG
    | st.fixed_dictionaries(
        {}, optional={"table": TABLE, "selectors": st.lists(SELECTOR_ENTRY, max_size=2), "default": FLAG, "strict": FLAG, "connmark": FLAG}
    ),
}
ENTRY = st.fixed_dictionaries({"name": NAME}, optional={key: value for key, value in GOOD.items() if key != "name"})
SPOILT = st.fixed_dictionaries({}, optional={key: value | JUNK for key, value in GOOD.items()} | {"nmae": JUNK})
# Mostly plain interfaces: with everything drawn at random, hardly any list would be a good one.
SIMPLE = st.fixed_dictionaries({"name": NAME}, optional={word: GOOD[word] for word in ("addresses", "optional", "dhcp6")})

# ---- lists that validate: each interface has its own blocks of addresses, and routers that it reaches ------------------------

NAMES = ("eth0", "eth1", "ens3", "eth0.100", "on", "a-name_of.15-x1")
# Prefix lengths, and who is the router of a host in each.
LENGTHS4 = {8: lambda host: 1, 24: lambda host: 1, 30: lambda host: host + 1, 31: lambda host: host ^ 1, 32: None}
LENGTHS6 = {48: lambda host: 1, 64: lambda host: 1, 126: lambda host: host + 1, 127: lambda host: host ^ 1, 128: None}
METRICS = (0, 1, 5, 1024, 2**31 - 1)
TABLES = (100, 254, 70000, 2**31 - 1)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "mac": st.just(True),
        "nameservers": st.fixed_dictionaries(
            {},
            optional={
                "addresses": st.lists(st.sampled_from(["192.0.2.53", "2001:db8:53::53", "fe80::53"]), max_size=2, unique=True),
                "search": st.lists(st.sampled_from(["example.net", "a_b.example", "x"]), max_size=2, unique=True),
            },
        ),
        "mtu": st.sampled_from([68, 604, 1279, 1280, 1400, 9000, 65535]),
        "optional": st.booleans(),
        "policy_routing": st.booleans() | st.just({"table": 300}),
    },
)


@st.composite
def addresses(draw, template, lengths):
    """Up to three of a block, each with a length of its own; and what is a router for the first of them."""
    hosts = draw(st.lists(st.sampled_from([5, 9, 13]), max_size=3, unique=True))
    found = [template.format(host) + f"/{draw(st.sampled_from(list(lengths)))}" for host in hosts]
    router = found and lengths[int(found[0].split("/")[1])]
    return found, template.format(router(hosts[0])) if router else ""


@st.composite
def routes(draw, number, routers):
    found = {}
    for _ in range(draw(st.integers(0, 3))):
        family = draw(st.sampled_from([4, 6]))
        to = draw(st.sampled_from({4: ["default", "203.0.113.0/24", "192.0.2.7"], 6: ["default", "2001:db8:f::/48", "2001:db8:f::7"]}[family]))
        on_link, link_local = {4: (f"192.0.2.{number + 100}", ""), 6: (f"2001:db8:e::{number}", f"fe80::{number}")}[family]
        via = draw(st.sampled_from([router for router in (*routers[family], on_link, link_local) if router]))
        route = {"to": to, "via": via}
        if via == on_link or draw(st.booleans()):
            route["on_link"] = True
        # of one table, destination and metric there can be one route only
        table = draw(st.none() | st.sampled_from(TABLES) if to != "default" else st.just(400 + number))
        metric = draw(st.none() | st.sampled_from(METRICS))
        route |= {key: value for key, value in (("table", table), ("metric", metric)) if value is not None}
        found[family, to, table or 254, metric or (1024 if family == 6 else 0)] = route
    return found


@st.composite
def lists(draw, static_only=False):
    """One to three interfaces, the first one perhaps primary; static_only: nothing that needs a server."""
    found, taken = [], set()
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    for number, name in enumerate(names):
        entry = {"name": name, **draw(FIELDS)}
        if entry.pop("mac", False):
            entry["mac"] = f"02:00:00:00:ee:{number:02x}"
        if entry.get("policy_routing") and number:
            entry["policy_routing"] = True  # a table of its own for one of them only
        if number == 0 and draw(st.booleans()):
            entry["primary"] = True
        four, router4 = draw(addresses(f"198.{51 + number}.100.{{}}", LENGTHS4))
        six, router6 = draw(addresses(f"2001:db8:{number + 1}::{{:x}}", LENGTHS6))
        entry["addresses"] = four + six
        entry["dhcp4"] = not static_only and draw(st.booleans())
        entry["dhcp6"] = not static_only and draw(st.booleans())
        entry["accept_ra"] = not static_only and draw(st.booleans())
        smallest = 1280 if six or entry["dhcp6"] or entry["accept_ra"] else 604 if entry["dhcp4"] else 68
        if entry.get("mtu", 1500) < smallest:
            del entry["mtu"]
        if entry.get("primary") or entry.get("policy_routing"):
            if four and not entry["dhcp4"] and draw(st.booleans()):
                hosts = all(address.endswith("/32") for address in four)
                entry |= {"gateway4": f"192.0.2.{number + 1}" if hosts else router4} if hosts or router4 else {}
            if not entry["accept_ra"] and draw(st.booleans()) and (six or entry.get("mtu", 1500) >= 1280):
                on_link = f"2001:db8:e::{number}:1" if six and all(address.endswith("/128") for address in six) else ""
                entry["gateway6"] = draw(st.sampled_from([router for router in (on_link or router6, "fe80::1") if router]))
        # the second ones are inside prefixes that only a server would bring
        routers = {4: (router4, entry["dhcp4"] and "198.18.9.1"), 6: (router6, (entry["dhcp6"] or entry["accept_ra"]) and "2001:db8:9::1")}
        own = draw(routes(number, routers))
        wanted = [route for key, route in own.items() if key not in taken and (key[0] == 4 or entry.get("mtu", 1500) >= 1280)]
        taken |= set(own)
        if wanted:
            entry["routes"] = wanted
        found.append(entry)
    return found
