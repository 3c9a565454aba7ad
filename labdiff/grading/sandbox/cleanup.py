"""Removing a folder that a student's code wrote into. Standard library only."""

import contextlib
import os
import stat


def remove_tree(folder: str) -> None:
    """Remove a folder and all that is in it, however deep, and whatever its modes; what can't be removed is
    left.

    Each folder found is moved up to the top before it is emptied. So no path is longer than the system
    allows, no recursion is deep, and one folder is open at a time (shutil.rmtree opens one for each level).
    """
    folder = os.path.abspath(folder)
    todo, count = [folder], 0
    while todo:
        place = todo.pop()
        with contextlib.suppress(OSError):
            os.chmod(place, stat.S_IRWXU)
            for name in os.listdir(place):
                path = os.path.join(place, name)
                with contextlib.suppress(OSError):
                    if not stat.S_ISDIR(os.lstat(path).st_mode):
                        os.unlink(path)
                    elif place == folder:
                        todo.append(path)
                    else:
                        os.chmod(path, stat.S_IRWXU)
                        count += 1
                        up = os.path.join(folder, f".removed-{os.getpid()}-{count}")
                        os.rename(path, up)
                        todo.append(up)
            if place != folder:
                os.rmdir(place)
    with contextlib.suppress(OSError):
        os.rmdir(folder)
