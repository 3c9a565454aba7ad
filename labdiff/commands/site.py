"""labdiff site: all notebooks as static pages whose sliders move."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from labdiff import course
from labdiff.commands import options


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parser of site."""
    site = commands.add_parser(
        "site",
        help="write the notebooks as web pages whose sliders move",
        description="Run the notebooks and write them into OUT as static pages, OUT/index.html first: the "
        "sliders move without kernel and network. A cell that fails is marked on its page, and the exit code "
        "is 1. Takes as long as the notebooks, some minutes.",
    )
    site.add_argument("out", metavar="OUT", type=Path)
    site.add_argument("paths", nargs="*", type=Path, metavar="NOTEBOOK", help="these only (default: all)")
    options.notebooks(site)
    site.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the notebooks and write their pages; 1 if a cell failed."""
    from labdiff.site import network, pages, running, sources

    paths = [path.resolve() for path in args.paths or sorted(course.folder(args.notebooks).glob("*.ipynb"))]
    for path in paths:
        if path.suffix != ".ipynb" or not path.is_file():
            raise ValueError(f"site: NOTEBOOK: expected the path of a notebook, NAME.ipynb, got {path}")
    titles = sources.titles_of(paths)
    names = [*(path.stem.lower() for path in titles), "index"]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(
            "site: NOTEBOOK: expected different names, for each names a page, and index.html is the site's "
            f"own, got two pages {', '.join(sorted(twice))}.html. Rename one"
        )
    if args.out.exists() and not args.out.is_dir():
        raise ValueError(f"site: OUT: expected a folder, or a path at which to make one, got {args.out}")
    args.out.mkdir(parents=True, exist_ok=True)
    notebooks = {}
    with tempfile.TemporaryDirectory() as kept:
        for path in paths:
            start = time.perf_counter()
            notebooks[path] = running.run(path, Path(kept))
            print(f"{path.name} ran in {time.perf_counter() - start:.0f} s", flush=True)
        nets = network.kept(Path(kept))
    wanted = {name for notebook in notebooks.values() for name in pages.networks_in(notebook)}
    known = network.put_network(args.out, wanted, nets)
    for path in titles:
        notebook = notebooks.get(path) or sources.markdown(path.read_text("utf-8"))
        size = pages.write(path, notebook, titles, args.out, known)
        print(f"{path.stem}.html: {size / 1e6:.1f} MB", flush=True)
    print(f"open {pages.write_index(titles, args.out, known)}")
    broken = {path: numbers for path in paths if (numbers := running.failed(notebooks[path]))}
    for path, numbers in broken.items():
        print(f"{path}: code cell {', '.join(map(str, numbers))} failed; see its page", file=sys.stderr)
    return int(bool(broken))
