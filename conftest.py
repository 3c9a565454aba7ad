"""For all tests, the notebooks' included: a machine without any network still needs its loopback, for Jupyter's kernels."""

import socket
import struct
import sys


def pytest_configure(config):
    if sys.platform == "linux":
        import fcntl

        get_flags, set_flags, up = 0x8913, 0x8914, 0x1  # SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP of Linux' headers
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            flags = struct.unpack("16xH14x", fcntl.ioctl(s, get_flags, struct.pack("16sH14x", b"lo", 0)))[0]
            if not flags & up:  # as in `unshare -n pytest`, where it may be switched on
                fcntl.ioctl(s, set_flags, struct.pack("16sH14x", b"lo", flags | up))
