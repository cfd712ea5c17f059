"""Beside the services of OpenStack itself: `script/bench --peer keystone`.

Keystone is started as DevStack has it (uWSGI with two processes, MariaDB, memcached), Pileus once on SQLite and once on
PostgreSQL, all fresh, on this machine. The same requests go to each in turn, a few seconds at a time, so that a machine whose
load drifts treats them alike. What each costs is CPU of all its processes: a database's, a cache's, too.

    requirements.lock  Keystone from PyPI, pinned; it lives in a virtual environment of its own
    keystone.py        installs it, configures it, starts it
    ours.py            starts Pileus, as its users do
    sides.py           what all of them have in common
    client.py          a client that costs little, for it shares the cores
    compare.py         asks all of them in turn; figures and table
    pages.py           a page of users out of many beside one out of few
"""
