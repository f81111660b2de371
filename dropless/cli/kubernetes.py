"""`dropless kubernetes`: what is installed on Kubernetes; only `plan` and `apply` ask a cluster."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from dropless.cli.kubernetes_install import AFile, Laptop, apply, installation_of, plan
from dropless.errors import DroplessError

if TYPE_CHECKING:
    from dropless.kubernetes.footprint import Footprint
    from dropless.kubernetes.installation import Installation
    from resources.helm import Rendered

kubernetes = typer.Typer(no_args_is_help=True, help="What is installed on Kubernetes: show it, plan it, apply it.")
kubernetes.command()(plan)
kubernetes.command()(apply)

AsJson = Annotated[bool, typer.Option("--json", help="The same as JSON, for programs.")]
AName = Annotated[str | None, typer.Argument(help="One release; else all.")]
Public = Annotated[
    bool, typer.Option("--public", help="Also the public charts, which are fetched from their repositories.")
]


@kubernetes.command("releases")
def list_releases(*, installation: AFile = None, laptop: Laptop = False, as_json: AsJson = False) -> None:
    """List the Helm releases in the order of their installation, with the reason for each chart.

    Example: [bold]dropless kubernetes releases --json[/]
    """
    from dropless.kubernetes import releases  # noqa: PLC0415 - read only when asked for

    told = installation_of(installation, laptop=laptop)
    lines: list[dict[str, Any]] = [
        {
            "name": each.name,
            "chart": each.chart,
            "version": each.version,
            "repository": each.repository or "helm_charts",
            "namespace": releases.namespace(each, told),
            "awaits": [f"{one.kind}/{one.name}" for one in releases.awaited(each, told)],
            "why": each.why,
        }
        for each in releases.releases(told)
    ]
    if not as_json:
        # Where charts come from and what is waited for, is for programs: a terminal is narrow.
        lines = [{each: line[each] for each in ("name", "chart", "version", "why")} for line in lines]
    _show(lines, as_json=as_json)


@kubernetes.command()
def sizes(*, installation: AFile = None, laptop: Laptop = False, as_json: AsJson = False) -> None:
    """Sum what the releases ask of a cluster: pods, cores, memory and disk. Operators make no more than that.

    Example: [bold]dropless kubernetes sizes --laptop[/]
    """
    from dropless.kubernetes import footprint  # noqa: PLC0415 - the same

    told = installation_of(installation, laptop=laptop)
    parts = {each.release.name: _footprint(each) for each in _rendered(told, None, public=False)}
    parts = {name: part for name, part in parts.items() if part.pods}
    lines = [_line(name, part) for name, part in {**parts, "all": footprint.total(parts.values())}.items()]
    if not as_json:
        lines = [
            line | {each: decimal(int(line[each])) for each in ("memory", "memory_limit", "disk")} for line in lines
        ]
    _show(lines, as_json=as_json)


@kubernetes.command()
def specification(*, as_json: AsJson = False) -> None:
    """Print the specification's table of sizes, to which the values are tested.

    Example: [bold]dropless kubernetes specification[/]
    """
    from dropless.kubernetes.sizes import TABLE  # noqa: PLC0415 - the same

    lines: list[dict[str, Any]] = [
        {
            "service": row.service,
            "nodes": row.nodes,
            "cpu": "-".join(dict.fromkeys(row.cpu)),
            "memory": row.memory or "",
            "heap": row.heap or "",
            "volumes": [f"{each.number} x {each.size} {each.purpose}" for each in row.volumes],
            "buffers": [f"{size} {purpose}" for purpose, size in row.buffers],
            "note": row.note,
        }
        for row in TABLE
    ]
    _show(lines, as_json=as_json)


@kubernetes.command()
def values(release: str, *, installation: AFile = None, laptop: Laptop = False, as_json: AsJson = False) -> None:
    """Print the values that Helm is given for a release: sizes, what is generated, and yours; no secret is in them.

    Example: [bold]dropless kubernetes values ksqldb[/]
    """
    from dropless.kubernetes.releases import named  # noqa: PLC0415 - the same
    from dropless.kubernetes.values import values as merged  # noqa: PLC0415 - the same

    told = installation_of(installation, laptop=laptop)
    (chosen,) = named(told, release)
    found = merged(chosen, told, _contracts())
    typer.echo(json.dumps(found, indent=2) if as_json else _yaml([found]), nl=False)


@kubernetes.command()
def render(
    release: AName = None,
    *,
    installation: AFile = None,
    laptop: Laptop = False,
    public: Public = False,
    as_json: AsJson = False,
) -> None:
    """Print the manifests that Helm makes of our charts; passwords, which are made in the cluster, are left out.

    Example: [bold]dropless kubernetes render kafka[/]
    """
    told = installation_of(installation, laptop=laptop)
    found = _rendered(told, release, public=public)
    if release and found[0].manifests is None:
        raise DroplessError(f"The chart of {release} is {found[0].release.repository}'s: --public fetches it.")
    manifests = [_without_secrets(dict(manifest)) for each in found for manifest in each.manifests or ()]
    typer.echo(json.dumps(manifests, indent=2) if as_json else _yaml(manifests), nl=False)


def _contracts() -> list[Any]:
    from dropless.contract import load_contracts  # noqa: PLC0415 - the same
    from dropless.settings import Settings  # noqa: PLC0415 - the same

    return load_contracts(Settings.load().contracts)


def _rendered(told: Installation, name: str | None, *, public: bool) -> list[Rendered]:
    from dropless.kubernetes.releases import named  # noqa: PLC0415 - the same
    from dropless.settings import Settings  # noqa: PLC0415 - the same
    from local_stack.helm import tools  # noqa: PLC0415 - the same
    from resources import helm  # noqa: PLC0415 - the same

    settings = Settings.load()
    with Console(stderr=True).status("rendering"):
        program = helm.Helm(tools(settings).helm, settings.cache / "helm-home")
        return helm.render(program, named(told, name), told, _contracts(), public=public)


def _footprint(each: Rendered) -> Footprint:
    from dropless.kubernetes import footprint  # noqa: PLC0415 - the same

    if each.manifests is None:
        return footprint.of_values(each.release, each.values)
    return footprint.of_manifests(each.manifests)


def _line(name: str, part: Footprint) -> dict[str, Any]:
    return {
        "release": name,
        "pods": part.pods,
        "cpu": float(part.cpu),
        "memory": int(part.memory),
        "memory_limit": int(part.memory_limit),
        "disk": int(part.disk),
    }


class _Plain(yaml.SafeDumper):
    """Without anchors: what is the same twice is written twice, as people would."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class asks about each
        return True


def _yaml(documents: list[dict[str, Any]]) -> str:
    return yaml.dump_all(documents, Dumper=_Plain, sort_keys=False, width=200)


def _without_secrets(manifest: dict[str, Any]) -> dict[str, Any]:
    if manifest["kind"] == "Secret":
        return manifest | {"data": dict.fromkeys(manifest["data"], "(made in the cluster)")}
    return manifest


def _show(lines: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(lines, indent=2))
        return
    table = Table(header_style="bold")
    for heading in lines[0]:
        table.add_column(heading, overflow="fold")
    for line in lines:
        table.add_row(*(", ".join(each) if isinstance(each, list) else str(each) for each in line.values()))
    Console().print(table)
