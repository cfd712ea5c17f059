"""What two hypervisors promise of a guest that goes from the one to the other while it runs. Run by subclasses that give a
`rig`, and `there`: the other one, which the same time passes for."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from engines.hypervisor_contract import Rig, copied
from pileus.engines.hypervisor import Domain, DomainFacts, Power, Progress
from pileus.engines.troubles import Trouble
from pileus.engines.verbs import Done, Failed, Going
from pileus.kernel.errors import NotFound


async def runs(rig: Rig, power: Power = Power.ON) -> Domain:
    domain = copied(uuid4())
    assert await rig.does(rig.hypervisor.ensure_disks, domain) == Done()
    assert await rig.does(rig.hypervisor.ensure_defined, domain) == Done()
    for each in (Power.ON, power):
        assert await rig.does(rig.hypervisor.ensure_power, domain.id, each) == Done()
    return domain


async def awaited(rig: Rig, there: Rig, domain: Domain) -> dict[str, Any]:
    """The facts by which it is sent there."""
    sizes = await rig.hypervisor.local_disks(domain.id)
    answer = await there.does(there.hypervisor.ensure_awaited, domain, "here", sizes)
    assert isinstance(answer, Done)
    return answer.facts


async def at_both(rig: Rig, there: Rig, domain: Domain) -> list[DomainFacts | None]:
    return [(await each.hypervisor.observe()).get(domain.id) for each in (rig, there)]


class SendingContract:
    @pytest.mark.parametrize("power", [Power.ON, Power.PAUSED])
    async def test_a_guest_goes_and_is_here_no_more(self, rig: Rig, there: Rig, power: Power) -> None:
        domain = await runs(rig, power)
        assert await rig.hypervisor.local_disks(domain.id) == {"root": 2 << 20}
        for _ in range(2):
            to = await awaited(rig, there, domain)
        here, elsewhere = await at_both(rig, there, domain)
        assert here is not None
        assert elsewhere == DomainFacts(disks=("root",)), "it has not arrived"
        for _ in range(2):
            answer = await rig.does(rig.hypervisor.ensure_sent, domain.id, to)
            assert answer == Done(), answer
            here, elsewhere = await at_both(rig, there, domain)
            assert here is None or not here.defined
            assert elsewhere == DomainFacts(defined=True, power=power, disks=("root",))
        assert await rig.does(rig.hypervisor.ensure_gone, domain.id) == Done()
        assert await at_both(rig, there, domain) == [None, elsewhere]
        assert await there.does(there.hypervisor.ensure_power, domain.id, Power.OFF) == Done()
        assert await there.does(there.hypervisor.ensure_defined, domain) == Done()
        assert await there.does(there.hypervisor.ensure_power, domain.id, Power.ON) == Done()

    async def test_what_is_not_awaited_or_does_not_run_stays(self, rig: Rig, there: Rig) -> None:
        domain = await runs(rig)
        to = await awaited(rig, there, domain)
        assert await there.does(there.hypervisor.ensure_gone, domain.id) == Done()
        assert isinstance(await rig.does(rig.hypervisor.ensure_sent, domain.id, to), Failed)
        to = await awaited(rig, there, domain)
        assert await rig.does(rig.hypervisor.ensure_power, domain.id, Power.OFF) == Done()
        assert isinstance(await rig.does(rig.hypervisor.ensure_sent, domain.id, to), Failed)
        assert isinstance(await rig.does(rig.hypervisor.ensure_sent, uuid4(), to), Failed)
        with pytest.raises(NotFound):
            await rig.hypervisor.local_disks(uuid4())

    async def test_one_on_its_way_is_called_back_or_hurried(self, rig: Rig, there: Rig) -> None:
        domain, hypervisor = await runs(rig), rig.hypervisor
        to = await awaited(rig, there, domain)
        rig.troubles.add(Trouble(kind="delay", seconds=rig.job_s), verb="ensure_sent")
        fence = rig.fence()
        going = await hypervisor.ensure_sent(domain.id, to, fence=fence)
        assert isinstance(going, Going)
        assert going.facts.keys() <= set(Progress.__struct_fields__)
        assert await hypervisor.cancel(domain.id, "ensure_sent", fence=fence) == Done()
        here, elsewhere = await at_both(rig, there, domain)
        assert (here and here.power, elsewhere and elsewhere.defined) == (Power.ON, False)
        assert isinstance(await hypervisor.ensure_sent(domain.id, to, fence=fence), Going)
        for _ in range(2):
            assert await hypervisor.ensure_hurried(domain.id, fence=fence) == Done()
        answer = await rig.does(hypervisor.ensure_sent, domain.id, to)
        assert answer == Done(), answer
        assert await rig.does(hypervisor.ensure_hurried, domain.id) == Done()
        assert (await at_both(rig, there, domain))[1] == DomainFacts(defined=True, power=Power.ON, disks=("root",))
