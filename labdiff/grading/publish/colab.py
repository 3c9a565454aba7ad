"""A notebook that opens in Colab: a badge on top, and a cell that installs labdiff there."""

import re

BADGE = """\
[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](\
https://colab.research.google.com/github/{owner}/{repository}/blob/{branch}/{path})"""
INSTALL = """\
# in Colab: installs labdiff, which takes a minute; elsewhere it does nothing
import sys

if "google.colab" in sys.modules:
    %pip install --quiet "{package}"
"""
PLACE = re.compile(
    r"(?P<owner>[\w.-]+)/(?P<repository>[\w.-]+?)(@(?P<branch>[\w.-]+))?(?P<folder>(/[\w. -]+)*)/?"
)


def prepare(notebook: dict, name: str, place: str, package: str | None = None) -> dict:
    """Put the badge and the cell in front, in place; doing it again changes nothing.

    Args:
        notebook: its JSON.
        name: of its file.
        place: where on GitHub the file will be: OWNER/REPOSITORY[@BRANCH][/FOLDER].
        package: what pip is to install there; by default the repository itself.

    Returns: the notebook.
    Raises: ValueError: a place that is none.
    """
    found = PLACE.fullmatch(place)
    if not found:
        raise ValueError(f"handout: --colab: expected OWNER/REPOSITORY[@BRANCH][/FOLDER], got {place}")
    owner, repository, branch = found["owner"], found["repository"], found["branch"] or "main"
    path = f"{found['folder']}/{name}".lstrip("/").replace(" ", "%20")
    badge = BADGE.format(owner=owner, repository=repository, branch=branch, path=path)
    package = package or f"labdiff @ git+https://github.com/{owner}/{repository}@{branch}"
    new: list[dict] = [
        {"cell_type": "markdown", "id": "colab-badge", "metadata": {}, "source": badge},
        {
            "cell_type": "code",
            "id": "colab-install",
            "metadata": {},
            "source": INSTALL.format(package=package),
            "outputs": [],
            "execution_count": None,
        },
    ]
    ids = {cell["id"] for cell in new}
    notebook["cells"] = new + [cell for cell in notebook["cells"] if cell.get("id") not in ids]
    return notebook
