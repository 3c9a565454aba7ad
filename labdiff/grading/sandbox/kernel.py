"""nbval's kernel, supervised: a dead one is noticed at once, and its messages are limited."""

import contextlib
import os
import time
from collections import deque

import zmq
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager
from nbval.kernel import RunningKernel

from labdiff.grading.sandbox import config, limits, messages
from labdiff.grading.sandbox.protocol import MIME

POLL = 0.1  # seconds
MESSAGE_SIZE = 16 * 2**20  # bytes of one part of a message
TOTAL_SIZE = 64 * 2**20  # bytes of all messages of a question
GROWTH = 512 * 2**20  # bytes by which this process may grow meanwhile
WAITING = 20  # messages in zmq's queue
SOCKETS = {zmq.MAXMSGSIZE: MESSAGE_SIZE, zmq.RCVHWM: WAITING, zmq.LINGER: 0, zmq.RECONNECT_IVL: 10}
DIED = "It ended the kernel: out of memory, os._exit or a crash."
WHY = {
    config.TOO_MANY: ("error", f"It started more than {config.PROCESSES} processes."),
    config.TOO_MUCH: ("error", "It and its processes took too much memory."),
    config.TOO_FULL: ("error", "It wrote too much to the disk."),
}


class Stopped(Exception):
    """Why a kernel can't go on: `status` is "timeout", "kernel died" or "error"."""

    def __init__(self, status: str, message: str):
        super().__init__(message)
        self.status = status


class Kernel(RunningKernel):
    """Started by a command of isolate.start, in a folder of its own."""

    def __init__(
        self,
        command: list[str],
        environment: dict[str, str],
        run: str,
        size: int = 0,
        startup_timeout: float = 120,
    ):
        """`size`: bytes that earlier kernels of the same question sent; the limit is for all together."""
        self.size, self.inbox, self.request, self.memory = size, deque(), "", limits.resident(os.getpid())
        context = zmq.Context()
        for option, value in SOCKETS.items():
            context.setsockopt(option, value)
        self.km = KernelManager(
            kernel_name="", transport="ipc", ip=f"{run}/k", connection_file=f"{run}/c.json", context=context
        )
        argv = [*command, "-f", "{connection_file}", "--HistoryManager.enabled=False"]
        self.km._kernel_spec = KernelSpec(
            argv=argv, language="python", display_name="grading", interrupt_mode="message"
        )
        try:
            self._start(run, environment, startup_timeout * patience())
        except BaseException:
            self.stop()  # nobody else can: a socket that stays open blocks the collector of garbage for ever
            raise

    def _start(self, run: str, environment: dict[str, str], timeout: float) -> None:
        with open(os.devnull, "w") as null:
            self.km.start_kernel(cwd=run, env=environment, stdin=null, stdout=null, stderr=null)
        self.kc = self.km.client()
        self.kc.start_channels(stdin=False, hb=False, control=False)
        self.sockets = [self.kc.shell_channel.socket, self.kc.iopub_channel.socket]
        end = time.monotonic() + timeout
        while not self._answers():
            if time.monotonic() > end:
                raise RuntimeError(
                    f"kernel: expected an answer in {timeout:.0f} s, got nothing. Is the machine busy?"
                )

    def _answers(self) -> bool:
        """Whether kernel_info is answered on iopub, which may connect later than the other channels."""
        self.request, self.inbox = self.kc.kernel_info(), deque()
        end = time.monotonic() + POLL
        while time.monotonic() < end:
            self.receive()
            if self.inbox:
                return True
        return False

    def execute_cell_input(self, cell_input: str, allow_stdin: bool | None = None) -> str:
        self.inbox = deque()
        self.request = super().execute_cell_input(cell_input, allow_stdin)
        return self.request

    def await_reply(self, msg_id: str, timeout: float) -> None:
        """Wait until a request is done, reading all that comes meanwhile."""
        end = time.monotonic() + timeout * patience()
        while msg_id not in self.receive():
            if time.monotonic() > end:
                raise Stopped("timeout", f"It was stopped after {timeout:g} seconds.")

    def get_message(self, stream: str, timeout: float) -> dict:
        """The next message of the current request; an idle status is made up if its own was dropped."""
        end = time.monotonic() + timeout
        while not self.inbox:
            self.receive()
            if time.monotonic() > end:
                self.inbox.append(messages.Message("status", self.request, {"execution_state": "idle"}))
        return self.inbox.popleft().as_dict()

    def receive(self) -> set[str]:
        """Read messages for up to POLL seconds; return the requests that are done. May raise Stopped."""
        done = set()
        if not any(socket.poll(0) for socket in self.sockets):
            self.watch()
            zmq.select(self.sockets, [], [], POLL)
        with contextlib.suppress(zmq.Again):
            for socket in self.sockets:
                for _ in range(WAITING):
                    if not socket.poll(0):
                        break
                    message = self._read(socket.recv_multipart(zmq.NOBLOCK))
                    if message.kind.endswith("_reply"):
                        done.add(message.parent)
                    elif message.parent == self.request and self._is_wanted(message):
                        self.inbox.append(message)
        return done

    def _read(self, frames: list[bytes]) -> messages.Message:
        self.size += sum(map(len, frames)) + 1000
        if self.size > TOTAL_SIZE or limits.resident(os.getpid()) > self.memory + GROWTH:
            raise Stopped("error", "It sends messages without end.")
        try:
            return messages.read(self.kc.session, frames)
        except messages.Strange as why:
            raise Stopped("error", f"It sends messages that no kernel sends ({why}).") from None

    @staticmethod
    def _is_wanted(message: messages.Message) -> bool:
        if message.kind == "status":
            return message.content["execution_state"] == "idle"
        return message.kind == "display_data" and MIME in message.content["data"]

    def _process(self):
        return getattr(self.km.provisioner, "process", None)

    def watch(self) -> None:
        """Raise Stopped if the kernel has ended, or if what it sends piles up."""
        process = self._process()
        if process is None or process.poll() is not None:
            raise Stopped(*WHY.get(getattr(process, "returncode", 0), ("kernel died", DIED)))
        if limits.resident(os.getpid()) > self.memory + GROWTH:
            raise Stopped("error", "It sends messages without end.")

    def is_alive(self) -> bool:
        """nbval asks this before each cell; a kernel that died is noticed in receive()."""
        return True

    def stop(self) -> None:
        """End the kernel; the fork server's guard ends whatever it left behind."""
        for end in (
            lambda: self.kc.stop_channels(),  # there is none if the start has failed
            lambda: self._process().kill(),
            lambda: self._process().wait(5),  # the manager would look only every 0.1 s
            lambda: self.km.shutdown_kernel(now=True),
            lambda: self.km.context.destroy(linger=0),
        ):
            with contextlib.suppress(Exception):
                end()


def patience() -> float:
    """How much longer than on an idle machine things may take now."""
    try:
        return min(10.0, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))
    except (OSError, AttributeError):
        return 1.0
