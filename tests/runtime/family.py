"""A supervisor in a process of its own, with roles that report what they do. Run by test_supervisor.py."""

import os
import signal
import sys
import time
from pathlib import Path

from bridge.runtime import log
from bridge.runtime.configuration import Orders
from bridge.runtime.supervisor import Renewal, Role, RoleNotReady, Supervisor

FOLDER = Path(sys.argv[1])


def report(role: str) -> None:
    FOLDER.joinpath(f"{role}.{os.getpid()}").touch()


def obedient() -> None:
    report("obedient")
    while True:
        signal.pause()


def with_a_child_of_its_own() -> None:
    if os.fork() == 0:
        report("grandchild")
    else:
        report("mother")
    while True:
        signal.pause()


def deaf() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    report("deaf")
    while True:
        time.sleep(60)


def failing() -> None:
    report("failing")
    raise RuntimeError("secret text of a customer")


def once() -> None:
    report("once")


def hearing() -> None:
    """Says how often it started over, and by what was taken then."""
    orders = Orders()
    orders.obey()
    report("hearing")
    while orders.start_over():
        orders.stop.wait()
        report(f"heard-{VALUE[0]}")


VALUE = ["first"]


def check() -> None:
    report("check")
    if FOLDER.joinpath("wrong").exists():
        sys.exit(1)


def take() -> bool:
    VALUE[0] = FOLDER.joinpath("value").read_text()
    report("taken")
    return True


def never_ready() -> bool:
    return False


FAMILIES = {
    "obedient": [Role("obedient", obedient, count=2)],
    "mother": [Role("mother", with_a_child_of_its_own)],
    "deaf": [Role("deaf", deaf)],
    "failing": [Role("failing", failing), Role("obedient", obedient)],
    "once": [Role("once", once, once=True), Role("obedient", obedient)],
    "hearing": [Role("hearing", hearing, hears_hangup=True), Role("obedient", obedient)],
    "staged": [
        Role("obedient", obedient),
        Role("failing", failing, stage=0, ready=never_ready, not_ready="the floor is missing"),
    ],
}

if __name__ == "__main__":
    log.configure("json")
    report("parent")
    try:
        renewal = Renewal(check, take) if sys.argv[2] == "hearing" else None
        sys.exit(Supervisor(FAMILIES[sys.argv[2]], renewal=renewal).run())
    except RoleNotReady as exc:
        sys.exit(str(exc))
