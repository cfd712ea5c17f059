"""Beside the services of OpenStack itself: `script/bench --peer keystone`, `--peer all`.

They are started as DevStack has them (uWSGI with two processes each, MariaDB, memcached, RabbitMQ) on drivers that do
nothing, Pileus once on SQLite and once on PostgreSQL, all fresh, on this machine. The same requests go to each in turn, so
that a machine whose load drifts treats them alike. What each costs is CPU of all its processes: a database's, a cache's, too.

    requirements.lock  OpenStack from PyPI, pinned; it lives in a virtual environment of its own
    infra.py           installs it; starts what it stands on
    openstack.py       a cloud with Keystone, and how its services start
    services.py        Placement, Glance, Neutron, Nova, Cinder: how they are configured
    drivers/           what Neutron needs to bind ports without a network
    clones.py          rows copied in its database, for long lists
    ours.py            starts Pileus, as its users do
    sides.py           what all of them have in common
    operations/        what is asked of both, by service, and how its cost is found
    beside.py          asks both in turn; shares and table
    client.py          a client that costs little, for it shares the cores
    compare.py         the same for Keystone, request by request
    pages.py           a page of users out of many beside one out of few
"""
