"""What our own processes share: status, watchdog, shown configuration."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import httpx
import pytest

from dropless.durability import shown
from dropless.errors import DroplessError
from dropless.measures import spread
from dropless.statusserver import StatusServer
from dropless.union.watchdog import STUCK


def test_the_status_is_json_on_loopback():
    server = StatusServer(0, lambda: {"rows_in": 3})
    answer = httpx.get(f"http://127.0.0.1:{server.port}/", trust_env=False)
    server.close()
    assert answer.json() == {"rows_in": 3}
    assert answer.headers["content-type"] == "application/json"


def test_a_taken_port_is_one_sentence():
    server = StatusServer(0, dict)
    with pytest.raises(DroplessError, match=f"Port {server.port} .* cannot be listened on"):
        StatusServer(server.port, dict)
    server.close()


def test_a_call_that_never_returns_ends_the_process():
    stuck = "import time; from dropless.union.watchdog import Watchdog\nwith Watchdog().guard('x', 0.1): time.sleep(60)"
    assert subprocess.run([sys.executable, "-c", stuck], timeout=30, check=False).returncode == STUCK


def test_a_call_that_returns_leaves_the_process_alone():
    quick = (
        "import time; from dropless.union.watchdog import Watchdog; dog = Watchdog()\n"
        "with dog.guard('x', 0.3): pass\n"
        "time.sleep(1)"
    )
    assert subprocess.run([sys.executable, "-c", quick], timeout=30, check=False).returncode == 0


def test_a_call_is_not_stuck_while_the_process_is_suspended():
    late = (
        "import time\n"
        "from dropless.union.watchdog import Watchdog\n"
        "watchdog = Watchdog()\n"
        "with watchdog.guard('x', 2):\n"
        "    print('in the call', flush=True)\n"
        "    for _ in range(3): time.sleep(0.4)\n"
    )
    with subprocess.Popen([sys.executable, "-c", late], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "in the call\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(3)
        process.send_signal(signal.SIGCONT)
        assert process.wait(20) == 0


def test_a_process_is_stopped_in_time_while_its_main_thread_waits_in_a_library():
    # Nothing interrupts this hash; Python's own signal handlers would run after it.
    stuck = (
        "import hashlib\n"
        "from dropless.stopping import on_stop\n"
        "from dropless.union.watchdog import Watchdog\n"
        "watchdog = Watchdog()\n"
        "on_stop(lambda name: (print(name, flush=True), watchdog.leave_within(0.3)))\n"
        "print('ready', flush=True)\n"
        "with watchdog.guard('x', 120): hashlib.pbkdf2_hmac('sha256', b'x', b'y', 2**31 - 1)"
    )
    with subprocess.Popen([sys.executable, "-c", stuck], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.stdout.readline() == "SIGTERM\n"
        assert process.wait(20) == 0


def test_no_secret_is_shown():
    config = {"sasl.password": "s", "ssl.key.pem": "s", "sasl.oauthbearer.client.secret": "s", "acks": "all"}
    assert shown(config) == {"acks": "all"}


def test_the_spread_of_values():
    assert spread([]) == {"p50": None, "p99": None, "last": None}
    assert spread([7.0]) == {"p50": 7.0, "p99": 7.0, "last": 7.0}
    assert spread([float(n) for n in range(101)]) == {"p50": 50.0, "p99": 99.0, "last": 100.0}
