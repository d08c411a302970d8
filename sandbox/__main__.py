"""`python -m sandbox`: the outside world as one process."""

import argparse
from contextlib import suppress
from pathlib import Path

from sandbox.app import Sandbox
from sandbox.server import make_server


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="sandbox", description="A Cloud API, a Zendesk, a phone and an agent.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--state", type=Path, help="JSON file that keeps the state over restarts")
    parser.add_argument("--clock-file", type=Path, help="file that gets the clock's offset in seconds")
    wish = parser.parse_args()
    base_url = f"http://{wish.host}:{wish.port}"
    sandbox = Sandbox(base_url=base_url, state_file=wish.state, clock_file=wish.clock_file)
    with suppress(KeyboardInterrupt):
        make_server(sandbox.app, live=sandbox.live, host=wish.host, port=wish.port).run()


if __name__ == "__main__":
    main()
