"""The command that runs a Java server with as little memory and start time as it needs."""

from __future__ import annotations

from local_stack.toolchain import Java

# glibc otherwise keeps an arena per thread: 50 MB and more for each server.
ENVIRONMENT = {"MALLOC_ARENA_MAX": "2"}


def command(
    java: Java,
    classpath: str,
    main: tuple[str, ...],
    *,
    heap_mb: int,
    properties: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """A Java command line; `heap_mb` is the largest heap in MiB.

    The first compiler alone and the serial collector: less memory and a faster start on few cores.
    """
    return (
        java.executable,
        f"-Xms{min(64, heap_mb)}m",
        f"-Xmx{heap_mb}m",
        "-Xss512k",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",
        "-Djava.awt.headless=true",
        "-Duser.timezone=UTC",
        "-Djava.net.preferIPv4Stack=true",
        *properties,
        "-cp",
        classpath,
        *main,
    )
