"""A real Kubernetes control plane on loopback: etcd, API server, controller manager, scheduler; nodes are kwok's.

Nothing is really run on those nodes: pods are scheduled, become ready, and their volumes bind; no container is started.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import yaml
from built import Built
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from local_stack.helm import Tools

READY_SECONDS: Final = 240.0
NODES: Final = 9
ZONES: Final = 3
CAPACITY: Final = {"cpu": "32", "memory": "128Gi", "pods": "110"}


class ControlPlane:
    """One control plane; `base` is the first of six ports."""

    def __init__(self, built: Built, tools: Tools, folder: Path, base: int) -> None:
        self.built, self.tools, self.folder = built, tools, folder
        self.etcd, self.peer, self.api, self.managers, self.scheduler, self.kwok = range(base, base + 6)
        self.kubeconfig = folder / "kubeconfig"
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all but kwok, and wait until the API server is ready."""
        for port in (self.etcd, self.peer, self.api, self.managers, self.scheduler, self.kwok):
            with socket.socket() as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                # Of another plane, it would be taken for ours.
                one.bind(("127.0.0.1", port))
        self._keys()
        at = f"http://127.0.0.1:{self.etcd}"
        peer = f"http://127.0.0.1:{self.peer}"
        self._run(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={at}",
            f"--advertise-client-urls={at}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            # The plane is thrown away.
            "--unsafe-no-fsync",
            "--log-level=warn",
        )
        self._until("etcd", lambda: _answers(f"{at}/health"))
        self._run(
            "kube-apiserver",
            f"--etcd-servers={at}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.api}",
            f"--cert-dir={self.folder / 'certs'}",
            # The API server calls webhooks at their Service's address, which must not leave this machine.
            "--service-cluster-ip-range=127.96.0.0/16",
            "--endpoint-reconciler-type=none",
            "--authorization-mode=RBAC",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={self.folder / 'accounts.pub'}",
            f"--service-account-signing-key-file={self.folder / 'accounts.key'}",
            "--allow-privileged=true",
            "--profiling=false",
        )
        self._until("kube-apiserver", (self.folder / "certs" / "apiserver.crt").is_file)
        self._until("kube-apiserver", lambda: self.kubectl("get", "--raw", "/readyz", check=False).strip() == "ok")
        own = [f"--{each}={self.kubeconfig}" for each in ("kubeconfig", "authentication-kubeconfig")]
        own += [f"--authorization-kubeconfig={self.kubeconfig}", "--bind-address=127.0.0.1", "--leader-elect=false"]
        self._run(
            "kube-controller-manager",
            *own,
            f"--secure-port={self.managers}",
            f"--cert-dir={self.folder / 'certs-managers'}",
            f"--service-account-private-key-file={self.folder / 'accounts.key'}",
            f"--root-ca-file={self.folder / 'certs' / 'apiserver.crt'}",
        )
        self._run(
            "kube-scheduler",
            *own,
            f"--secure-port={self.scheduler}",
            f"--cert-dir={self.folder / 'certs-scheduler'}",
        )

    def add_kinds(self, text: str) -> None:
        """Make custom kinds, and wait until they can be used."""
        self.apply(text)
        kinds = [each["spec"] for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each]
        wanted = {f"apis/{each['group']}/{version['name']}" for each in kinds for version in each["versions"]}
        # Established is not yet described, which is what kwok and Helm want to see.
        self._until(
            "kube-apiserver", lambda: wanted <= json.loads(self.kubectl("get", "--raw", "/openapi/v3"))["paths"].keys()
        )

    def add_nodes(self, stages: Sequence[Mapping[str, Any]]) -> None:
        """Make the nodes, and have kwok play them, their disks and `stages`, whose kinds must be there already."""
        config = self.folder / "stages.yaml"
        own = (self.built.folder / "stages.yaml").read_text()
        config.write_text(f"{own}\n---\n{yaml.safe_dump_all(stages)}")
        self._run(
            "kwok",
            f"--kubeconfig={self.kubeconfig}",
            "--manage-all-nodes=true",
            "--node-lease-duration-seconds=40",
            f"--server-address=127.0.0.1:{self.kwok}",
            "--node-ip=127.0.0.1",
            f"--node-port={self.kwok}",
            # TEST-NET: no pod's address is anybody's.
            "--cidr=198.51.100.0/24",
            f"--config={config}",
        )
        self.apply((self.built.folder / "storage-class.yaml").read_text())
        # Not applied, since that leaves out a status, which here says how large they are.
        nodes = yaml.safe_dump_all([_node(number) for number in range(1, NODES + 1)])
        self.kubectl("create", "--filename", "-", stdin=nodes)
        ready = "jsonpath={range .items[*]}{.status.conditions[?(@.type=='Ready')].status} {end}"
        self._until("kwok", lambda: self.kubectl("get", "nodes", "-o", ready).split().count("True") == NODES)

    def stop(self) -> None:
        """End every process; the folder stays."""
        for child in reversed(self._running.values()):
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        self._running.clear()

    def pid(self, program: str) -> int:
        """Of one of its processes."""
        return self._running[program].pid

    def apply(self, text: str) -> None:
        """Make objects, as their owner does."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", stdin=text)

    def kubectl(self, *arguments: str, stdin: str = "", check: bool = True) -> str:
        """What kubectl prints.

        Raises:
            AssertionError: it failed, and that was not expected.
        """
        done = subprocess.run(
            [self.tools.kubectl, "--kubeconfig", self.kubeconfig, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert not check or done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout if check else done.stdout + done.stderr

    def read(self, *arguments: str) -> Any:
        """What `kubectl get` finds, as JSON."""
        return yaml.load(self.kubectl("get", *arguments, "--output", "json"), Loader=yaml.CSafeLoader)

    def _run(self, program: str, *arguments: str) -> None:
        with (self.folder / f"{program}.log").open("wb") as log:
            # Whatever becomes of the tests, none of these outlives them.
            guarded = ["setpriv", "--pdeathsig", "KILL", self.built.program(program), *arguments]
            self._running[program] = subprocess.Popen(
                guarded, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder, start_new_session=True
            )

    def _until(self, program: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not holds():
            code = self._running[program].poll()
            log = (self.folder / f"{program}.log").read_text()[-2000:]
            assert code is None, f"{program} ended with {code}: {log}"
            assert time.monotonic() < deadline, f"{program} is not ready: {log}"
            time.sleep(0.2)

    def _keys(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (self.folder / "accounts.key").write_bytes(private)
        (self.folder / "accounts.pub").write_bytes(public)
        token = secrets.token_urlsafe(24)
        (self.folder / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
        self.kubeconfig.write_text(yaml.safe_dump(self.config({"token": token})))

    def config(self, user: Mapping[str, str]) -> dict[str, Any]:
        """A kubeconfig for somebody, whose context is `plane`."""
        cluster = {
            "server": f"https://127.0.0.1:{self.api}",
            "certificate-authority": str(self.folder / "certs" / "apiserver.crt"),
        }
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "plane",
            "clusters": [{"name": "plane", "cluster": cluster}],
            "users": [{"name": "somebody", "user": dict(user)}],
            "contexts": [{"name": "plane", "context": {"cluster": "plane", "user": "somebody"}}],
        }


def decoded(secret: Mapping[str, Any]) -> dict[str, str]:
    """The values of a Secret."""
    return {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}


def _node(number: int) -> dict[str, Any]:
    name = f"node-{number}"
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/zone": f"zone-{number % ZONES + 1}",
    }
    metadata = {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}}
    status = {"allocatable": CAPACITY, "capacity": CAPACITY}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status}


def _answers(url: str) -> bool:
    with suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(url, timeout=2) as answer:
        return bool(answer.status == 200)
    return False
