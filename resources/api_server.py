"""A Kubernetes API server: its objects as plain dictionaries, through the official client."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Self, TypeVar

from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import (
    ConflictError,
    DynamicApiError,
    ForbiddenError,
    NotFoundError,
    ResourceNotFoundError,
)
from urllib3.exceptions import HTTPError

from dropless.errors import DroplessError, Unreachable
from dropless.kubernetes.manifests import Reference

SECONDS: Final = 10.0

Object = Mapping[str, Any]
Answer = TypeVar("Answer")


class Conflict(DroplessError):
    """An object is there already, or was changed by somebody else since it was read."""


class Forbidden(DroplessError):
    """We may not do that here."""


@dataclass(frozen=True)
class Access:
    """Which cluster, and as whom: a context of a kubeconfig; in a cluster, without either, the pod's account."""

    context: str | None = None
    kubeconfig: Path | None = None

    @property
    def in_cluster(self) -> bool:
        """Whether we are a pod that was told of no other cluster."""
        told = self.context or self.kubeconfig or os.environ.get("KUBECONFIG")
        return not told and "KUBERNETES_SERVICE_HOST" in os.environ

    def arguments(self, context: str) -> list[str]:
        """The same for helm and kubectl, which call their option of the context differently.

        Both know by themselves when they are in a cluster.
        """
        chosen = {"--kubeconfig": self.kubeconfig, context: self.context}
        return [part for name, value in chosen.items() if value for part in (name, str(value))]


class ApiServer:
    """One API server; it is first asked when something is read."""

    def __init__(self, client: ApiClient) -> None:
        """Speak through a configured client."""
        self._client = client
        # The client remembers in a file what kinds there are, and asks anew for one that is not among them.
        self._known = TemporaryDirectory(prefix="dropless-kinds-")
        self._dynamic: DynamicClient | None = None

    @classmethod
    def connect(cls, access: Access) -> Self:
        """The API server of a cluster.

        Raises:
            DroplessError: there is no such context, or no kubeconfig at all.
        """
        configuration = Configuration()
        try:
            if access.in_cluster:
                config.load_incluster_config(client_configuration=configuration)
            else:
                path = str(access.kubeconfig) if access.kubeconfig else None
                config.load_kube_config(path, context=access.context, client_configuration=configuration)
        except (ConfigException, OSError) as error:
            where = access.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
            raise DroplessError(f"No cluster is known by {where}: {error}; name one by --context.") from None
        configuration.retries = 1
        return cls(ApiClient(configuration))

    @property
    def host(self) -> str:
        """Its URL."""
        return str(self._client.configuration.host)

    def read(self, reference: Reference) -> Object | None:
        """An object, or None when there is none of that name or kind.

        Raises:
            Forbidden: we may not read it.
            Unreachable: the API server does not answer.
        """
        return self._of(
            reference,
            lambda kind: dict(
                kind.get(name=reference.name, namespace=reference.namespace, _request_timeout=SECONDS).to_dict()
            ),
        )

    def listed(self, api_version: str, kind: str, namespace: str, **selectors: str) -> list[Object]:
        """The objects of a kind in a namespace, by `label_selector` or `field_selector`; none of unknown kinds.

        Raises:
            Unreachable: the API server does not answer.
        """
        place = Reference(api_version, kind, "", namespace)
        found = self._of(
            place, lambda of: of.get(namespace=namespace, _request_timeout=SECONDS, **selectors).to_dict()["items"]
        )
        return list(found or ())

    def create(self, body: Object) -> None:
        """Make an object.

        Raises:
            Conflict: there is one of that name.
            Unreachable: the API server does not answer.
        """
        self._sent(body, lambda kind, space: kind.create(body=dict(body), namespace=space, _request_timeout=SECONDS))

    def replace(self, body: Object) -> None:
        """Put an object in the place of the one that was read, by its `resourceVersion`.

        Raises:
            Conflict: somebody changed it since.
            Unreachable: the API server does not answer.
        """
        self._sent(body, lambda kind, space: kind.replace(body=dict(body), namespace=space, _request_timeout=SECONDS))

    def delete(self, reference: Reference) -> None:
        """Remove an object; one that is not there is fine.

        Raises:
            Unreachable: the API server does not answer.
        """
        self._of(
            reference,
            lambda kind: kind.delete(name=reference.name, namespace=reference.namespace, _request_timeout=SECONDS),
        )

    def _sent(self, body: Object, send: Callable[[Any, str | None], Any]) -> None:
        metadata = body["metadata"]
        which = Reference(body["apiVersion"], body["kind"], metadata["name"], metadata.get("namespace"))
        try:
            done = self._of(which, lambda kind: send(kind, which.namespace) or True)
        except ConflictError:
            raise Conflict(f"{which.id} is there already, or was changed by somebody else.") from None
        if done is None:
            raise DroplessError(f"{which.id} cannot be made: the API server has no such kind, or no such namespace.")

    def _of(self, reference: Reference, ask: Callable[[Any], Answer]) -> Answer | None:
        try:
            if self._dynamic is None:
                self._dynamic = DynamicClient(self._client, cache_file=f"{self._known.name}/kinds.json")
            return ask(self._dynamic.resources.get(api_version=reference.api_version, kind=reference.kind))
        except (NotFoundError, ResourceNotFoundError):
            return None
        except ConflictError:
            raise
        except ForbiddenError as error:
            raise Forbidden(f"The API server {self.host} forbids {reference.id}: {error.summary()}.") from None
        except (DynamicApiError, ApiException) as error:
            said = error.summary() if isinstance(error, DynamicApiError) else error.reason
            raise DroplessError(f"The API server {self.host} refused {reference.id}: {said}.") from None
        except (HTTPError, OSError) as error:
            raise Unreachable(f"The API server {self.host} does not answer: {_short(error)}.") from None


def _short(error: Exception) -> str:
    return str(getattr(error, "reason", error)).partition(">: ")[2] or str(error)
