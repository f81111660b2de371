"""The public charts in a repository on loopback: stand-ins of their names and versions, or the real ones.

The real ones are on the internet only. What a stand-in makes is one workload for each kind of pod that the real chart's
values size (`Release.pods`), restricted as this installation's own pods are; what else the real chart makes of the
values, no test of a stand-in can tell. Whoever has the real ones names the folder with them, unpacked, in
`DROPLESS_CHARTS`: each one that is there takes the place of its stand-in, and so do the kinds that it brings.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import yaml

from dropless.kubernetes.releases import RELEASES, Pods, Release
from local_stack.helm import Tools

# What of a real chart nobody here answers for: kinds are made before anything else, and no webhook has a server.
UNANSWERED: Final[Mapping[str, Any]] = {
    "postgresql-operator": {
        "crds": {"create": False},
        "webhook": {"mutating": {"create": False}, "validating": {"create": False}},
    }
}

_WORKLOAD = """
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{{{ .Release.Name }}}}-{number}
  labels: {{app.kubernetes.io/instance: {{{{ .Release.Name }}}}}}
spec:
  replicas: {replicas}
  serviceName: {{{{ .Release.Name }}}}-{number}
  podManagementPolicy: Parallel
  selector:
    matchLabels: {{app.kubernetes.io/instance: {{{{ .Release.Name }}}}, number: "{number}"}}
  template:
    metadata:
      labels: {{app.kubernetes.io/instance: {{{{ .Release.Name }}}}, number: "{number}"}}
    spec:
      automountServiceAccountToken: false
      securityContext: {{runAsNonRoot: true, runAsUser: 1000, seccompProfile: {{type: RuntimeDefault}}}}
      containers:
        - name: stand-in
          image: stand-in/{chart}:1
          securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
          resources:
            {resources}
  {volumes}
"""
_VOLUMES = """volumeClaimTemplates:
    {{{{- range $disk := until (int {number}) }}}}
    - metadata: {{name: "disk-{{{{ $disk }}}}"}}
      spec:
        accessModes: [ReadWriteOnce]
        resources: {{requests: {{storage: {size}}}}}
    {{{{- end }}}}"""


def real(name: str = "") -> Path | None:
    """The folder of a real chart, or the folder of all of them; None where there is none."""
    told = os.environ.get("DROPLESS_CHARTS")
    if not told:
        return None
    assert Path(told).is_dir(), f"DROPLESS_CHARTS names {told}, which is no folder"
    folder = Path(told) / name
    return folder if folder.is_dir() else None


def real_kinds(tools: Tools) -> list[dict[str, Any]]:
    """The custom kinds that the real charts bring."""
    folder = real()
    made = (
        yaml.load_all(_run(tools, "template", str(chart), "--include-crds"), Loader=yaml.CSafeLoader)
        for chart in sorted(folder.iterdir() if folder else ())
    )
    return [each for of in made for each in of if each and each["kind"] == "CustomResourceDefinition"]


@contextmanager
def repository(tools: Tools, folder: Path) -> Iterator[str]:
    """The URL of a repository with each public chart, or a stand-in for it."""
    served = folder / "served"
    served.mkdir(parents=True)
    for release in RELEASES:
        if not release.ours:
            _package(tools, release, folder / "charts", served)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Silent, directory=str(served)))
    url = f"http://127.0.0.1:{server.server_port}"
    _run(tools, "repo", "index", str(served), "--url", url)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _package(tools: Tools, release: Release, charts: Path, served: Path) -> None:
    chart = charts / release.chart
    if there := real(release.chart):
        shutil.copytree(there, chart)
        _run(tools, "package", str(chart), "--version", release.version, "--destination", str(served))
        return
    (chart / "templates").mkdir(parents=True)
    about = {"apiVersion": "v2", "name": release.chart, "version": release.version, "description": "A stand-in."}
    (chart / "Chart.yaml").write_text(yaml.safe_dump(about))
    (chart / "values.yaml").write_text("{}\n")
    for number, pods in enumerate(release.pods):
        (chart / "templates" / f"{number}.yaml").write_text(_workload(release.chart, number, pods))
    _run(tools, "package", str(chart), "--destination", str(served))


def _workload(chart: str, number: int, pods: Pods) -> str:
    volumes = ""
    if pods.volume:
        volumes = _VOLUMES.format(
            number=_value(pods.volumes) if pods.volumes else "1", size=f"{{{{ {_value(pods.volume)} }}}}"
        )
    return _WORKLOAD.format(
        chart=chart,
        number=number,
        replicas=f"{{{{ {_value(pods.replicas)} }}}}",
        resources=f"{{{{- toYaml {_value(pods.resources)} | nindent 12 }}}}",
        volumes=volumes,
    )


def _value(path: str) -> str:
    if path.isdigit():
        return path
    return f"(index $.Values {' '.join(part if part.isdigit() else f'{part!r}' for part in path.split('.'))})".replace(
        "'", '"'
    )


def _run(tools: Tools, *arguments: str) -> str:
    done = subprocess.run([tools.helm, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
