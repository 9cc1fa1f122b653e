#!/bin/bash
# What udev runs for an interface (a stand-in of the lab, after the real one's behaviour).
. /etc/default/gandi
PATH=/usr/sbin:/usr/bin:/sbin:/bin
name=$INTERFACE

# The gateway's interface is the first with a public address; what else has a default route loses it, at once.
keep_one_default_route() {
    local device=eth0 number
    for number in 0 1 2 3 4 5 6 7 8 9 10; do
        if ip -4 address show dev "eth$number" 2>/dev/null | grep 'inet .*brd' |
            grep -Evq 'inet (10\.|127\.0|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.)'; then
            device=eth$number
            break
        fi
    done
    ip -4 route list exact default | grep -v "dev $device" | while read -r route; do ip -4 route del $route; done
}

[ "$ACTION" = add ] || exit 0
ip link set "$name" up
# a test for a part: eth1 is in "eth10" too
[ "$CONFIG_NODHCP" = "${CONFIG_NODHCP/$name/}" ] || exit 0
logger -t gandi "Setup of $name"
/usr/share/gandi/get_json.py need_dhcp_config "${name#eth}"
case $? in
    0 | 3) systemctl --no-block start "gandi-dhclient@$name.service" ;;
esac
keep_one_default_route
if [ "$name" != eth0 ]; then
    for setting in arp_announce=2 rp_filter=0 arp_filter=0; do
        sysctl -qw "net.ipv4.conf.$name.$setting"
    done
fi
if [ -e "$GANDI_HOOK_DIR/post-iface-attach" ]; then "$GANDI_HOOK_DIR/post-iface-attach"; fi
exit 0
