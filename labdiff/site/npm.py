"""The parts of a page that come from npm, in the versions and with the hashes of web/package-lock.json."""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

WEB = Path(__file__).parent / "web"
LONGEST = 600  # seconds for npm


@functools.cache
def modules() -> Path | None:
    """The folder node_modules with what web/package-lock.json names, fetched once into the user's cache.

    Returns: its path; None where node or npm is missing or fails, after a word on stderr.
    """
    lock = (WEB / "package-lock.json").read_bytes()
    folder = cache() / f"web-{hashlib.sha256(lock).hexdigest()[:12]}"
    npm = shutil.which("npm")
    if not shutil.which("node") or not (folder.is_dir() or npm):
        _without("node and npm are not on the PATH (Debian, Ubuntu: apt install nodejs npm)")
        return None
    if not folder.is_dir():
        try:
            _install(npm or "npm", folder)
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
            _without(f"npm ci failed in {WEB}: {' | '.join(said[:3])}")
            return None
    return folder / "node_modules"


def package(name: str) -> Path:
    """The folder of one package, where modules() has them."""
    return (modules() or WEB) / name


def cache() -> Path:
    """The folder for what the site need not make twice."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "labdiff"


def _install(npm: str, folder: Path) -> None:
    """npm ci in a folder of its own, which takes its name when it is whole: two builds at once do no harm."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as started:
        new = Path(started) / "web"
        new.mkdir()
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(WEB / name, new)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=new, check=True, capture_output=True, text=True, timeout=LONGEST)
        if not folder.is_dir():
            new.rename(folder)


def _without(reason: str) -> None:
    print(
        f"site: {reason}. Without them formulas become plain MathML, and panels that need the network stand "
        "still.",
        file=sys.stderr,
    )


def katex(formulas: list[tuple[str, bool]]) -> list[str]:
    """Each (LaTeX, whether it stands alone) as HTML; what KaTeX does not know becomes a span.katex-error."""
    command = ["node", str(WEB / "katex.mjs"), str(modules())]
    done = subprocess.run(
        command, input=json.dumps(formulas), check=True, capture_output=True, text=True, encoding="utf-8"
    )
    return json.loads(done.stdout)
