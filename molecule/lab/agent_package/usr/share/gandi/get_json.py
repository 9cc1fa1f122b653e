#!/usr/bin/python3
"""Whether an interface is to run DHCP: 0 yes, 2 no, 3 not known to the platform; 1 without its file (a stand-in of the lab)."""
import json
import sys

try:
    with open("/gandi/config", encoding="utf-8") as file:
        content = json.load(file)
except FileNotFoundError:
    sys.exit(1)
if sys.argv[1:2] == ["need_dhcp_config"]:
    if not any(vif["vif_number"] == int(sys.argv[2]) for vif in content["vif"]):
        sys.exit(3)
    networks = [part["pbn"]["pbn_network"] for vif in content["vif"] for part in vif["pna"]]
    sys.exit(0 if any(":" not in network for network in networks) else 2)
