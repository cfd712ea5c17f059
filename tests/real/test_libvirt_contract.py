"""What every hypervisor promises, by QEMU."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from engines.hypervisor_contract import HypervisorContract, Rig, guest, nic
from engines.sending_contract import SendingContract
from pileus.engines.hypervisor import Power
from pileus.engines.verbs import Done, Going
from real.libvirt_world import World, says, world

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real")]


@pytest.fixture(scope="module")
def host(workshop: Path, tiny: Path) -> Iterator[World]:
    with world(workshop / "c", tiny) as made:
        yield made


@pytest.fixture
async def rig(host: World, tmp_path: Path) -> AsyncIterator[Rig]:
    async with host.rig(tmp_path) as rig:
        yield rig


@pytest.fixture(scope="module")
def neighbour(workshop: Path) -> Iterator[World]:
    with world(workshop / "d", None) as made:
        yield made


@pytest.fixture
async def there(neighbour: World, tmp_path: Path) -> AsyncIterator[Rig]:
    async with neighbour.rig(tmp_path / "there") as rig:
        yield rig


class TestLibvirt(HypervisorContract, SendingContract):
    """The engine behind its rim, on a libvirtd of its own."""

    async def test_callers_at_once_about_one_subject_take_turns(self, rig: Rig) -> None:
        """As the suite does it, with what is quick enough for so many to wait for each other."""
        domain = await self.made(rig, guest(), Power.ON)
        said = [rig.hypervisor.ensure_power(domain.id, power, fence=999) for power in (Power.PAUSED, Power.ON) * 4]
        assert await asyncio.gather(*said) == [Done()] * 8

    async def test_nics_come_and_go_while_it_runs(self, rig: Rig, host: World) -> None:
        """A guest must let go of what is taken from it, so this one has an operating system."""
        one, two = (msgspec.structs.replace(nic(), bridge=host.bridge, mac=f"fa:16:3e:00:00:0{n}") for n in (1, 2))
        domain = await self.made(rig, host.guest(id=uuid4()), Power.ON)
        await says(rig.hypervisor, domain.id, "login:")
        for nics in ((one,), (one, two), (two,), ()):
            wish = msgspec.structs.replace(domain, nics=nics)
            assert await rig.does(rig.hypervisor.ensure_defined, wish) == Done()
            facts = await self.facts(rig, domain.id)
            assert facts is not None
            assert (facts.power, facts.nics) == (Power.ON, tuple(each.port_id for each in nics))

    async def test_a_guest_that_is_paused_says_why_it_clings(self, rig: Rig, host: World) -> None:
        """Whoever asks hears it, as soon as it was asked itself; and it lets go when it runs again."""
        one = msgspec.structs.replace(nic(), bridge=host.bridge)
        has = msgspec.structs.replace(host.guest(id=uuid4()), nics=(one,))
        domain = await self.made(rig, has, Power.ON)
        await says(rig.hypervisor, domain.id, "login:")
        assert await rig.does(rig.hypervisor.ensure_power, domain.id, Power.PAUSED) == Done()
        wish = msgspec.structs.replace(domain, nics=())
        while (answer := await rig.hypervisor.ensure_defined(wish, fence=rig.fence())) == Going(0, "begun"):
            await rig.elapse(rig.job_s / 10)
        assert isinstance(answer, Going)
        assert f"let go of {one.port_id}, and has not yet: it is paused" in answer.note
        assert await rig.does(rig.hypervisor.ensure_power, domain.id, Power.ON) == Done()
        assert await rig.does(rig.hypervisor.ensure_defined, wish) == Done()
