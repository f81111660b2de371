"""`dropless kubernetes plan` and `apply`, and `dropless up --platform kubernetes`: Helm releases on a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from dropless.cli.interruptible import interruptible
from dropless.errors import DroplessError

if TYPE_CHECKING:
    from dropless.kubernetes.installation import Installation
    from dropless.plan import Resource
    from resources.kubernetes import Releases

MINUTES = 15.0

AName = Annotated[str | None, typer.Option("--only", help="One release; else all.")]
AFile = Annotated[Path | None, typer.Option("--installation", help="The YAML file that tells of your installation.")]
Laptop = Annotated[bool, typer.Option("--laptop", help="The sizes for kind or minikube in 12 GB.")]
Context = Annotated[str | None, typer.Option(help="The context of the kubeconfig; else its current one.")]
Kubeconfig = Annotated[Path | None, typer.Option(help="The kubeconfig; else KUBECONFIG's, or ~/.kube/config.")]
Namespace = Annotated[str | None, typer.Option(help="The namespace of the systems, instead of the file's.")]
AsJson = Annotated[bool, typer.Option("--json", help="The plan for machines.")]
Destructive = Annotated[
    bool, typer.Option("--allow-destructive", help="Also what removes objects; volumes always stay.")
]
Minutes = Annotated[float, typer.Option(min=0.1, help="How long a release may take to become ready, in minutes.")]


def plan(
    *,
    only: AName = None,
    installation: AFile = None,
    laptop: Laptop = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
    allow_destructive: Destructive = False,
) -> None:
    """Show what differs between a cluster and the installation, property by property; change nothing.

    Exits with 0 if nothing differs, with 3 if something does, with 1 if a change would be refused.

    Example: [bold]dropless kubernetes plan --context staging[/]
    """
    from dropless.cli.changes import end, show  # noqa: PLC0415 - read only when asked for
    from resources.provisioning import survey  # noqa: PLC0415 - the same

    told = installation_of(installation, laptop=laptop, namespace=namespace)
    with Console(stderr=True).status("looking") as status:
        releases, wanted, lacking = _wanted(told, only, context, kubeconfig)
        found = survey(wanted, {"release": releases}, status.update)
    show(found, as_json=as_json)
    _tell(lacking)
    end(found, allow_destructive=allow_destructive)


def apply(
    *,
    only: AName = None,
    installation: AFile = None,
    laptop: Laptop = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
    allow_destructive: Destructive = False,
    minutes: Minutes = MINUTES,
) -> None:
    """Install or upgrade what differs, and wait until it is ready; doing it twice is doing it once.

    A release that does not become ready is taken back, and the error says which pod, and why. It can be interrupted and
    run again at any time.

    Example: [bold]dropless kubernetes apply --context staging --installation ours.yaml[/]
    """
    told = installation_of(installation, laptop=laptop, namespace=namespace)
    install(told, only, context, kubeconfig, as_json=as_json, allow_destructive=allow_destructive, minutes=minutes)


def install(
    told: Installation,
    only: str | None,
    context: str | None,
    kubeconfig: Path | None,
    *,
    as_json: bool,
    allow_destructive: bool = False,
    minutes: float = MINUTES,
) -> None:
    """Bring a cluster to what an installation says, and print what was changed."""
    from dropless.cli.changes import show  # noqa: PLC0415 - read only when asked for
    from resources.provisioning import Survey, provision  # noqa: PLC0415 - the same

    console = Console(stderr=True, highlight=False)
    with interruptible(), console.status("looking") as status:

        def progress(what: str) -> None:
            status.update(what)
            if not console.is_terminal and what != said[-1]:
                console.print(what, soft_wrap=True)
            said.append(what)

        said = [""]
        releases, wanted, lacking = _wanted(told, only, context, kubeconfig, minutes)
        changes = provision(wanted, {"release": releases}, progress, minutes * 60, allow_destructive=allow_destructive)
    show(Survey(changes, {}, {}), as_json=as_json)
    _tell(lacking)
    if not as_json and not changes.empty:
        Console().print("[green]Applied, and seen ready.[/]")


def installation_of(file: Path | None, *, laptop: bool = False, namespace: str | None = None) -> Installation:
    """What the file says, else what `DROPLESS_INSTALLATION` names, else the specification's."""
    from dropless.kubernetes.installation import Installation as Told  # noqa: PLC0415 - read only when asked for

    told = Told.load(file) if file else Told.of_this_cluster() or Told()
    changed = {**({"size": "laptop"} if laptop else {}), **({"namespace": namespace} if namespace else {})}
    try:
        return Told.model_validate(told.model_dump(exclude_unset=True) | changed)
    except ValueError:
        raise DroplessError(f"{namespace!r} is no name of a namespace.") from None


def _wanted(
    told: Installation, only: str | None, context: str | None, kubeconfig: Path | None, minutes: float = MINUTES
) -> tuple[Releases, list[Resource], list[str]]:
    """What makes releases, those that there must be, and what is left out; never what was asked for by name."""
    from dropless.kubernetes.releases import named  # noqa: PLC0415 - read only when asked for
    from dropless.settings import Settings  # noqa: PLC0415 - the same
    from resources.api_server import Access  # noqa: PLC0415 - the same
    from resources.kubernetes_installation import on_kubernetes  # noqa: PLC0415 - the same

    releases = on_kubernetes(Settings.load(), told, Access(context, kubeconfig), ready_seconds=minutes * 60)
    chosen = named(told, only)
    lacking = releases.lacking(chosen)
    if only and lacking:
        raise DroplessError(lacking[0])
    return releases, releases.desired(chosen), lacking


def _tell(lacking: Sequence[str]) -> None:
    for each in lacking:
        Console(stderr=True, highlight=False).print(f"[yellow]{escape(each)}[/]", soft_wrap=True)
