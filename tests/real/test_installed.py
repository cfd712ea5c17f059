"""A machine that is set up by the commands of the operator guide as they stand there, at the very places that they name: this
one's file system in a view of its own, in which nothing is written to it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from cli.conftest import environment
from support.pages import block_of
from support.postgres import PostgresServer, free_port
from support.source import ROOT

pytestmark = [pytest.mark.real, pytest.mark.timeout(400), pytest.mark.xdist_group("real")]

SYSTEMCTL = Path(__file__).with_name("systemctl.py")
MACHINE = """
set -eu
mount -t tmpfs tmpfs "$0"
mkdir "$0/up" "$0/work" "$0/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$0/up,workdir=$0/work" "$0/root"
cd "$0/root"
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mkdir -p srv/dist usr/local/sbin
mount --bind "$1" srv/dist
install -m 755 "$2" usr/local/sbin/systemctl
rm -rf opt/pileus var/lib/pileus var/lib/pileus-agent etc/pileus etc/systemd/system/pileus*
exec chroot . bash -c 'userdel pileus 2>/dev/null; cd /srv/dist && . ./all'
"""
CONFIG = """
install -d /etc/pileus
cat >/etc/pileus/pileus.toml <<END
[database]
url = "{url}"
[api]
listen = "127.0.0.1:{api}"
[agents]
listen = "{agents}"
[identity]
bcrypt_rounds = 4
END
"""
AGENT = """
token=$(runuser -u pileus -- /opt/pileus/bin/pileus host token h1 --state /var/lib/pileus)
(umask 077; printf 'CONTROL=%s\\nOPTIONS=--join %s --simulate --listen 127.0.0.1:0\\n' {control} $token >/etc/pileus/agent.env)
"""
LOOK = """
for name in {names}; do
    pid=$(cat "/run/units/$name.pid")
    echo "$name: $(ps -o user= -p $pid) $(sed -n 's/^CapBnd:\\t//p; s/^NoNewPrivs:\\t/ /p' /proc/$pid/status | tr -d '\\n') pid $pid"
done
/opt/pileus/bin/pileus host list --state /var/lib/pileus
"""
CONTROL = ("pileus-api", "pileus-worker@1", "pileus-worker@2")


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """What `script/package` makes."""
    made = tmp_path / "dist"
    subprocess.run([ROOT / "script/package", made], check=True, capture_output=True)
    return made


def test_a_machine_is_set_up_as_the_page_says(dist: Path, postgres_server: PostgresServer) -> None:
    """Its agent has simulated engines."""
    install = block_of("docs/operator-guide.md", "python3 -m venv")
    enable = block_of("docs/operator-guide.md", "systemctl enable")
    restart = block_of("docs/operator-guide.md", "systemctl restart")
    agents = f"127.0.0.1:{free_port()}"
    look = LOOK.format(names=" ".join(CONTROL)), LOOK.format(names=" ".join((*CONTROL, "pileus-agent")))
    with postgres_server.database() as url:
        config, agent = (
            CONFIG.format(url=url, agents=agents, api=free_port()),
            AGENT.format(control=f"https://{agents}"),
        )
        said = typed(dist, install.text, config, enable.text, look[0], agent, restart.text, look[1])
    found = re.findall(r"^(\S+): (\w+) +(\w+) (\d) pid (\d+)$", said, re.MULTILINE)
    assert [name for name, *_ in found] == [*CONTROL, *CONTROL, "pileus-agent"]
    for name, user, bound, kept, _ in found:
        assert (user, int(kept)) == ("root" if name == "pileus-agent" else "pileus", 1)
        assert (int(bound, 16) > 0) is (name == "pileus-agent")
    assert len({pid for *_, pid in found}) == len(found)  # all have been started again


def typed(dist: Path, *texts: str) -> str:
    """What bash says, as root of that machine, that reads these one after the other. The first command that fails ends it."""
    place = dist.with_name("machine")
    place.mkdir()
    (dist / "all").write_text("\n".join(("set -euo pipefail", *texts)))
    own = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", MACHINE, place, dist, SYSTEMCTL)
    outside = environment(PATH="/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", HOME="/root")
    done = subprocess.run(own, env=outside, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done.stdout
