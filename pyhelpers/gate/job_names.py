"""Under which names a job shows as a check: what stands for its expressions is tried, where it can be known."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from pyhelpers.gate.yaml_reader import Block

MOST = 256  # GitHub's limit of jobs in a matrix
LONGEST = 500  # characters of a name
MOST_EXPRESSIONS = 4  # in a name; of one with more, only the texts at its ends are compared
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


def may_show_as(name: str, job_id: str, job: Block) -> bool:
    """Whether the job's check may be called `name`. Where nothing but the run knows what it is called, it is not."""
    matrix = job.block("strategy").block("matrix")
    shown = job.text("name")
    if not shown:
        if "matrix" not in job.block("strategy"):
            return _same(job_id, name)
        return bool(re.fullmatch(rf"{re.escape(_plain(job_id))} \(.*\)", _plain(name)))
    texts, expressions = _EXPRESSION.split(shown[:LONGEST])[::2], _EXPRESSION.findall(shown[:LONGEST])
    options = [list(_values(matrix, expression)) for expression in expressions]
    if not any(text.strip() for text in texts) and not all(options):
        return False
    if len(expressions) > MOST_EXPRESSIONS:
        texts, options = [texts[0], texts[-1]], [[]]
    whole = re.escape(_plain(texts[0], strip=False))
    for values, text in zip(options, texts[1:], strict=True):
        known = "|".join(re.escape(_plain(value)) for value in values[:MOST])
        whole += f"(?:{known or '.*'}){re.escape(_plain(text, strip=False))}"
    return bool(re.fullmatch(whole, _plain(name)))


def _values(matrix: Block, expression: str) -> Iterator[str]:
    """Yield what `matrix.key` may stand for; nothing for other expressions, or where a run computes it."""
    key = expression.removeprefix("matrix.")
    if key == expression:
        return
    included = (each.text(key) for each in matrix.blocks("include") if each.text(key))
    for value in itertools.chain(matrix.texts(key), included):
        if "${{" in value:
            return
        yield value


def _plain(text: str, *, strip: bool = True) -> str:
    return (text.strip() if strip else text).lower()


def _same(one: str, other: str) -> bool:
    return _plain(one) == _plain(other)
