"""MinIO: the S3 server of the lake and of Pinot's deep store."""

from __future__ import annotations

from dropless.settings import LOOPBACK
from local_stack.context import Context
from local_stack.process import ConfigFile, Process
from local_stack.versions import MINIO

SYSTEM = "minio"
ROOT_USER = "dropless-root"


def processes(context: Context) -> list[Process]:
    """One node with one drive, or one pool of two nodes.

    Never two pools: conditional writes are not atomic across pools, and the lake's commits need them.
    """
    return [_node(context, node) for node in context.nodes("minio")]


def _node(context: Context, node: int) -> Process:
    name = f"minio-{node}"
    port, console = context.port("minio", node), context.port("minio_console", node)
    user = context.config(name) / "root_user"
    nodes = context.nodes("minio")
    environment = {
        "MINIO_ROOT_USER_FILE": str(user),
        "MINIO_ROOT_PASSWORD_FILE": str(context.settings.secrets / "minio_root"),
        # Nothing reaches outside: no update check, no call home.
        "MINIO_UPDATE": "off",
        "MINIO_CALLHOME_ENABLE": "off",
        "MINIO_BROWSER_REDIRECT": "false",
        # Drives on the root disk are refused otherwise.
        "MINIO_CI_CD": "1",
        # A Go runtime that returns memory instead of growing with every burst.
        "GOMEMLIMIT": "256MiB",
    }
    if len(nodes) == 1:
        drives = [_drive(context, node)]
    else:
        drives = [f"http://{LOOPBACK}:{context.port('minio', each)}{_drive(context, each)}" for each in nodes]
        # In a container MinIO otherwise can't tell which of several loopback addresses is its own.
        environment["_MINIO_SERVER_LOCAL"] = f"{LOOPBACK}:{port}"
    return Process(
        system=SYSTEM,
        name=name,
        argv=(
            str(context.software.folder(MINIO) / "minio"),
            "server",
            *("--address", f"{LOOPBACK}:{port}", "--console-address", f"{LOOPBACK}:{console}"),
            *("--certs-dir", str(context.config(name) / "certs"), "--quiet"),
            *drives,
        ),
        environment=environment,
        files=(ConfigFile(user, ROOT_USER),),
        ports={"MinIO": port, "MinIO console": console},
        directory=context.data(name),
    )


def _drive(context: Context, node: int) -> str:
    return str(context.data(f"minio-{node}") / "drive")
