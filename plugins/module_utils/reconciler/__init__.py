# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Policy routing, kept right: the one engine of gandi.hosting.

This package is both imported by the Ansible modules, in process, and installed byte for byte on the host, where a small
service runs it whenever the kernel says that something changed. It therefore needs Python 3.9 and the standard library only,
and imports nothing of Ansible.

The theory, in the order in which the files use it:

``netlink``   the rtnetlink wire format: requests, dumps, and nothing else (rtnetlink(7), netlink(7)).
``kernel``    what the kernel has: links, addresses, gateways, and the rules and routes that carry our mark.
``intents``   what is wanted: one small JSON file an interface in ``/etc/gandi-hosting/policy-routing.d``.
``leases``    gateways that the kernel does not know, from the files of DHCP clients.
``planner``   pure: from these, the rules and routes that must exist, and the difference. Everything that decides is here.
``connmark``  the nftables table that marks what comes in and is forwarded.
``nowhere``   the link that nobody is on, for ``strict`` and IPv6.
``apply``     sends the difference to the kernel.
``cli``       the command for people, with ``status`` and ``explain``.
``service``   listens to the kernel and runs all of the above again (level-triggered: it never trusts an event's content).

What is ours in the kernel is known by its routing protocol number (`PROTOCOL`), never by guessing; nothing else is ever
changed. For each managed interface with a table T, and for each global address A on it, three rules:

    26520: from A lookup T suppress_prefixlength 0       own link; the other managed subnets through our own gateway
    26530: from A lookup main suppress_prefixlength 0    what main knows more precisely than a default (docker0, a VPN)
    26540: from A lookup T                               all else, through our own gateway

At the second, IPv6's path MTU exceptions of main's default are not suppressed (fib6_rule_suppress in net/ipv6/fib6_rules.c looks at the
exception, which is for one host): for such a host it leads by main's default. No rule of ours can tell them apart.

Rules of different addresses exclude each other, so all of one tier share a priority. What has one of our addresses is decided
with these, whatever else is true of it: an address in another interface's segment is lost to anti-spoofing, so nothing below may
override them. That is what keeps replies symmetric. Then comes what is not bound to an address, the narrower wish first:

    26550: fwmark M lookup T suppress_prefixlength 0     connmark: replies of forwarded connections that came in by IF, with the
    26555: fwmark M lookup main suppress_prefixlength 0  same three steps as those of an address
    26560: fwmark M lookup T
    26570: oif IF lookup main suppress_prefixlength 0    sockets bound to the device: without these, a far destination would be
    26580: oif IF lookup T                               looked for on the link itself
    26600: SELECTOR lookup main suppress_prefixlength 0  what the user says shall leave through IF; four priorities an interface,
    26601: SELECTOR lookup T                             by its table's number, so that the order of two interfaces is the same
                                                         on every run; those of one interface lead to the same place anyway
    26602: SELECTOR iif lo lookup 26518                  strict, IPv6: see below
    26603: SELECTOR unreachable                          strict
    30600: from all lookup main suppress_prefixlength 0  everything else, for the one interface that is the default
    30601: from all lookup T

A packet that a selector sends to T has no source yet: it gets one of IF, and from then on belongs to the first three.

``strict`` puts an ``unreachable`` after the last lookup of each group (not a route in T: an unreachable route answers tier 1 before
tier 2 is asked). It holds without a gateway and while the link is down, for the selectors also while the interface is detached:
they name traffic that must not leave elsewhere. Its addresses are not there then, and have no rules. In T, the other managed subnets
are unreachable for as long as there is no gateway to them: main would lead there by another way.
An IPv6 socket without an address would be given any and get out by that, so it is led to where nobody is, before the unreachable
(``nowhere``).

All priorities lie below those of ``main`` (32766) and of wg-quick (32764, 32765).
"""

PROTOCOL = 171                 # rtm_protocol and FRA_PROTOCOL of all that is ours; unused in iproute2's rt_protos
NOWHERE_TABLE = 26518          # of the link that nobody is on
GATEWAYS_TABLE = 26519         # no rule looks here: DHCP clients leave a lease's gateway in it, where the kernel reports it
TABLES = range(26520, 26900)   # an interface's own table, unless the user fixes one
HOTPLUG_TABLES = range(26900, 27000)    # of interfaces that nobody has named, by a hash of the MAC address: nothing is stored for these
MAIN_TABLE = 254

PRIORITY_OWN_LINK = 26520
PRIORITY_MAIN = 26530
PRIORITY_DEFAULT = 26540
PRIORITY_UNREACHABLE = 26545
PRIORITY_MARK = 26550, 26555, 26560, 26565      # own link, main, T, unreachable
PRIORITY_DEVICE = 26570, 26580
PRIORITY_SELECTORS = 26600     # main, T, nowhere, unreachable for each interface
PRIORITY_ALL = 30600           # the same four for the default interface
PRIORITIES = range(PRIORITY_OWN_LINK, PRIORITY_ALL + 4)

# What the controller refuses by the same numbers, without loading all of the engine for it.
# As ip(8) prints them; it has them of /etc/protocols.
PROTOCOL_NAMES = {1: "icmp", 6: "tcp", 17: "udp", 33: "dccp", 47: "gre", 50: "esp", 51: "ah", 58: "ipv6-icmp", 132: "sctp", 136: "udplite"}
LAST_PORT = 65534              # the kernel refuses 65535 in a rule (include/net/fib_rules.h, fib_rule_port_range_valid)
IPV4_TOS = 0x1C                # the bits that IPv4 compares (IPTOS_RT_MASK, net/ipv4/fib_rules.c): a rule with others never matches
CONNMARK_MASK = 0xFF000000     # the bits of a mark that are connmark's

INTENTS_DIR = "/etc/gandi-hosting/policy-routing.d"
LOCK_FILE = "/run/gandi-hosting/policy-routing.lock"
