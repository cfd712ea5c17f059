"""What every hypervisor promises, and whatever stands between a caller and one. Run by subclasses that give a `rig`."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from pileus.engines.hypervisor import Domain, DomainFacts, Hypervisor, LocalDisk, Nic, Power, VolumeDisk
from pileus.engines.troubles import Trouble, Troubles
from pileus.engines.verbs import Answer, Change, Done, Failed, Going, StaleFence
from pileus.kernel.errors import Conflict, NotFound, Unavailable

JOB_S = 8.0


@dataclass
class Rig:
    """A hypervisor under test: how to trouble it, how to let its time pass, what it told of itself."""

    hypervisor: Hypervisor
    troubles: Troubles
    elapse: Callable[[float], Awaitable[None]]
    changes: list[Change]
    job_s: float = JOB_S
    volume: Callable[[UUID, int], VolumeDisk] = lambda volume_id, size_gib: VolumeDisk(  # so large by now
        id=volume_id, volume_id=volume_id, connection={"driver": "sim"}
    )
    _fences: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def fence(self) -> int:
        return next(self._fences)

    async def settled(self, say: Callable[[], Awaitable[Answer]]) -> Answer:
        """What the verb comes to, however long it takes. No job of the suite takes more than `job_s`."""
        for _ in range(400):
            answer = await say()
            if not isinstance(answer, Going):
                return answer
            await self.elapse(self.job_s / 10)
        raise AssertionError(f"still {answer}")

    async def does(self, verb: Callable[..., Awaitable[Answer]], *arguments: Any) -> Answer:
        """What a new lease comes to that says this."""
        return await self.settled(partial(verb, *arguments, fence=self.fence()))

    async def told(self, change: Change) -> None:
        """Return once the host has told of this change by itself."""
        for _ in range(400):
            if change in self.changes:
                return
            await self.elapse(self.job_s / 10)
        raise AssertionError(f"{change} is not among {self.changes}")


def guest(**more: Any) -> Domain:
    return Domain(**{"id": uuid4(), "vcpus": 1, "memory_mib": 64, **more})


def copied(guest_id: UUID, disk: str = "root", **more: Any) -> Domain:
    """A guest with a disk, which takes a job to make."""
    return guest(id=guest_id, disks=(LocalDisk(**{"name": disk, "size_mib": 2, **more}),))


def nic() -> Nic:
    return Nic(port_id=uuid4(), mac="fa:16:3e:00:00:01", mtu=1442)


class HypervisorContract:
    async def facts(self, rig: Rig, domain_id: UUID) -> DomainFacts | None:
        return (await rig.hypervisor.observe()).get(domain_id)

    async def test_every_ensure_may_be_said_twice(self, rig: Rig) -> None:
        domain, fence = copied(uuid4()), rig.fence()
        for _ in range(2):
            assert await rig.hypervisor.ensure_disks(domain, fence=fence) == Done()
            assert await rig.hypervisor.ensure_defined(domain, fence=fence) == Done()
            assert await rig.hypervisor.ensure_power(domain.id, Power.ON, fence=fence) == Done()
        assert await self.facts(rig, domain.id) == DomainFacts(defined=True, power=Power.ON, disks=("root",))
        for _ in range(2):
            assert await rig.hypervisor.ensure_power(domain.id, Power.OFF, fence=fence) == Done()
        assert await self.facts(rig, domain.id) == DomainFacts(defined=True, power=Power.OFF, disks=("root",))
        for _ in range(2):
            assert await rig.hypervisor.ensure_gone(domain.id, fence=fence) == Done()
        assert await self.facts(rig, domain.id) is None

    async def test_what_never_was_is_gone_and_cancelled(self, rig: Rig) -> None:
        fence = rig.fence()
        assert await rig.hypervisor.ensure_gone(uuid4(), fence=fence) == Done()
        assert await rig.hypervisor.cancel(uuid4(), "ensure_disks", fence=fence) == Done()

    async def test_a_changed_definition_keeps_the_power(self, rig: Rig) -> None:
        domain, fence = guest(), rig.fence()
        await rig.hypervisor.ensure_defined(domain, fence=fence)
        await rig.hypervisor.ensure_power(domain.id, Power.ON, fence=fence)
        larger = Domain(id=domain.id, vcpus=4, memory_mib=512)
        assert await rig.hypervisor.ensure_defined(larger, fence=fence) == Done()
        assert await self.facts(rig, domain.id) == DomainFacts(defined=True, power=Power.ON)

    async def test_a_guest_that_is_not_there_cannot_run(self, rig: Rig) -> None:
        missing = uuid4()
        answer = await rig.hypervisor.ensure_power(missing, Power.ON, fence=rig.fence())
        assert isinstance(answer, Failed)
        assert str(missing) in answer.cause
        assert await self.facts(rig, missing) is None

    async def test_a_newer_fence_shuts_older_ones_out(self, rig: Rig) -> None:
        domain = guest()
        old, new = rig.fence(), rig.fence()
        await rig.hypervisor.ensure_defined(domain, fence=new)
        verbs: list[Callable[[], Awaitable[Answer]]] = [
            lambda: rig.hypervisor.ensure_defined(domain, fence=old),
            lambda: rig.hypervisor.ensure_power(domain.id, Power.ON, fence=old),
            lambda: rig.hypervisor.ensure_disks(copied(domain.id), fence=old),
            lambda: rig.hypervisor.ensure_gone(domain.id, fence=old),
            lambda: rig.hypervisor.cancel(domain.id, "ensure_disks", fence=old),
        ]
        for verb in verbs:
            with pytest.raises(StaleFence, match=str(domain.id)):
                await verb()
        assert await self.facts(rig, domain.id) == DomainFacts(defined=True)
        assert await rig.hypervisor.ensure_power(domain.id, Power.ON, fence=new) == Done()

    async def test_a_fence_is_of_one_subject(self, rig: Rig) -> None:
        old, new = rig.fence(), rig.fence()
        await rig.hypervisor.ensure_defined(guest(), fence=new)
        assert await rig.hypervisor.ensure_defined(guest(), fence=old) == Done()

    async def test_what_takes_long_is_a_job_that_is_joined(self, rig: Rig) -> None:
        rig.troubles.add(Trouble(kind="delay", seconds=rig.job_s), verb="ensure_disks")
        domain_id, fence = uuid4(), rig.fence()

        async def say() -> Answer:
            return await rig.hypervisor.ensure_disks(copied(domain_id), fence=fence)

        first = await say()
        assert isinstance(first, Going)
        assert await self.facts(rig, domain_id) is None
        assert await rig.settled(say) == Done()
        assert await self.facts(rig, domain_id) == DomainFacts(disks=("root",))
        assert await say() == Done()

    async def test_a_job_tells_of_its_end(self, rig: Rig) -> None:
        rig.troubles.add(Trouble(kind="delay", seconds=rig.job_s), verb="ensure_disks")
        domain_id = uuid4()
        assert isinstance(await rig.hypervisor.ensure_disks(copied(domain_id), fence=rig.fence()), Going)
        await rig.told(Change("hypervisor", "ensure_disks", str(domain_id), Done()))
        assert await self.facts(rig, domain_id) == DomainFacts(disks=("root",))

    async def test_a_job_that_fails_says_so_once_to_whoever_began_it(self, rig: Rig) -> None:
        rig.troubles.add(Trouble(kind="delay", seconds=rig.job_s), verb="ensure_disks")
        domain_id, fence = uuid4(), rig.fence()
        assert isinstance(await rig.hypervisor.ensure_disks(copied(domain_id), fence=fence), Going)
        rig.troubles.clear()
        rig.troubles.add(Trouble(kind="fail", once=True, cause="the image is broken"), verb="ensure_disks")
        await rig.told(Change("hypervisor", "ensure_disks", str(domain_id), Failed("the image is broken")))
        assert await rig.hypervisor.ensure_disks(copied(domain_id), fence=fence) == Failed("the image is broken")
        assert await rig.settled(lambda: rig.hypervisor.ensure_disks(copied(domain_id), fence=fence)) == Done()

    async def test_a_cancelled_job_leaves_nothing(self, rig: Rig) -> None:
        rig.troubles.add(Trouble(kind="delay", seconds=rig.job_s), verb="ensure_disks")
        domain_id, other, fence = uuid4(), uuid4(), rig.fence()
        assert isinstance(await rig.hypervisor.ensure_disks(copied(domain_id), fence=fence), Going)
        assert isinstance(await rig.hypervisor.ensure_disks(copied(other), fence=fence), Going)
        assert await rig.hypervisor.cancel(domain_id, "ensure_disks", fence=fence) == Done()
        await rig.told(Change("hypervisor", "ensure_disks", str(other), Done()))
        assert set(await rig.hypervisor.observe()) == {other}

    async def test_cancelling_another_verb_leaves_the_job_alone(self, rig: Rig) -> None:
        rig.troubles.add(Trouble(kind="delay", seconds=rig.job_s), verb="ensure_disks")
        domain_id, fence = uuid4(), rig.fence()
        assert isinstance(await rig.hypervisor.ensure_disks(copied(domain_id), fence=fence), Going)
        assert await rig.hypervisor.cancel(domain_id, "ensure_power", fence=fence) == Done()
        await rig.told(Change("hypervisor", "ensure_disks", str(domain_id), Done()))

    async def test_other_arguments_replace_a_job(self, rig: Rig) -> None:
        rig.troubles.add(Trouble(kind="delay", seconds=rig.job_s), verb="ensure_disks")
        domain_id, fence = uuid4(), rig.fence()
        assert isinstance(await rig.hypervisor.ensure_disks(copied(domain_id), fence=fence), Going)
        other = copied(domain_id, "ephemeral0")
        assert await rig.settled(lambda: rig.hypervisor.ensure_disks(other, fence=fence)) == Done()
        assert await self.facts(rig, domain_id) == DomainFacts(disks=("ephemeral0",))

    async def test_a_guest_that_is_gone_does_not_come_back_by_its_job(self, rig: Rig) -> None:
        rig.troubles.add(Trouble(kind="delay", seconds=rig.job_s), verb="ensure_disks")
        domain_id, other, fence = uuid4(), uuid4(), rig.fence()
        assert isinstance(await rig.hypervisor.ensure_disks(copied(domain_id), fence=fence), Going)
        assert await rig.hypervisor.ensure_gone(domain_id, fence=rig.fence()) == Done()
        assert isinstance(await rig.hypervisor.ensure_disks(copied(other), fence=fence), Going)
        await rig.told(Change("hypervisor", "ensure_disks", str(other), Done()))
        assert set(await rig.hypervisor.observe()) == {other}

    async def test_a_job_goes_to_the_newer_lease_that_joins_it(self, rig: Rig) -> None:
        rig.troubles.add(Trouble(kind="delay", seconds=rig.job_s), verb="ensure_disks")
        domain_id = uuid4()
        old, new = rig.fence(), rig.fence()
        assert isinstance(await rig.hypervisor.ensure_disks(copied(domain_id), fence=old), Going)
        assert isinstance(await rig.hypervisor.ensure_disks(copied(domain_id), fence=new), Going)
        with pytest.raises(StaleFence):
            await rig.hypervisor.cancel(domain_id, "ensure_disks", fence=old)
        await rig.told(Change("hypervisor", "ensure_disks", str(domain_id), Done()))

    async def test_a_deaf_host_is_unavailable_and_has_done_nothing(self, rig: Rig) -> None:
        domain, fence = guest(), rig.fence()
        rig.troubles.add(Trouble(kind="deaf", once=True))
        with pytest.raises(Unavailable):
            await rig.hypervisor.ensure_defined(domain, fence=fence)
        assert await self.facts(rig, domain.id) is None
        assert await rig.hypervisor.ensure_defined(domain, fence=fence) == Done()
        rig.troubles.add(Trouble(kind="deaf", once=True), verb="observe")
        with pytest.raises(Unavailable):
            await rig.hypervisor.observe()

    async def test_an_answer_may_get_lost_after_the_deed(self, rig: Rig) -> None:
        domain, fence = guest(), rig.fence()
        rig.troubles.add(Trouble(kind="mute", once=True), subject=str(domain.id))
        with pytest.raises(Unavailable):
            await rig.hypervisor.ensure_defined(domain, fence=fence)
        assert await self.facts(rig, domain.id) == DomainFacts(defined=True)
        assert await rig.hypervisor.ensure_defined(domain, fence=fence) == Done()

    async def test_a_job_outlives_a_deaf_spell(self, rig: Rig) -> None:
        rig.troubles.add(Trouble(kind="delay", seconds=rig.job_s), verb="ensure_disks")
        domain_id, fence = uuid4(), rig.fence()
        assert isinstance(await rig.hypervisor.ensure_disks(copied(domain_id), fence=fence), Going)
        rig.troubles.clear()
        rig.troubles.add(Trouble(kind="deaf", once=True), verb="ensure_disks")
        await rig.told(Change("hypervisor", "ensure_disks", str(domain_id), Done()))

    async def test_a_full_host_takes_no_more_but_lets_go(self, rig: Rig) -> None:
        domain, fence = guest(), rig.fence()
        await rig.hypervisor.ensure_defined(domain, fence=fence)
        rig.troubles.add(Trouble(kind="full"))
        answer = await rig.hypervisor.ensure_defined(guest(), fence=fence)
        assert isinstance(answer, Failed)
        assert "space" in answer.cause
        assert await rig.hypervisor.ensure_gone(domain.id, fence=fence) == Done()

    async def test_callers_at_once_about_one_subject_take_turns(self, rig: Rig) -> None:
        domain = guest()
        await rig.hypervisor.ensure_defined(domain, fence=rig.fence())
        said = [rig.hypervisor.ensure_power(domain.id, power, fence=9) for power in (Power.ON, Power.OFF) * 4]
        assert await asyncio.gather(*said) == [Done()] * 8

    async def made(self, rig: Rig, domain: Domain, power: Power = Power.OFF) -> Domain:
        """The guest with its disks, and with that power."""
        hypervisor = rig.hypervisor
        assert await rig.does(hypervisor.ensure_disks, domain) == Done()
        assert await rig.does(hypervisor.ensure_defined, domain) == Done()
        assert await rig.does(hypervisor.ensure_power, domain.id, power) == Done()
        return domain

    async def test_a_guest_pauses_and_its_memory_goes_to_the_disk_and_back(self, rig: Rig) -> None:
        domain = await self.made(rig, copied(uuid4()), Power.ON)
        for power in (Power.PAUSED, Power.ON, Power.SUSPENDED, Power.ON, Power.OFF):
            for _ in range(2):
                say = rig.hypervisor.ensure_power
                assert await rig.does(say, domain.id, power) == Done()
            assert await self.facts(rig, domain.id) == DomainFacts(defined=True, power=power, disks=("root",))
        answer = await rig.does(rig.hypervisor.ensure_power, domain.id, Power.PAUSED)
        assert isinstance(answer, Failed)

    async def test_a_restart_happens_once_and_ends_in_a_guest_that_runs(self, rig: Rig) -> None:
        domain = await self.made(rig, copied(uuid4()), Power.ON)
        for power, restart_id in ((Power.ON, uuid4()), (Power.OFF, uuid4())):
            await rig.does(rig.hypervisor.ensure_power, domain.id, power)
            for _ in range(2):
                restart = rig.hypervisor.ensure_restarted
                assert await rig.does(restart, domain.id, restart_id) == Done()
            facts = await self.facts(rig, domain.id)
            assert facts is not None
            assert facts.power is Power.ON
        answer = await rig.does(rig.hypervisor.ensure_restarted, uuid4(), uuid4())
        assert isinstance(answer, Failed)

    async def test_nics_come_and_go_while_it_runs(self, rig: Rig) -> None:
        one, two = nic(), nic()
        domain = await self.made(rig, copied(uuid4()), Power.ON)
        for nics in ((one,), (one, two), (two,), ()):
            wish = msgspec.structs.replace(domain, nics=nics)
            assert await rig.hypervisor.ensure_defined(wish, fence=rig.fence()) == Done()
            facts = await self.facts(rig, domain.id)
            assert facts is not None
            assert (facts.power, facts.nics) == (Power.ON, tuple(each.port_id for each in nics))

    async def test_a_guest_that_runs_sees_that_its_volume_has_grown(self, rig: Rig) -> None:
        root, disk = copied(uuid4()), rig.volume(uuid4(), 1)
        domain = await self.made(rig, msgspec.structs.replace(root, disks=(*root.disks, disk)), Power.ON)
        rig.volume(disk.volume_id, 2)
        see = rig.hypervisor.ensure_volume_seen
        for power in (Power.ON, Power.PAUSED):
            await rig.does(rig.hypervisor.ensure_power, domain.id, power)
            for size_gib in (2, 2, 1):
                assert await rig.does(see, domain.id, disk.id, size_gib) == Done()
        await rig.does(rig.hypervisor.ensure_power, domain.id, Power.ON)
        assert (await rig.hypervisor.stats(domain.id))["vdb_size"] == 2 << 30
        for guest_id, attachment_id in ((domain.id, uuid4()), (uuid4(), disk.id)):
            assert await rig.does(see, guest_id, attachment_id, 3) == Done()
        await rig.does(rig.hypervisor.ensure_power, domain.id, Power.OFF)
        assert await rig.does(see, domain.id, disk.id, 3) == Done()

    async def test_what_is_kept_of_a_disk_can_be_put_back_or_dropped(self, rig: Rig) -> None:
        domain = await self.made(rig, copied(uuid4()))
        anew = copied(domain.id, edition=1)
        hypervisor = rig.hypervisor
        for _ in range(2):
            assert await rig.does(hypervisor.ensure_disk_kept, domain.id, "root", "old") == Done()
            assert await rig.does(hypervisor.ensure_disks, anew) == Done()
            assert await self.facts(rig, domain.id) == DomainFacts(defined=True, disks=("root", "root@old"))
        for _ in range(2):
            restore = hypervisor.ensure_disk_restored
            assert await rig.does(restore, domain.id, "root", "old") == Done()
            assert await self.facts(rig, domain.id) == DomainFacts(defined=True, disks=("root",))
        await rig.does(hypervisor.ensure_disk_kept, domain.id, "root", "old")
        for _ in range(2):
            assert await hypervisor.ensure_kept_gone(domain.id, "old", fence=rig.fence()) == Done()
        assert await self.facts(rig, domain.id) == DomainFacts(defined=True, disks=("root",))

    async def test_it_is_not_defined_without_its_disks(self, rig: Rig) -> None:
        answer = await rig.hypervisor.ensure_defined(copied(uuid4()), fence=rig.fence())
        assert isinstance(answer, Failed)
        assert "root" in answer.cause

    async def test_it_answers_questions(self, rig: Rig) -> None:
        assert (await rig.hypervisor.describe()).vcpus > 0
        domain = await self.made(rig, copied(uuid4()))
        for question in (rig.hypervisor.screen(domain.id, "vnc"), rig.hypervisor.stats(domain.id)):
            with pytest.raises(Conflict):
                await question
        missing = uuid4()
        for question in (
            rig.hypervisor.screen(missing, "vnc"),
            rig.hypervisor.stats(missing),
            rig.hypervisor.console_log(missing, None),
        ):
            with pytest.raises(NotFound):
                await question
        await rig.does(rig.hypervisor.ensure_power, domain.id, Power.ON)
        assert (await rig.hypervisor.screen(domain.id, "vnc")).kind == "vnc"
        assert (await rig.hypervisor.stats(domain.id))["memory"] > 0
        assert isinstance(await rig.hypervisor.console_log(domain.id, None), str)
        assert len((await rig.hypervisor.console_log(domain.id, 2)).splitlines()) <= 2
