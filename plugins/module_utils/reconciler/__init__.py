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
``planner``   pure: from both, the rules and routes that must exist, and the difference. Everything that decides is here.
``apply``     sends the difference to the kernel.
``service``   listens to the kernel and runs all of the above again (level-triggered: it never trusts an event's content).

What is ours in the kernel is known by its routing protocol number (`PROTOCOL`), never by guessing; nothing else is ever
changed. For each managed interface with a table T, and for each global address A on it, three rules:

    26520: from A lookup T suppress_prefixlength 0       own link; the other managed subnets through our own gateway
    26530: from A lookup main suppress_prefixlength 0    what main knows more precisely than a default (docker0, a VPN)
    26540: from A lookup T                               all else, through our own gateway

Rules of different addresses exclude each other, so all of one tier share a priority. The priorities lie below those of
``main`` (32766) and of wg-quick (32764, 32765).
"""

PROTOCOL = 171                 # rtm_protocol and FRA_PROTOCOL of all that is ours; unused in iproute2's rt_protos
GATEWAYS_TABLE = 26519         # no rule looks here: DHCP clients leave a lease's gateway in it, where the kernel reports it
TABLES = range(26520, 27000)   # an interface's own table, unless the user fixes one
PRIORITY_OWN_LINK = 26520
PRIORITY_MAIN = 26530
PRIORITY_DEFAULT = 26540
MAIN_TABLE = 254

INTENTS_DIR = "/etc/gandi-hosting/policy-routing.d"
LOCK_FILE = "/run/gandi-hosting/policy-routing.lock"
