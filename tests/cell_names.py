"""Which names a notebook's cells read and bind, and so which of its sections need which others."""

import ast
import builtins
import re

SCOPES = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Names(ast.NodeVisitor):
    """Walks code in the order in which it runs.

    read: names read before they were bound; bound: names bound; later: names that functions read when called.
    """

    def __init__(self, bound=()):
        self.read, self.bound, self.later = set(), set(bound), set()

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Load):
            self.read |= {node.id} - self.bound
        else:
            self.bound.add(node.id)

    def visit_Assign(self, node):
        for part in (node.value, *node.targets):
            self.visit(part)

    def visit_AugAssign(self, node):
        self.visit(ast.parse(ast.unparse(node.target), mode="eval").body)  # it is read first
        self.visit(node.value)

    def visit_For(self, node):
        for part in (node.iter, node.target, *node.body, *node.orelse):
            self.visit(part)

    def visit_Import(self, node):
        self.bound |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}

    visit_ImportFrom = visit_Import

    def visit_ExceptHandler(self, node):
        if node.name:
            self.bound.add(node.name)
        self.generic_visit(node)

    def visit_FunctionDef(self, node):
        """Its body runs later: what it reads may be bound anywhere in the cell."""
        args = node.args
        for default in (
            *getattr(node, "decorator_list", ()),
            *args.defaults,
            *filter(None, args.kw_defaults),
        ):
            self.visit(default)
        given = [*args.args, *args.posonlyargs, *args.kwonlyargs, *filter(None, (args.vararg, args.kwarg))]
        body = node.body if isinstance(node.body, list) else [node.body]
        local = Names()
        for part in body:
            local.visit(part)
        inner = Names({arg.arg for arg in given} | local.bound)
        for part in body:
            inner.visit(part)
        self.later |= inner.read | (inner.later - inner.bound)
        self.bound.add(getattr(node, "name", ""))

    visit_Lambda = visit_FunctionDef

    def visit_ClassDef(self, node):
        inner = Names(self.bound)
        for part in (*node.bases, *node.body):
            inner.visit(part)
        self.read |= inner.read
        self.later |= inner.later
        self.bound.add(node.name)

    def generic_visit(self, node):
        if not isinstance(node, SCOPES):
            return super().generic_visit(node)
        inner = Names(self.bound)
        for part in node.generators:
            for piece in (part.iter, part.target, *part.ifs):
                inner.visit(piece)
        for piece in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            inner.visit(piece)
        self.read |= inner.read
        self.later |= inner.later


def cell_names(source):
    """(read, bound): the names that a cell needs from others, and those that it binds."""
    names = Names()
    names.visit(ast.parse(source))
    read = names.read | (names.later - names.bound)
    return {name for name in read if not hasattr(builtins, name) and name != "display"}, names.bound


def in_sections(cells):
    """(code cell, its section) of each, in order."""
    section = 0
    for cell in cells:
        if cell.cell_type == "markdown":
            heading = re.search(r"^## (\d+)\. ", cell.source, re.M)
            section = int(heading[1]) if heading else section
        elif cell.cell_type == "code":
            yield cell, section


def needs(cells):
    """{section: the sections before it whose cells have to be run first}, those that they need included."""
    home, direct = {}, {}
    for cell, section in in_sections(cells):
        read, bound = cell_names(cell.source)
        assert read <= home.keys(), (cell.id, "is read before any cell binds it", read - home.keys())
        direct.setdefault(section, set()).update({home[name] for name in read} - {0, section})
        home |= dict.fromkeys(bound, section)

    def closed(number):
        return direct[number].union(*(closed(other) for other in direct[number]))

    return {number: closed(number) for number in direct if direct[number]}


def spoiled(cells):
    """[(cell, name)] that can't be run again after all cells were, for another cell has bound the name anew.

    What is run again is a whole section, or a cell alone that asks for the learner's function."""
    cells = [(cell, section, *cell_names(cell.source)) for cell, section in in_sections(cells)]
    found = []
    for i, (cell, section, read, _) in enumerate(cells):
        homes = {name: max(k for k in range(i) if name in cells[k][3]) for name in read}
        alone = "ld.yours(" in cell.source
        if alone:  # the functions that it calls read names, too
            called = {k for name, k in homes.items() if f"def {name}(" in cells[k][0].source}
            later = set().union(*(globals_of(cells[k][0].source) for k in called))
            homes |= {name: max(k for k in range(i) if name in cells[k][3]) for name in later}
        for name, home in homes.items():
            again = [k for k in range(i, len(cells)) if name in cells[k][3]]
            if again and (alone or cells[home][1] < section):
                found.append((cell.id, name))
    return found


def globals_of(source):
    """The names of the notebook that a cell's functions read when they are called."""
    names = Names()
    names.visit(ast.parse(source))
    return {name for name in names.later if not hasattr(builtins, name)}
