"""What every hypervisor promises, and whatever stands between a caller and one. Run by subclasses that give a `rig`."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

from pileus.engines.hypervisor import Domain, DomainFacts, Hypervisor, Power
from pileus.engines.troubles import Trouble, Troubles
from pileus.engines.verbs import Answer, Change, Done, Failed, Going, StaleFence
from pileus.kernel.errors import Unavailable

IMAGE = "https://images.test/one"
JOB_S = 8.0


@dataclass
class Rig:
    """A hypervisor under test: how to trouble it, how to let its time pass, what it told of itself."""

    hypervisor: Hypervisor
    troubles: Troubles
    elapse: Callable[[float], Awaitable[None]]
    changes: list[Change]
    job_s: float = JOB_S
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

    async def told(self, change: Change) -> None:
        """Return once the host has told of this change by itself."""
        for _ in range(400):
            if change in self.changes:
                return
            await self.elapse(self.job_s / 10)
        raise AssertionError(f"{change} is not among {self.changes}")


def guest(**more: Any) -> Domain:
    return Domain(id=uuid4(), vcpus=1, memory_mib=64, **more)


class HypervisorContract:
    async def facts(self, rig: Rig, domain_id: UUID) -> DomainFacts | None:
        return (await rig.hypervisor.observe()).get(domain_id)

    async def test_every_ensure_may_be_said_twice(self, rig: Rig) -> None:
        domain, fence = guest(nics=("one", "two")), rig.fence()
        for _ in range(2):
            assert await rig.hypervisor.ensure_copied(domain.id, IMAGE, fence=fence) == Done()
            assert await rig.hypervisor.ensure_defined(domain, fence=fence) == Done()
            assert await rig.hypervisor.ensure_power(domain.id, Power.ON, fence=fence) == Done()
        assert await self.facts(rig, domain.id) == DomainFacts(defined=True, power=Power.ON, image=IMAGE)
        for _ in range(2):
            assert await rig.hypervisor.ensure_power(domain.id, Power.OFF, fence=fence) == Done()
        assert await self.facts(rig, domain.id) == DomainFacts(defined=True, power=Power.OFF, image=IMAGE)
        for _ in range(2):
            assert await rig.hypervisor.ensure_gone(domain.id, fence=fence) == Done()
        assert await self.facts(rig, domain.id) is None

    async def test_what_never_was_is_gone_and_cancelled(self, rig: Rig) -> None:
        fence = rig.fence()
        assert await rig.hypervisor.ensure_gone(uuid4(), fence=fence) == Done()
        assert await rig.hypervisor.cancel(uuid4(), "ensure_copied", fence=fence) == Done()

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
            lambda: rig.hypervisor.ensure_copied(domain.id, IMAGE, fence=old),
            lambda: rig.hypervisor.ensure_gone(domain.id, fence=old),
            lambda: rig.hypervisor.cancel(domain.id, "ensure_copied", fence=old),
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
        rig.troubles.add(Trouble(kind="delay", seconds=rig.job_s), verb="ensure_copied")
        domain_id, fence = uuid4(), rig.fence()

        async def say() -> Answer:
            return await rig.hypervisor.ensure_copied(domain_id, IMAGE, fence=fence)

        first = await say()
        assert isinstance(first, Going)
        assert await self.facts(rig, domain_id) is None
        assert await rig.settled(say) == Done()
        assert await self.facts(rig, domain_id) == DomainFacts(image=IMAGE)
        assert await say() == Done()

    async def test_a_job_tells_of_its_end(self, rig: Rig) -> None:
        rig.troubles.add(Trouble(kind="delay", seconds=rig.job_s), verb="ensure_copied")
        domain_id = uuid4()
        assert isinstance(await rig.hypervisor.ensure_copied(domain_id, IMAGE, fence=rig.fence()), Going)
        await rig.told(Change("hypervisor", "ensure_copied", str(domain_id), Done()))
        assert await self.facts(rig, domain_id) == DomainFacts(image=IMAGE)

    async def test_a_job_that_fails_says_so_once_to_whoever_began_it(self, rig: Rig) -> None:
        rig.troubles.add(Trouble(kind="delay", seconds=rig.job_s), verb="ensure_copied")
        domain_id, fence = uuid4(), rig.fence()
        assert isinstance(await rig.hypervisor.ensure_copied(domain_id, IMAGE, fence=fence), Going)
        rig.troubles.clear()
        rig.troubles.add(Trouble(kind="fail", once=True, cause="the image is broken"), verb="ensure_copied")
        await rig.told(Change("hypervisor", "ensure_copied", str(domain_id), Failed("the image is broken")))
        assert await rig.hypervisor.ensure_copied(domain_id, IMAGE, fence=fence) == Failed("the image is broken")
        assert await rig.settled(lambda: rig.hypervisor.ensure_copied(domain_id, IMAGE, fence=fence)) == Done()

    async def test_a_cancelled_job_leaves_nothing(self, rig: Rig) -> None:
        rig.troubles.add(Trouble(kind="delay", seconds=rig.job_s), verb="ensure_copied")
        domain_id, other, fence = uuid4(), uuid4(), rig.fence()
        assert isinstance(await rig.hypervisor.ensure_copied(domain_id, IMAGE, fence=fence), Going)
        assert isinstance(await rig.hypervisor.ensure_copied(other, IMAGE, fence=fence), Going)
        assert await rig.hypervisor.cancel(domain_id, "ensure_copied", fence=fence) == Done()
        await rig.told(Change("hypervisor", "ensure_copied", str(other), Done()))
        assert set(await rig.hypervisor.observe()) == {other}

    async def test_cancelling_another_verb_leaves_the_job_alone(self, rig: Rig) -> None:
        rig.troubles.add(Trouble(kind="delay", seconds=rig.job_s), verb="ensure_copied")
        domain_id, fence = uuid4(), rig.fence()
        assert isinstance(await rig.hypervisor.ensure_copied(domain_id, IMAGE, fence=fence), Going)
        assert await rig.hypervisor.cancel(domain_id, "ensure_power", fence=fence) == Done()
        await rig.told(Change("hypervisor", "ensure_copied", str(domain_id), Done()))

    async def test_other_arguments_replace_a_job(self, rig: Rig) -> None:
        rig.troubles.add(Trouble(kind="delay", seconds=rig.job_s), verb="ensure_copied")
        domain_id, fence = uuid4(), rig.fence()
        assert isinstance(await rig.hypervisor.ensure_copied(domain_id, IMAGE, fence=fence), Going)
        other = IMAGE + "/other"
        assert await rig.settled(lambda: rig.hypervisor.ensure_copied(domain_id, other, fence=fence)) == Done()
        assert await self.facts(rig, domain_id) == DomainFacts(image=other)

    async def test_a_guest_that_is_gone_does_not_come_back_by_its_job(self, rig: Rig) -> None:
        rig.troubles.add(Trouble(kind="delay", seconds=rig.job_s), verb="ensure_copied")
        domain_id, other, fence = uuid4(), uuid4(), rig.fence()
        assert isinstance(await rig.hypervisor.ensure_copied(domain_id, IMAGE, fence=fence), Going)
        assert await rig.hypervisor.ensure_gone(domain_id, fence=rig.fence()) == Done()
        assert isinstance(await rig.hypervisor.ensure_copied(other, IMAGE, fence=fence), Going)
        await rig.told(Change("hypervisor", "ensure_copied", str(other), Done()))
        assert set(await rig.hypervisor.observe()) == {other}

    async def test_a_job_goes_to_the_newer_lease_that_joins_it(self, rig: Rig) -> None:
        rig.troubles.add(Trouble(kind="delay", seconds=rig.job_s), verb="ensure_copied")
        domain_id = uuid4()
        old, new = rig.fence(), rig.fence()
        assert isinstance(await rig.hypervisor.ensure_copied(domain_id, IMAGE, fence=old), Going)
        assert isinstance(await rig.hypervisor.ensure_copied(domain_id, IMAGE, fence=new), Going)
        with pytest.raises(StaleFence):
            await rig.hypervisor.cancel(domain_id, "ensure_copied", fence=old)
        await rig.told(Change("hypervisor", "ensure_copied", str(domain_id), Done()))

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
        rig.troubles.add(Trouble(kind="delay", seconds=rig.job_s), verb="ensure_copied")
        domain_id, fence = uuid4(), rig.fence()
        assert isinstance(await rig.hypervisor.ensure_copied(domain_id, IMAGE, fence=fence), Going)
        rig.troubles.clear()
        rig.troubles.add(Trouble(kind="deaf", once=True), verb="ensure_copied")
        await rig.told(Change("hypervisor", "ensure_copied", str(domain_id), Done()))

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
