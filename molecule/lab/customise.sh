# Run in the root of a new image, as the last step: what makes a Debian root file system a machine of
# the lab, and what keeps a privileged container from changing the machine it runs on.
set -eu

# No mirror is reachable from inside the lab, and a test must not depend on one.
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*
: >/etc/apt/sources.list
rm -f /etc/ssh/ssh_host_*
: >/etc/machine-id

cat >/usr/local/sbin/lab-init <<'INIT'
#!/bin/sh
# First process of a machine of the lab; becomes systemd.

# podman lends these from its host; a DHCP client replaces them by rename, which a mount refuses.
umount /etc/hostname /etc/hosts /etc/resolv.conf 2>/dev/null

# Without this file PID 1 takes udev for absent and never hears of a hot-plugged device
# (systemd src/core/device.c and src/libsystemd/sd-device/device-monitor.c, udev_available).
mkdir -p /run/udev
: >/run/udev/control

# What is not of a network namespace belongs to the whole machine: systemd-sysctl, systemd's own
# bump_file_max_and_nr_open and udev rules must not reach it.
for path in /proc/sys/abi /proc/sys/debug /proc/sys/dev /proc/sys/fs /proc/sys/kernel /proc/sys/vm \
    /proc/sysrq-trigger /sys/block /sys/devices/system /sys/firmware /sys/kernel /sys/module /sys/power; do
    [ -e "$path" ] || continue
    mount --bind "$path" "$path" && mount -o remount,bind,ro "$path"
done

# A boot has its own boot_id: the journal's boots are told apart by it.
cat /proc/sys/kernel/random/uuid >/run/lab-boot-id
mount --bind /run/lab-boot-id /proc/sys/kernel/random/boot_id

exec /sbin/init
INIT
chmod 0755 /usr/local/sbin/lab-init

# The cold-plug of every device would replay CPU, memory and disk events of the real machine.
mkdir -p /etc/systemd/system/systemd-udev-trigger.service.d /etc/systemd/system/modprobe@.service.d
cat >/etc/systemd/system/systemd-udev-trigger.service.d/lab.conf <<'UNIT'
[Service]
ExecStart=
ExecStart=udevadm trigger --type=devices --action=add --subsystem-match=net
UNIT
cat >/etc/systemd/system/modprobe@.service.d/lab.conf <<'UNIT'
[Service]
ExecStart=
ExecStart=/bin/true
UNIT

# Mounts and modules of the real machine, and timers that would eat its processor during a measure.
for unit in systemd-modules-load.service kmod-static-nodes.service systemd-binfmt.service \
    proc-sys-fs-binfmt_misc.automount sys-kernel-debug.mount sys-kernel-tracing.mount \
    sys-kernel-config.mount sys-fs-fuse-connections.mount dev-hugepages.mount \
    systemd-random-seed.service console-getty.service getty.target fstrim.timer e2scrub_all.timer \
    e2scrub_reap.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer; do
    ln -sf /dev/null "/etc/systemd/system/$unit"
done
