#!/bin/sh
mount -o remount,rw /
mkdir -p /dev/pts /dev/shm /run /tmp
mount -t devpts devpts /dev/pts; mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /tmp
while read -r m; do insmod "/lib/modules/guest/$m" 2>/dev/null; done < /lib/modules/guest/order
mkdir -p /run/net /run/cloud
hostname -F /etc/hostname
ifconfig lo 127.0.0.1 up
[ -s /etc/dropbear/host_ed25519 ] || dropbearkey -t ed25519 -f /etc/dropbear/host_ed25519 >/dev/null 2>&1
exit 0
