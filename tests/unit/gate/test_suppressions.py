"""What hides errors in code: found in comments, and nowhere else."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhelpers.gate.php_source import comments
from pyhelpers.gate.suppressions import EVERYTHING, Suppression, added, ignores_in_source


@pytest.mark.parametrize(
    ("code", "hidden"),
    [
        ("f(); // @phpstan-ignore a.b", ["a.b"]),
        ("f(); # @phpstan-ignore a.b", ["a.b"]),
        ("f(); /* @phpstan-ignore a.b */", ["a.b"]),
        ("/** @phpstan-ignore a.b */ f();", ["a.b"]),
        ("/**\n * Text.\n *\n * @phpstan-ignore a.b, c.d (because), e.f\n */\nf();", ["a.b", "c.d", "e.f"]),
        ("f(); // @phpstan-ignore-line", [EVERYTHING]),
        ("// @phpstan-ignore-next-line a.b\nf();", [EVERYTHING]),
        ("f(); // text @phpstan-ignore-line text", [EVERYTHING]),
        ("f(); // @phpstan-ignore", [EVERYTHING]),
        ("f(); //@phpstan-ignore a.b (x) // @phpstan-ignore c.d", ["a.b", "c.d"]),
        ("$a = '// @phpstan-ignore a.b';", []),
        ('$a = "/* @phpstan-ignore a.b */";', []),
        ('$a = "\\"// @phpstan-ignore a.b";', []),
        ("$a = <<<X\n// @phpstan-ignore a.b\nX;\n", []),
        ("$a = <<<'X'\n// @phpstan-ignore a.b\n  X . '' ;\nf(); // @phpstan-ignore c.d", ["c.d"]),
        ("#[Attribute('// @phpstan-ignore a.b')]\nclass A {}", []),
        ("?>\n// @phpstan-ignore a.b\n<?php f(); // @phpstan-ignore c.d", ["c.d"]),
        ("f(); // x ?> @phpstan-ignore a.b", []),
        ("f(); // @phpstan-ignore-lines", [EVERYTHING]),
        ("// @phpstan-ignore-next-lineX\nf();", [EVERYTHING]),
        ("f(); // @phpstan-ignorea.b", ["a.b"]),
        ("/* @phpstan-ignore a.b,\n c.d (why) */\nf();", ["a.b", "c.d"]),
        ("/**\n * @phpstan-ignore a.b\n *   c.d\n * Some prose.\n */\nf();", ["a.b", "c.d"]),
        ('$x = "{$a["\'"]}"; f(); // @phpstan-ignore a.b\n$y = \'\';', ["a.b"]),
        ('$x = "{$a[/* @phpstan-ignore a.b */ 1]}";', ["a.b"]),
        ('$x = "${a["/* @phpstan-ignore a.b */"]}"; f(); // @phpstan-ignore c.d', ["c.d"]),
        ("$x = <<<X\n{$a['\nX']}\nX;\nf(); // @phpstan-ignore a.b", ["a.b"]),
        ("$a = <<<\U0001f600\n'\n\U0001f600;\nf(); // @phpstan-ignore a.b\n$y = '';", ["a.b"]),
        ("$a = <<<X\r'\rX;\rf(); // @phpstan-ignore a.b\r$y = '';", ["a.b"]),
        ("?><?xml ' ?><?php f(); // @phpstan-ignore a.b\n", ["a.b"]),
        ("?><? f(); // @phpstan-ignore a.b\n", ["a.b"]),
        ("// phpstan-ignore a.b", []),
        ("$a = 1 # 2; // 'it''s\n; f(); // @phpstan-ignore a.b", ["a.b"]),
    ],
)
def test_ignores_are_found_in_comments_alone(code: str, hidden: list[str]) -> None:
    assert [each.identifier for each in ignores_in_source(f"<?php\n{code}\n", "a.php")] == hidden


def one(identifier: str, path: str = "a.php", code: str = "f();", line: int = 1) -> Suppression:
    return Suppression(identifier=identifier, path=path, line=line, code=code)


@pytest.mark.parametrize(
    ("base", "head", "new"),
    [
        ([one("a.b")], [one("a.b", line=9, code="g();")], 0),
        ([one("a.b")], [one("a.b"), one("a.b", line=2)], 1),
        ([one("a.b")], [one("c.d")], 1),
        ([one(EVERYTHING)], [one("a.b")], 0),
        ([one("a.b")], [one(EVERYTHING)], 1),
        ([one(EVERYTHING)], [one("a.b"), one("c.d")], 1),
        ([one("a.b")], [one("a.b", path="b.php")], 0),
        ([one("a.b")], [one("a.b", path="b.php", code="g();")], 1),
        ([one("a.b")], [one("a.b"), one("a.b", path="b.php")], 1),
        ([], [one("a.b")], 1),
        ([one("a.b")], [], 0),
    ],
)
def test_what_is_added_is_counted(base: list[Suppression], head: list[Suppression], new: int) -> None:
    assert len(added(base, head, lambda path: path)) == new


PIECES = st.sampled_from(
    [
        "'",
        '"',
        "`",
        "\\",
        "//x\n",
        "#y\n",
        "/*",
        "*/",
        "<<<A\n",
        "A;\n",
        "?>",
        "<?php ",
        "$a = ",
        "b",
        "\n",
        "#[",
        "]",
        "/** d */",
        "{$a}",
        '"{$a[',
        "]}",
        '"}',
        "{",
        "}",
    ]
)


@pytest.mark.skipif(shutil.which("php") is None, reason="php isn't installed")
def test_the_scanner_finds_the_comments_that_phps_own_tokenizer_finds() -> None:
    """Generated once more by each run; one start of php for all of them."""
    sources: list[str] = []

    @given(st.lists(PIECES, max_size=12))
    def collect(pieces: list[str]) -> None:
        sources.append("<?php " + "".join(pieces))

    collect()
    program = (
        "while (($line = fgets(STDIN)) !== false) { $found = [];"
        " foreach (@token_get_all(json_decode($line)) as $token) {"
        " if (is_array($token) && in_array($token[0], [T_COMMENT, T_DOC_COMMENT], true)) { $found[] = rtrim($token[1]); } }"
        ' echo json_encode($found), "\\n"; }'
    )
    import json

    given_to_php = "".join(json.dumps(source) + "\n" for source in sources)
    done = subprocess.run(["php", "-r", program], input=given_to_php, capture_output=True, text=True, check=True)
    for source, line in zip(sources, done.stdout.splitlines(), strict=True):
        if _closes_what_it_opens(source):
            assert [comment.text.rstrip() for comment in comments(source)] == json.loads(line), source


def _closes_what_it_opens(source: str) -> bool:
    """Whether no text stays open: PHP refuses such a file, and its tokenizer gives what is left in pieces."""
    return source.count('"') % 2 == 0 and source.count("`") % 2 == 0 and "<<<" not in source and "\\" not in source
