"""The messages of a student's kernel, validated: the student's code may have sent anything."""

from dataclasses import dataclass

from jupyter_client.session import Session

FIELDS: dict[str, dict[str, type]] = {  # what the grader looks at, and what a kernel always puts there
    "status": {"execution_state": str},
    "display_data": {"data": dict, "metadata": dict},
    "update_display_data": {"data": dict, "metadata": dict},
    "execute_result": {"data": dict, "metadata": dict},
    "stream": {"name": str, "text": str},
    "error": {"ename": str, "evalue": str, "traceback": list},
    "execute_reply": {"status": str},
    "kernel_info_reply": {},
}
DEEPEST = 30  # lists in lists: nbval goes through them by recursion


class Strange(Exception):
    """A message that no kernel sends by itself."""


@dataclass(frozen=True)
class Message:
    """A message: its kind (msg_type), the id of the request that it belongs to, and its content."""

    kind: str
    parent: str
    content: dict

    def as_dict(self) -> dict:
        """As nbval reads it."""
        return {"msg_type": self.kind, "parent_header": {"msg_id": self.parent}, "content": self.content}


def is_deep(value: object, left: int = DEEPEST) -> bool:
    """Whether more lists or dicts than `left` lie in each other."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not left or any(is_deep(one, left - 1) for one in inner)


def read(session: Session, frames: list[bytes]) -> Message:
    """The Message in some frames. Raises Strange if it is garbled, unsigned, a replay, or no kernel's."""
    try:
        raw = session.deserialize(session.feed_identities(frames)[1])
        parent = (raw["parent_header"] or {}).get("msg_id", "")
        made = Message(str(raw["msg_type"]), str(parent), raw["content"])
        wrong = [k for k, kind in FIELDS.get(made.kind, {}).items() if not isinstance(made.content[k], kind)]
    except Exception as error:  # deserialize raises many kinds of exceptions, RecursionError too
        raise Strange(f"{type(error).__name__}: {error}"[:200]) from None
    if made.kind == "display_data" and is_deep(made.content):
        raise Strange(f"{made.kind} with too many lists in lists")
    if wrong:
        raise Strange(f"{made.kind} without a proper {wrong[0]}")
    return made
