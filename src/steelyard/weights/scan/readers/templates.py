"""Chat templates, parsed and never rendered.

Engines differ in how well they confine a template; a template for chats needs no more than
the names, filters and plain attributes allowed here, and what reaches further is a finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jinja2 import Environment, TemplateSyntaxError, nodes

from steelyard.weights.scan.readers.template_keys import attribute_fault, computed_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.weights.scan.finding import Finding
    from steelyard.weights.scan.part import Part

_LIMIT_BYTES: Final = 1 << 19
_PIECE: Final = 24
_REFUSED_NAMES: Final = frozenset(
    {"self", "cycler", "joiner", "lipsum", "config", "request", "eval", "exec", "open", "url_for"}
)
_REFUSED_FILTERS: Final = frozenset({"attr", "format", "xmlattr", "pprint"})
_REFUSED_METHODS: Final = frozenset(
    {"format", "format_map", "mro", "gi_frame", "gi_code", "cr_frame", "cr_code", "ag_frame",
     "ag_code", "f_globals", "f_locals", "f_builtins", "f_back", "tb_frame", "func_globals",
     "im_func"}
)  # fmt: skip
_REFUSED_NODES: Final = (
    nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends
)  # fmt: skip


def read_template(part: Part) -> Iterator[Finding]:
    """Findings about one template."""
    if part.source.size > _LIMIT_BYTES:
        text = f"a template of {part.source.size} bytes is not parsed"
        yield part.finding("template-unread", text)
        return
    text = part.source.read(0, part.source.size).decode("utf-8", "replace")
    yield from template_findings(part, text)


def template_findings(part: Part, text: str) -> Iterator[Finding]:
    """Findings about a template's text."""
    try:
        tree = _parsed(text)
        seen = {*_reaches(tree), *computed_keys(tree)}
    except (TemplateSyntaxError, RecursionError, ValueError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        yield part.finding("template-unread", f"the template is not parsed: {reason}"[:200])
        return
    for reach in sorted(seen):
        yield part.finding("template-code", f"the template {reach}")


def _parsed(text: str) -> nodes.Template:
    extensions = ["jinja2.ext.loopcontrols", "jinja2.ext.do"]
    environment = Environment(autoescape=True, extensions=extensions)
    # `generation` marks what an assistant said; trainers define it.
    plain = text
    for tag in ("generation", "endgeneration"):
        for form in (f"{{% {tag} %}}", f"{{%- {tag} %}}", f"{{% {tag} -%}}", f"{{%- {tag} -%}}"):
            plain = plain.replace(form, "")
    return environment.parse(plain)


def _reaches(tree: nodes.Template) -> Iterator[str]:
    own = {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
    for node in tree.find_all(nodes.Node):
        if isinstance(node, _REFUSED_NODES):
            yield "loads another template"
        elif isinstance(node, nodes.EvalContextModifier):
            yield "switches the escaping of texts"
        elif isinstance(node, nodes.Name) and _is_refused_name(node, own):
            yield f"uses {node.name[:40]!r}"
        elif isinstance(node, nodes.Filter) and node.name in _REFUSED_FILTERS:
            yield f"uses the filter {node.name!r}"
        elif isinstance(node, nodes.Filter) and (fault := attribute_fault(node, _REFUSED_FILTERS)):
            yield fault
        elif isinstance(node, nodes.Getitem) and isinstance(node.node, nodes.Const):
            yield "takes a text to pieces"
        elif refused := _refused_word(node):
            yield f"holds {refused[:40]!r}"


def _is_refused_name(node: nodes.Name, own: set[str]) -> bool:
    inner = node.name.startswith("__") or (node.name.startswith("_") and node.name not in own)
    return node.ctx == "load" and (node.name in _REFUSED_NAMES or inner)


def _refused_word(node: nodes.Node) -> str:
    """An attribute, a keyword or a text that names internals, or is a piece of such a name."""
    if isinstance(node, nodes.Getattr):
        word = node.attr
        return word if word.startswith("_") or word in _REFUSED_METHODS else ""
    if isinstance(node, nodes.Keyword):
        return node.key if node.key.startswith("_") else ""
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        word = node.value
        piece = len(word) <= _PIECE and (word.startswith("_") or word.endswith("_"))
        return word if piece or "__" in word or word in _REFUSED_METHODS else ""
    return ""
