"""Helm releases as things that are provisioned: what is rendered against what is live, property by property."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Protocol

from dropless.contract import Contract
from dropless.errors import DroplessError, Unreachable, Unsafe
from dropless.kubernetes import manifests
from dropless.kubernetes.installation import Installation
from dropless.kubernetes.manifests import Manifest, Reference
from dropless.kubernetes.releases import Needed, Release, awaited, named, namespace, system_of
from dropless.plan import Change, Json, Resource
from resources.adapter import Progress
from resources.api_server import ApiServer, Conflict, Forbidden
from resources.helm import AT_ONCE, FORWARD, INTERRUPTED, Deployed, Failed, Helm, Rendered, render
from resources.kubernetes_ready import referred, wait
from resources.kubernetes_trouble import pods, ready, troubles
from resources.lease import Lease
from resources.managed import managed

KIND: Final = "release"
DEPLOYED: Final = "deployed"
READY_SECONDS: Final = 900.0

_ABSENT: Final = object()
# What the API can say of these is their absence: it has no other word for no and for nought. Elsewhere absence is a
# default of the server's, which may be yes.
_SILENT: Final = frozenset(
    {
        "hostIPC",
        "hostNetwork",
        "hostPID",
        "initialDelaySeconds",
        "minReadySeconds",
        "publishNotReadyAddresses",
        "readOnly",
        "stdin",
        "tty",
    }
)
_STORED: Final = "sh.helm.release.v1.{}.v{}"


class Live(Protocol):
    """Whatever can read a cluster's objects."""

    def read(self, reference: Reference) -> Mapping[str, Any] | None:
        """An object as the API server has it, or None when there is none of that name or kind.

        Raises:
            Unreachable: the API server does not answer.
        """


