"""The lab: Debian machines with several interfaces behind a provider that drops what is spoofed.

Everything runs on one Linux machine: the provider (router, DHCP, router advertisements, anti-spoofing,
apt repository), a remote client and the neighbours are network namespaces, the machines are podman
containers with a real systemd. It needs Debian packages only and the standard library, no venv.

    from lab import Lab
    lab = Lab.load()
    lab.attach("vm1", "eth1")
    lab.trace("client", "vm1")

`layout` has the addresses and names (pure), `state` what exists now, `images`, `provider`, `machine`,
`repository`, `capture`, `watch`, `play` and `engine` one thing each, `lab` joins them, `cli` is `bin/lab`. `sniffer` and `talk` are
programs that run in namespaces.
"""

from .capture import Question
from .lab import Lab
from .process import LabError

__all__ = ["Lab", "LabError", "Question"]
