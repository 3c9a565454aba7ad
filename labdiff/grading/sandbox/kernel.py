"""nbval's kernel, watched: a dead one costs a moment and not the timeout, and no output or process can pile up."""

import contextlib
import os
import time
from queue import Empty

import zmq
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager
from nbval.kernel import RunningKernel

from labdiff.grading.sandbox import warm

POLL = 0.1  # seconds
MESSAGES, MESSAGE_SIZE, TOTAL_SIZE = 2000, 16 * 2**20, 64 * 2**20
WHY = {
    warm.TOO_MANY: ("error", f"It started more than {warm.PROCESSES} processes."),
    warm.TOO_MUCH: ("error", "It and its processes took too much memory."),
}


class Stopped(Exception):
    """Why a kernel can't go on: `status` is "timeout", "kernel died" or "error"."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Kernel(RunningKernel):
    """Started by a command of isolate.start, in a folder of its own."""

    def __init__(self, command, env, run, startup_timeout=120):
        self.messages, self.size = 0, 0
        context = zmq.Context()
        context.setsockopt(zmq.MAXMSGSIZE, MESSAGE_SIZE)
        context.setsockopt(zmq.LINGER, 0)
        self.km = KernelManager(
            kernel_name="", transport="ipc", ip=f"{run}/k", connection_file=f"{run}/c.json", context=context
        )
        argv = [*command, "-f", "{connection_file}", "--HistoryManager.enabled=False"]
        self.km._kernel_spec = KernelSpec(
            argv=argv, language="python", display_name="grading", interrupt_mode="message"
        )
        with open(os.devnull, "w") as null:
            self.km.start_kernel(cwd=str(run), env=env, stdin=null, stdout=null, stderr=null)
        self.kc = self.km.client()
        self.kc.start_channels()
        end = time.monotonic() + startup_timeout
        while not self._answers():
            self.watch()
            if time.monotonic() > end:
                raise RuntimeError(
                    f"kernel: expected it to answer within {startup_timeout} s, got nothing. Is the machine busy?"
                )

    def _answers(self):
        """Whether a question comes back on the channel of outputs, which may connect later than the others."""
        asked = self.kc.kernel_info()
        with contextlib.suppress(Empty):
            while True:
                message = self.kc.get_iopub_msg(timeout=0.5)
                if (
                    message["parent_header"].get("msg_id") == asked
                    and message["content"].get("execution_state") == "idle"
                ):
                    return True

    def await_reply(self, msg_id, timeout=None):
        end = time.monotonic() + timeout
        while True:
            try:
                if self.kc.get_shell_msg(timeout=POLL)["parent_header"].get("msg_id") == msg_id:
                    return
            except Empty:
                self.watch()
            if time.monotonic() > end:
                raise Stopped("timeout", f"It was stopped after {timeout:g} seconds.")

    def get_message(self, stream, timeout=None):
        try:
            message = super().get_message(stream, timeout)
        except Empty:
            self.watch()
            raise Stopped("kernel died", "The kernel's last messages never came.") from None
        self.messages += 1
        self.size += len(repr(message["content"]))
        if self.messages > MESSAGES or self.size > TOTAL_SIZE:
            raise Stopped("error", "It sends messages without end.")
        return message

    def watch(self):
        """Raise Stopped if the kernel has ended."""
        if self.km.is_alive():
            return
        code = self.km.provisioner.process and self.km.provisioner.process.returncode
        raise Stopped(
            *WHY.get(
                code, ("kernel died", "It ended the kernel: out of memory, os._exit, exit() or a crash.")
            )
        )

    def stop(self):
        """End the kernel; warm.py's guard ends whatever it left behind."""
        with contextlib.suppress(Exception):
            self.kc.stop_channels()
        with contextlib.suppress(Exception):
            self.km.shutdown_kernel(now=True)
        with contextlib.suppress(Exception):
            self.km.context.destroy(linger=0)
