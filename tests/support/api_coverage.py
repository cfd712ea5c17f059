"""The page docs/api-coverage.md, made of the tables of routes: `script/api-coverage` writes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from pileus.kernel.http import Route, Service
from pileus.kernel.http.routes import LAST, dotted
from pileus.world import SERVICES
from support.source import ROOT

PAGE = ROOT / "docs/api-coverage.md"
HEAD = """# What of the APIs is there

Every request that is answered, service by service: the microversions that it is there at, and the rule of the policy that guards
it (none: it needs no token, or proves itself in another way). It is written by `script/api-coverage` from the tables of routes,
and a test holds it to them. HEAD is answered wherever GET is. Whatever is in no table is answered as that service does it
where there is nothing, by a 404; what a later release may bring is named below each table.

"""
Line = tuple[str, str, str, str]  # resource, request, microversions, rule


def text() -> str:
    services = [service for service in SERVICES if service.routes]
    return HEAD + overview(services) + "".join(map(section, services))


def overview(services: Iterable[Service]) -> str:
    rows = [
        f"| [{name(service)}](#{service.name}) | `{service.prefix or '/'}` | {span(service)} | {len(list(lines(service)))} "
        f"| {len({route.rule for route in service.routes} - {None})} |"
        for service in services
    ]
    return table("| service | below | microversions | requests | rules |\n| --- | --- | --- | ---: | ---: |", rows)


def section(service: Service) -> str:
    last = ""
    rows = []
    for resource, request, versions, rule in lines(service):
        rows.append(f"| {resource if resource != last else ''} | {request} | {versions} | {rule} |")
        last = resource
    head = "| resource | request | microversions | rule |\n| --- | --- | --- | --- |"
    return f"\n## {name(service)}\n\n{table(head, rows)}{missing(service)}"


def table(head: str, rows: list[str]) -> str:
    return "\n".join([head, *rows]) + "\n"


def name(service: Service) -> str:
    return service.name.capitalize()


def span(service: Service) -> str:
    versions = service.microversions
    return f"{dotted(versions.minimum)} to {dotted(versions.maximum)}" if versions else ""


def lines(service: Service) -> Iterator[Line]:
    """One for each request, however many routes answer it at different microversions."""
    kept = [route for route in service.routes if not is_gone(route)]
    for (resource, request, rule), routes in groupby(sorted(kept, key=order), key=key):
        yield resource, request, versions_of(list(routes)), f"`{rule}`" if rule else ""


def key(route: Route) -> tuple[str, str, str]:
    request = f"`{route.method} {route.prefix}{route.path or ('' if route.prefix else '/')}`"
    return resource_of(route), f"{request} {route.action}" if route.action else request, route.rule or ""


def order(route: Route) -> tuple[str, str, str, str, tuple[int, int]]:
    return resource_of(route), route.path, *key(route)[1:], route.since


def resource_of(route: Route) -> str:
    """The noun whose folder it is in; none: it is the service's own."""
    parts = route.handler.__module__.split(".")
    return parts[3].replace("_", " ") if len(parts) > 4 and parts[1] == "services" else "versions"


def is_gone(route: Route) -> bool:
    """It is there to say that something was."""
    return ".gone." in route.handler.__module__


def versions_of(routes: list[Route]) -> str:
    """Of neighbouring ranges, one."""
    ranges: list[list[tuple[int, int]]] = []
    for route in routes:
        if ranges and route.since <= (ranges[-1][1][0], ranges[-1][1][1] + 1):
            ranges[-1][1] = max(ranges[-1][1], route.until)
        else:
            ranges.append([route.since, route.until])
    return ", ".join(filter(None, (written(since, until) for since, until in ranges)))


def written(since: tuple[int, int], until: tuple[int, int]) -> str:
    if since[0] == 0:
        return ""  # of a service without microversions
    return f"{dotted(since)}–" if until == LAST else f"{dotted(since)}–{dotted(until)}"


def missing(service: Service) -> str:
    """What is not there, and said so."""
    told = [f"- not yet: {words}\n" for words in sorted(later(service))]
    gone = sorted({route.path.split("/")[2] for route in service.routes if is_gone(route)})
    if gone:
        told.append(f"- gone, as in OpenStack itself (410): {', '.join(f'`{each}`' for each in gone)}\n")
    return "\n" + "".join(told) if told else ""


def later(service: Service) -> set[str]:
    """What tests of OpenStack ask that is not here yet, as docs/exceptions/ has it. What came meanwhile is left out."""
    file = ROOT / f"docs/exceptions/{service.name}.txt"
    if not file.is_file():
        return set()
    found = (line.split(" later ", 1)[1] for line in file.read_text().splitlines() if " later " in line)
    actions = {route.action for route in service.routes}
    return {words for words in found if words.rpartition("(")[2].rstrip(")") not in actions}


if __name__ == "__main__":
    PAGE.write_text(text())
