"""Read a workflow as GitHub does: YAML 1.2 texts with the line of each key, and nothing of what only a program wants.

PyYAML's parser gives the events; what is built from them is ours, because its loaders read YAML 1.1 (the key `on` becomes
`True`), let a second key of the same name win in silence (GitHub refuses that), and forget the lines. Every scalar stays a
text: `true` is "true". A workflow comes from a pull request, so it may be hostile: how deep and how large it is, with each
alias counted as what it stands for, is bounded while it is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

MOST_BYTES = 256 * 1024  # of one file; a long workflow has some 50 KiB
MOST_NODES = 50_000  # with each alias counted as what it stands for
DEEPEST = 60
_ODD_LINE_ENDS = re.compile(
    "[\x85\u2028\u2029]"
)  # YAML 1.1, and so PyYAML, takes them for ends of lines; GitHub's 1.2 doesn't


class Unreadable(Exception):
    """A file that is no workflow to us; `line` counts from 1, 0 where it is the whole file's."""

    def __init__(self, reason: str, line: int = 0) -> None:
        """Take what was wrong, as the second half of a sentence."""
        super().__init__(reason)
        self.reason = reason
        self.line = line


class Block(dict[str, "Value"]):
    """A mapping that knows the line it begins on, and the line of each of its keys."""

    line: int = 0
    lines: dict[str, int]
    starts: dict[str, int]  # where a text under a key begins: `|` stands on the line before

    def text(self, key: str) -> str:
        """Return the text under a key, without the blanks around it; nothing where there is none."""
        value = self.get(key, "")
        return value.strip() if isinstance(value, str) else ""

    def block(self, key: str) -> Block:
        """Return the mapping under a key; an empty one where there is none."""
        value = self.get(key)
        return value if isinstance(value, Block) else empty(self.line)

    def blocks(self, key: str) -> list[Block]:
        """Return the mappings in the list under a key."""
        value = self.get(key)
        return [each for each in value if isinstance(each, Block)] if isinstance(value, list) else []

    def texts(self, key: str) -> list[str]:
        """Return the texts under a key: of a list, the keys of a mapping, or the one that stands there."""
        value = self.get(key, "")
        if isinstance(value, str):
            return [value.strip()] if value.strip() else []
        return [each for each in value if isinstance(each, str)]

    def at(self, key: str) -> int:
        """Return the line of a key, or the block's own."""
        return self.lines.get(key, self.line)


Value: TypeAlias = "str | list[Value] | Block"


def empty(line: int) -> Block:
    """Return a mapping with nothing in it."""
    block = Block()
    block.line, block.lines, block.starts = line, {}, {}
    return block


def read(content: bytes) -> Block:
    """Return the mapping that a file holds. Raises `Unreadable`."""
    import yaml  # noqa: PLC0415  # only where there is a workflow to read

    if len(content) > MOST_BYTES:
        raise Unreadable(f"is longer than {MOST_BYTES} bytes")
    builder = _Builder()
    try:
        text = content.decode("utf-8-sig")
        if _ODD_LINE_ENDS.search(text):
            raise Unreadable("has a character that ends a line for some programs only (U+0085, U+2028 or U+2029)")
        # libyaml where it is there: ten times as fast.
        for event in yaml.parse(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader)):
            builder.take(type(event).__name__, event, event.start_mark.line + 1 if event.start_mark else 0)
    except UnicodeDecodeError as error:
        raise Unreadable("is no UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = str(getattr(error, "problem", "") or "it can't be read")
        raise Unreadable(f"is no YAML: {problem}", mark.line + 1 if mark else 0) from error
    if not isinstance(builder.root, Block):
        raise Unreadable("is no mapping")
    return builder.root


@dataclass
class _Open:
    """A list or a mapping that isn't closed yet."""

    value: list[Value] | Block
    anchor: str | None
    before: int  # nodes there were when it began
    key: str | None = None


@dataclass
class _Builder:
    """Builds the value from the parser's events, one at a time."""

    root: Value | None = None
    nodes: int = 0
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Value, int]] = field(default_factory=dict)

    def take(self, kind: str, event: Any, line: int) -> None:  # noqa: ANN401  # events share no type with these
        """Take one event. Raises `Unreadable`."""
        if kind == "ScalarEvent":
            begins = line + (event.style in {"|", ">"})
            self._add(event.value, 1, begins, plain=event.implicit[0])
            if event.anchor:
                self.anchors[event.anchor] = (event.value, 1)
        elif kind == "AliasEvent":
            if event.anchor not in self.anchors:
                raise Unreadable(f"has an alias `*{event.anchor}` of what isn't there, or of itself", line)
            self._add(*self.anchors[event.anchor], line)
        elif kind in {"SequenceStartEvent", "MappingStartEvent"}:
            value: list[Value] | Block = [] if kind == "SequenceStartEvent" else empty(line)
            before = self.nodes
            self._add(value, 1, line)
            self.stack.append(_Open(value, event.anchor, before))
            if len(self.stack) > DEEPEST:
                raise Unreadable(f"is nested more than {DEEPEST} deep", line)
        elif kind in {"SequenceEndEvent", "MappingEndEvent"}:
            closed = self.stack.pop()
            if closed.anchor:
                self.anchors[closed.anchor] = (closed.value, self.nodes - closed.before)

    def _add(self, value: Value, size: int, line: int, *, plain: bool = False) -> None:
        self.nodes += size
        if self.nodes > MOST_NODES:
            raise Unreadable(f"holds more than {MOST_NODES} values, counted with its aliases", line)
        if not self.stack:
            if self.root is not None:
                raise Unreadable("holds more than one document", line)
            self.root = value
            return
        top = self.stack[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.key is None:
            top.key = _key(top.value, value, line, plain=plain)
        else:
            top.value[top.key] = value
            top.value.starts[top.key] = line
            top.key = None


def _key(block: Block, key: Value, line: int, *, plain: bool) -> str:
    if not isinstance(key, str):
        raise Unreadable("has a key that is no text", line)
    if key in block.lines:
        raise Unreadable(f"has the key `{key}` twice", line)
    if key == "<<" and plain:
        raise Unreadable("has a merge key `<<`, which GitHub doesn't know", line)
    block.lines[key] = line
    return key
