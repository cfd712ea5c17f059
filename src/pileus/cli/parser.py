"""What can be said on the command line. Imports nothing that is slow: `pileus --help` shall not wait for a database driver."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pileus

KERNEL_WORDS = "console=tty0 console=ttyS0,115200 quiet panic=5 no_timer_check mitigations=off"
PLACES = "A value of the command line wins over one of the file, and that over the default: see `pileus config show`."


def parser() -> argparse.ArgumentParser:
    """The whole command. `run` in the result is "module:function" of pileus.cli, called with the result."""
    top = argparse.ArgumentParser(prog="pileus", description="A cloud that speaks the OpenStack APIs.", epilog=PLACES)
    top.add_argument("--version", action="version", version=f"pileus {pileus.__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _up(commands)
    _down(commands)
    _serve(commands)
    _database(commands)
    _config(commands)
    _operations(commands)
    _hosts(commands)
    _keys(commands)
    _policy(commands)
    _explain(commands)
    _doctor(commands)
    _units(commands)
    _verify(commands)
    _checkpoints(commands)
    _faults(commands)
    _image(commands)
    return top


def _add(commands: Any, name: str, run: str, words: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(name, help=words, description=words)
    made.set_defaults(run=run)
    return made


def _group(commands: Any, name: str, words: str) -> Any:
    made = commands.add_parser(name, help=words, description=words)
    return made.add_subparsers(title="commands", metavar="COMMAND", required=True)


def _places(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, metavar="FILE", help="options, as TOML")
    command.add_argument("--state", metavar="DIR", help="where keys, database and logs are")


def _listening(command: argparse.ArgumentParser) -> None:
    command.add_argument("--listen", metavar="HOST:PORT", help="address of the API; port 0 takes a free one")
    command.add_argument(
        "--classic-ports",
        action="store_true",
        default=None,
        help="listen also on the ports OpenStack users know (5000, 8774, ...)",
    )
    command.add_argument("--tls", action="store_true", default=None, help="HTTPS, with a certificate of an own CA")


def _up(commands: Any) -> None:
    up = _add(commands, "up", "up:run", "Run a cloud on this machine, made at the first start.")
    _places(up)
    _listening(up)
    up.add_argument(
        "--ephemeral", action="store_true", help="gone at the end; in a temporary state, unless --state names one"
    )
    up.add_argument("--simulate", action="store_true", help="simulated hosts; needs no rights")
    up.add_argument("--simulate-hosts", type=_count, metavar="N", help="how many simulated hosts (1)")
    up.add_argument(
        "--agent",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="this machine is a host, with an agent of its own; so it is when root does not simulate",
    )
    up.add_argument(
        "--seed", type=int, metavar="N", help="of a simulated cloud: the same requests get the same ids and times"
    )


def _down(commands: Any) -> None:
    down = _add(commands, "down", "down:run", "End whatever runs for a cloud on this machine, guests too.")
    down.add_argument("--state", metavar="DIR", help="of the cloud; else where `pileus up` keeps it")
    down.add_argument("--purge", action="store_true", help="and remove all that it has kept: nothing is left")


def _serve(commands: Any) -> None:
    roles = _group(commands, "serve", "Run one role of a cloud on many machines.")
    api = _add(roles, "api", "serve:api", "Answer requests, in N processes that share one socket.")
    _places(api)
    _listening(api)
    api.add_argument("--processes", type=_count, default=1, metavar="N", help="how many (1)")
    worker = _add(roles, "worker", "serve:worker", "Run operations.")
    _places(worker)
    agent = _add(roles, "agent", "serve:agent", "Serve the engines of this host.")
    agent.add_argument(
        "--state", type=Path, required=True, metavar="DIR", help="identity, fences and jobs of this host"
    )
    agent.add_argument(
        "--control", required=True, metavar="URL", help="https://HOST:PORT or unix:PATH of the control plane"
    )
    agent.add_argument("--listen", default="0.0.0.0:8790", metavar="HOST:PORT", help="or unix:PATH (0.0.0.0:8790)")
    agent.add_argument(
        "--advertise", default="", metavar="HOST", help="how the control plane reaches it; else found out"
    )
    agent.add_argument("--join", metavar="TOKEN", help="once: the token that makes this machine a host")
    agent.add_argument("--simulate", action="store_true", help="simulated engines")
    agent.add_argument(
        "--commander", type=int, metavar="UID", help="who may command it, behind a Unix socket; else who started it"
    )
    _wiring(agent)
    agent.add_argument("--log", default="", metavar="FILE", help="else standard error")


def _wiring(agent: argparse.ArgumentParser) -> None:
    agent.add_argument("--netns", default="", metavar="NAME", help="network namespace of its own for switch and guests")
    agent.add_argument(
        "--external",
        action="append",
        default=[],
        metavar="ADDRESS/LENGTH",
        help="this host's address in the physical network; repeatable; none: it does not reach that network",
    )
    agent.add_argument("--physical-network", default="public", metavar="NAME", help="what that is called (public)")
    agent.add_argument("--masquerade", action="store_true", help="what leaves the machine carries its address")
    agent.add_argument(
        "--tunnel", default="", metavar="DEVICE=ADDRESS/LENGTH", help="a device for nothing but tunnels to other hosts"
    )
    agent.add_argument("--overlay", default="", metavar="ADDRESS:PORT", help="where hosts reach the cloud's overlay")
    agent.add_argument("--central", action="store_true", help="this host holds it: one of a cloud, network.controller")


def _database(commands: Any) -> None:
    db = _group(commands, "db", "The schema of the database.")
    for name, words in (
        ("upgrade", "Make the schema, or bring it up to this release; make the administrator."),
        ("check", "Compare the schema with this release."),
    ):
        _places(_add(db, name, f"database:{name}", words))
    revision = _add(
        db, "revision", "database:revision", "For developers: write a revision with what the tables have changed."
    )
    revision.add_argument("words", help="what changes, in a few words")


def _config(commands: Any) -> None:
    config = _group(commands, "config", "The options.")
    show = _add(config, "show", "settings:show", "Every option, its value and where that comes from.")
    _places(show)
    _form(show)


def _operations(commands: Any) -> None:
    op = _group(commands, "op", "Long operations: what runs, what waits, what is parked and why.")
    listed = _add(op, "list", "remote:list_operations", "The newest operations.")
    listed.add_argument("--in", dest="in_state", metavar="STATE", help="running, undoing, parked, done or undone")
    listed.add_argument("--subject", metavar="ID", help="of this resource only")
    listed.add_argument("--limit", type=_count, default=50, metavar="N", help="at most so many (50)")
    for name, words in (
        ("show", "One operation, with its steps."),
        ("retry", "Let a parked operation go on; wake one that waits."),
        ("cancel", "Make an operation unwind, if it still can."),
    ):
        _add(op, name, f"remote:{name}_operation", words).add_argument("id", metavar="ID")
    for command in op.choices.values():
        _cloud(command)
        _form(command)


def _hosts(commands: Any) -> None:
    host = _group(commands, "host", "The machines that hold engines.")
    _add(host, "list", "hosts:list_", "Every host, by name.")
    for name, run, words in (
        ("token", "token", "Print a token, good once and for 15 minutes, for `serve agent --join`."),
        ("fence", "fence", "State a host dead: nobody waits for it any more."),
        ("lift-fence", "lift_fence", "Let a host come back; it first removes what it has lost."),
        ("delete", "delete", "Forget a host that was stated dead."),
    ):
        _add(host, name, f"hosts:{run}", words).add_argument("name", metavar="NAME")
    drain = _add(host, "drain", "hosts:drain", "Move the servers off a host, which gets no new ones from then on.")
    drain.add_argument("name", metavar="NAME")
    drain.add_argument("--dry-run", action="store_true", help="only say what would go where, and what is in the way")
    for command in host.choices.values():
        _cloud(command)
        _form(command)


def _keys(commands: Any) -> None:
    keys = _group(commands, "keys", "The keys that tokens are made with.")
    _add(keys, "list", "keys:list_", "Every key, the newest first: staged, primary, and those that wear out.")
    _add(keys, "rotate", "keys:rotate", "Make tokens with the staged key from now on, and stage a new one.")
    for command in keys.choices.values():
        _cloud(command)
        _form(command)


def _policy(commands: Any) -> None:
    policy = _group(commands, "policy", "Who may do what.")
    check = _add(policy, "check", "settings:check_policy", "What is wrong with a policy file.")
    check.add_argument("file", type=Path, metavar="FILE")


def _explain(commands: Any) -> None:
    explain = _group(commands, "explain", "Why something is as it is.")
    policy = _add(
        explain, "policy", "explain:policy", "Why somebody may or may not do something, part by part of its rule."
    )
    policy.add_argument("rule", metavar="RULE", help="as a refusal names it: identity:create_user")
    policy.add_argument("--user", metavar="NAME", help="who would do it; else whoever asks")
    policy.add_argument("--user-domain", default="Default", metavar="NAME", help="of the user (Default)")
    scope = policy.add_mutually_exclusive_group()
    scope.add_argument("--project", metavar="NAME", help="what the user would have logged in for")
    scope.add_argument("--domain", metavar="NAME")
    scope.add_argument("--system", action="store_true")
    policy.add_argument("--project-domain", default="Default", metavar="NAME", help="of the project (Default)")
    policy.add_argument(
        "--target", action="append", metavar="NAME=VALUE", help="an attribute of what it would be done to; repeatable"
    )
    _cloud(policy)
    _form(policy)
    for noun in ("server", "volume"):
        what = f"What was done with a {noun}, step by step, with times and causes."
        subject = _add(explain, noun, "explain:subject", what)
        subject.add_argument("id", metavar=noun.upper(), help=f"the {noun}'s id")
        _cloud(subject)
        _form(subject)
    reach = _add(explain, "reach", "explain:reach", "Whether packets get to a port, and what is in their way.")
    reach.add_argument("port", metavar="PORT", help="the port's id")
    reach.add_argument(
        "--from", dest="source", metavar="WHERE", help="an address, or another port's id; else somewhere outside"
    )
    reach.add_argument("--protocol", metavar="NAME", help="as groups have it: tcp, udp, icmp, a number")
    reach.add_argument("--port", dest="number", type=int, metavar="NUMBER", help="of tcp and udp")
    _cloud(reach)
    _form(reach)


def _doctor(commands: Any) -> None:
    doctor = _add(commands, "doctor", "doctor:run", "What is wrong with this machine and its cloud, and what mends it.")
    _places(doctor)
    _form(doctor)


def _units(commands: Any) -> None:
    units = _group(commands, "units", "Units of systemd.")
    write = _add(units, "write", "units:run", "Write the units of API, workers and agent, for this installation.")
    write.add_argument("directory", type=Path, metavar="DIR", help="/etc/systemd/system, for one")


def _verify(commands: Any) -> None:
    verify = _add(commands, "verify", "remote:verify", "Whether hosts, networks and disks are what the rows say.")
    verify.add_argument("checks", nargs="*", metavar="CHECK", help="these only; else all")
    _cloud(verify)
    _form(verify)


def _checkpoints(commands: Any) -> None:
    checkpoint = _group(commands, "checkpoint", "Kept states of a simulated cloud.")
    save = _add(checkpoint, "save", "remote:save_checkpoint", "Keep the state of the whole cloud under a name.")
    save.add_argument("name", metavar="NAME")
    listed = _add(checkpoint, "list", "remote:list_checkpoints", "Which states are kept.")
    reset = _add(commands, "reset", "remote:reset", "Put a simulated cloud back: as it was first, or at a checkpoint.")
    reset.add_argument("name", nargs="?", metavar="NAME")
    for command in (save, listed, reset):
        _cloud(command)
        _form(command)


def _faults(commands: Any) -> None:
    fault = _group(commands, "fault", "What a simulated cloud makes its clients suffer.")
    add = _add(fault, "add", "remote:add_fault", "Let requests or operations fail, wait or break, or volumes be lost.")
    add.add_argument("words", nargs="+", metavar="NAME=VALUE", help="service=compute status=429 count=2, and the like")
    _add(fault, "list", "remote:list_faults", "Which there are, and how often each was met.")
    clear = _add(fault, "clear", "remote:clear_faults", "End one, or all: what they hold goes on.")
    clear.add_argument("id", nargs="?", metavar="ID")
    for command in fault.choices.values():
        _cloud(command)
        _form(command)


def _image(commands: Any) -> None:
    image = _group(commands, "image", "Images to boot from.")
    tiny = _add(
        image, "build-tiny", "tiny:run", "Make a guest image of a few MB out of Debian's packages, without rights."
    )
    tiny.add_argument("--out", type=Path, required=True, metavar="FILE", help="the image (qcow2)")
    tiny.add_argument(
        "--cache", type=Path, metavar="DIR", help="where packages are kept; with them no network is needed"
    )
    tiny.add_argument("--size", type=_count, default=64, metavar="MIB", help="of the root file system (64)")
    tiny.add_argument(
        "--root-hash", default="*", metavar="HASH", help="of root's password, by crypt(3); else no password"
    )
    tiny.add_argument("--autologin", action="store_true", help="a shell of root's on the consoles")
    tiny.add_argument("--guest-agent", action="store_true", help="with QEMU's guest agent")
    tiny.add_argument("--no-compress", action="store_true", help="larger, and faster to read")
    tiny.add_argument("--kernel-package", default="linux-image-cloud-amd64", metavar="NAME", help="(%(default)s)")
    tiny.add_argument("--cmdline", default=KERNEL_WORDS, metavar="WORDS", help="what the kernel is told")


def _cloud(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--state", metavar="DIR", help="of the cloud to ask; else OS_* and clouds.yaml as the clients read them"
    )


def _form(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="for machines")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number
