"""What a kernel is started with: plain data that goes to the fork server as JSON. Standard library only."""

import json
from dataclasses import asdict, dataclass

TOO_MANY, TOO_MUCH, TOO_FULL = 71, 72, 73  # exit codes of the process that stands for a kernel
PROCESSES = 100  # an honest answer starts none


@dataclass(frozen=True)
class KernelConfig:
    """One kernel.

    Attributes:
        isolation: "namespace" or "none".
        run: the kernel's folder: its sockets, and below it its working folder.
        lib: folder with its own labdiff; beside it are the packages (site) and the data files (assets).
        visible: more files and folders that it may read, all read-only; used with "namespace".
        hidden: folders below visible ones that look empty but for what else is visible in them.
        environment: all of its environment variables.
        memory: bytes for each process, and 1.5 times that for all together.
        disk: bytes that it may write.
    """

    isolation: str
    run: str
    lib: str
    visible: list[str]
    hidden: list[str]
    environment: dict[str, str]
    memory: int
    disk: int = 64 * 2**20

    @property
    def cwd(self) -> str:
        return f"{self.run}/work"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "KernelConfig":
        return cls(**json.loads(text))
