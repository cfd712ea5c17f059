"""Guests by QEMU, through a libvirtd of our own.

    engine.py      the verbs
    daemon.py      libvirtd with a state of its own, beside the machine's
    connection.py  calls in threads, with a deadline; who stops or starts by itself
    guest.py       the folder of one guest
    disks.py       local disks: overlays on shared images
    images.py      images that were fetched: checked once, shared by all guests
    xml.py         a Domain as libvirt wants it
    plugging.py    disks and NICs that come and go while a guest runs
    drive.py       the config drive
    facts.py       numbers of guests and of the host
    kvm.py         does KVM boot a guest here?

    <home>/libvirt/                    libvirtd's
    <home>/images/                     shared
    <home>/guests/<id>/                see guest.py

QEMU runs as the user that the distribution made for it; it may pass through these folders, and owns what its guest uses.
"""