class Releases:
    """The Helm releases of one installation; they are rendered when they are first asked for."""

    def __init__(
        self,
        helm: Helm,
        cluster: ApiServer,
        *,
        kubectl: Path,
        installation: Installation,
        contracts: Sequence[Contract],
        ready_seconds: float = READY_SECONDS,
    ) -> None:
        """Install on a cluster; a release has `ready_seconds` to become ready, what operators make as long again."""
        self._helm, self._cluster, self._kubectl = helm, cluster, kubectl
        self._installation, self._contracts = installation, contracts
        self._ready_seconds = ready_seconds
        self._rendered: dict[str, Rendered] = {}

    def desired(self, chosen: Sequence[Release]) -> list[Resource]:
        """Each of them as one thing that must exist, without those that `lacking` tells of.

        Raises:
            DroplessError: one cannot be rendered, or a public chart not be fetched.
        """
        able = [each for each in chosen if self._lacks(each) is None]
        self._render(able)
        return [desired(self._rendered[each.name]) for each in able]

    def lacking(self, chosen: Sequence[Release]) -> list[str]:
        """Of each release that is left out, until its user has made what it needs: what that is."""
        return [
            f"{each.name} is left out until the Secret {needed.secret} in {self._space(each)} has {needed.key!r}: "
            f"{needed.remedy}."
            for each in chosen
            if (needed := self._lacks(each)) is not None
        ]

    def observe(self, desired: Sequence[Resource]) -> dict[str, Resource]:
        """What Helm and the API server have of them, by `Resource.id`."""

        def one(wanted: Resource) -> Resource | None:
            mine = self._mine(wanted)
            return observe(self._cluster, mine, wanted, self._helm.deployed(wanted.name, mine.namespace))

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return {each.id: each for each in pool.map(one, desired) if each is not None}

    def check(self, change: Change) -> None:
        """Refuse what would remove objects, unless it is allowed; volumes are never removed.

        Raises:
            Unsafe: with what would go.
        """
        for each in change.properties:
            if each.path == "beyond" and each.before:
                raise Unsafe(f"the chart no longer has {', '.join(each.before)}, which would be removed")

    def apply(self, change: Change) -> None:
        """Install or upgrade a release, and wait for its pods and for what its operator makes.

        Raises:
            DroplessError: it failed; what was before is there again, and the sentence says which pod or condition.
        """
        self.advance(change, lambda _: None)

    def replace(self, change: Change, progress: Progress) -> None:
        """The same, of a change that removes objects."""
        self.advance(change, progress)

    def advance(self, change: Change, progress: Progress) -> None:
        """The same, telling how many pods are ready."""
        mine = self._mine(change.desired)
        self._namespace(mine.namespace)
        with Lease(self._cluster, mine.namespace).held(lambda why: progress(f"{mine.release.name}: {why}")):
            known = self._forget_interrupted(mine)
            if known and not mine.release.ours:
                self._kinds(mine.release)
            self._upgrade(mine, progress)
            self._await(mine, self._ready_seconds, progress)

    def wait_ready(self, desired: Sequence[Resource], timeout_seconds: float) -> None:
        """Wait until what operators make is ready.

        Raises:
            NotReady: one was not in its time; the sentence says which pod or condition.
        """
        for each in desired:
            self._await(self._mine(each), timeout_seconds, lambda _: None)

    def _lacks(self, release: Release) -> Needed | None:
        for needed in release.needs:
            secret = self._cluster.read(Reference("v1", "Secret", needed.secret, self._space(release)))
            if secret is None or not (secret.get("data") or {}).get(needed.key):
                return needed
        return None

    def _space(self, release: Release) -> str:
        return namespace(release, self._installation)

    def _render(self, chosen: Sequence[Release]) -> None:
        missing = [each for each in chosen if each.name not in self._rendered]
        new = render(self._helm, missing, self._installation, self._contracts, public=True)
        self._rendered |= {each.release.name: each for each in new}

    def _mine(self, resource: Resource) -> Rendered:
        self._render(named(self._installation, resource.name))
        return self._rendered[resource.name]

    def _await(self, mine: Rendered, seconds: float, progress: Progress) -> None:
        for each in awaited(mine.release, self._installation):
            wait(self._cluster, each, referred(each, mine.manifests or (), mine.namespace), seconds, progress)

    def _upgrade(self, mine: Rendered, progress: Progress) -> None:
        name = mine.release.name
        last: list[str] = []

        def watch() -> None:
            try:
                found = pods(self._cluster, mine.namespace, {name})
                progress(f"{name}: {sum(map(ready, found))} of {len(found)} pods ready")
                said = troubles(self._cluster, mine.namespace, {name})
                # Once Helm takes the release back, what is not ready are the pods of before.
                if said and self._going_forward(mine):
                    last[:] = said
            except Unreachable:
                return

        try:
            self._helm.upgrade(mine.release, mine.namespace, mine.values, self._ready_seconds, watch)
        except Failed as error:
            raise DroplessError(" ".join([str(error), *(f"{each}." for each in last)])) from None

    def _going_forward(self, mine: Rendered) -> bool:
        which = f"owner=helm,name={mine.release.name},status in ({', '.join(FORWARD)})"
        return bool(self._cluster.listed("v1", "Secret", mine.namespace, label_selector=which))

    def _namespace(self, name: str) -> None:
        """Make the namespace if there is none; who may not even look, as Dagster in the cluster, lives in it."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        try:
            if self._cluster.read(Reference("v1", "Namespace", name, None)) is None:
                self._cluster.create(body)
        except (Conflict, Forbidden):
            return

    def _forget_interrupted(self, mine: Rendered) -> Deployed | None:
        """Let Helm go on where an installation was killed; what it then knows of the release.

        It refuses while a revision is pending. We hold the lease, so nobody works on that: its record goes, no more.
        """
        name, space = mine.release.name, mine.namespace
        while (found := self._helm.deployed(name, space)) is not None and found.state in INTERRUPTED:
            self._cluster.delete(Reference("v1", "Secret", _STORED.format(name, found.revision), space))
        return found

    def _kinds(self, release: Release) -> None:
        """Bring the kinds of a public chart up to date, which Helm does at the first installation only."""
        text = self._helm.kinds(release)
        if not text.strip():
            return
        access = self._helm.access.arguments("--context") if self._helm.access else []
        command = ["apply", "--server-side", "--force-conflicts", "--field-manager=helm", "--filename", "-", *access]
        done = subprocess.run(
            [str(self._kubectl), *command], input=text, capture_output=True, text=True, check=False, timeout=120
        )
        if done.returncode:
            raise DroplessError(f"The kinds of {release.name} could not be applied: {done.stderr.strip()}.")


def desired(rendered: Rendered) -> Resource:
    """A release as one thing that must exist: deployed, with each of its objects, and nothing beyond them."""
    objects = {
        manifests.reference(each, rendered.namespace).id: manifests.properties(each)
        for each in rendered.manifests or ()
    }
    told = {"state": DEPLOYED, "objects": objects, "beyond": []}
    return Resource(system_of(rendered.release), KIND, rendered.release.name, told)


def observe(cluster: Live, rendered: Rendered, wanted: Resource, deployed: Deployed | None) -> Resource | None:
    """What exists of a release, reduced to the properties that are desired; None if nothing does."""
    wants: Mapping[str, Json] = wanted.properties["objects"]
    found = {}
    for manifest in rendered.manifests or ():
        which = manifests.reference(manifest, rendered.namespace)
        live = cluster.read(which)
        if live is not None:
            # Of a ServiceAccount without labels nothing is wanted but that it is there.
            found[which.id] = _shared(wants[which.id], manifests.properties(live)) if wants[which.id] else {}
    if deployed is None and not found:
        return None
    gone = _gone(cluster, deployed.manifests if deployed else (), rendered.namespace, wants)
    told = {"state": deployed.state if deployed else "unknown to Helm", "objects": found, "beyond": gone}
    return Resource(wanted.system, wanted.kind, wanted.name, told)


def _gone(cluster: Live, before: Sequence[Manifest], namespace: str, wants: Mapping[str, Json]) -> list[str]:
    """What Helm would remove: it was part of the release, still exists, and is no longer wanted."""
    known = [manifests.reference(each, namespace) for each in before]
    return sorted(each.id for each in known if each.id not in wants and cluster.read(each) is not None)


def _shared(wanted: Json, found: Json, name: str = "") -> Json:
    """The found value with only the paths that are wanted.

    An empty object means "all" or "nothing more" in Kubernetes, so whatever is found in its place is shown.
    """
    if isinstance(wanted, Mapping):
        if not wanted:
            return {} if found is _ABSENT or not found else found
        if isinstance(found, Mapping):
            pairs = ((each, _shared(value, found.get(each, _ABSENT), each)) for each, value in wanted.items())
            return {each: value for each, value in pairs if value is not _ABSENT}
    if found is _ABSENT:
        # The API server leaves out what is empty.
        empty = wanted in ([], "") or (name in _SILENT and wanted in (False, 0))
        return wanted if empty else _ABSENT
    return managed(wanted, found)
