"""Warms a service up in the background, again and again until nothing is missing."""

import logging
from threading import Event, Thread

from autotag.errors import AutotagError
from autotag.serving.api.service import SearchService

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
_log = logging.getLogger(__name__)


class Warming:
    """A thread of its own, which ends once the service is ready, or when it is told to."""

    def __init__(self, service: SearchService) -> None:
        """Nothing runs yet."""
        self._service = service
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="warming up", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Try no more; what is being tried goes on to its end."""
        self._stopped.set()

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        told: list[str] = []
        while not self._stopped.is_set():
            try:
                self._service.warm_up()
                missing = self._service.obstacles()
            except AutotagError as error:
                missing = [str(error)]
            except Exception as error:  # noqa: BLE001 - a thread that ends leaves a service that is never ready
                missing = [f"{type(error).__name__}: {error}"]
            if not missing or self._stopped.is_set():
                return
            if missing != told:
                _log.warning("not ready yet: %s", "; ".join(missing))
                told = missing
            self._stopped.wait(pause_s)
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
