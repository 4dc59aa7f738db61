"""The rules for any text: the tree obeys them, and each of them bites (see test_c.py)."""

import pytest
import rules_text
import tree

TEXT = ("*.c", "*.h", "*.sql", "*.py", "*.md", "*.build", "*.txt", "*.spec", "*.sh",
        "*.map", "*.mjs", "*/run", "scripts/*", "tests/run-pytest", "Makefile", "LICENSE")
SHORT = ("*.c", "*.h", "*.sql", "*.py", "*.sh", "*.mjs", "*/run", "scripts/*")

RULES = [
    (rules_text.white_space, TEXT),
    (rules_text.finished, TEXT),
    (rules_text.at_home, TEXT),
    (rules_text.file_size, SHORT),
    (rules_text.no_sleep, ("tests/*.py", "examples/*.py")),
]
SNIPPETS = [
    (rules_text.white_space, "a \n", "a\n"),
    (rules_text.white_space, "a", "a\n"),
    (rules_text.white_space, "a\n\n", "a\n\nb\n"),
    (rules_text.finished, "/* TO" + "DO: more */\n", "/* todos */\n"),
    (rules_text.at_home, "see /wo" + "rk/here\n", "see src/worker/here\n"),
    (rules_text.file_size, "\n" * 801, "\n" * 800),
    (rules_text.no_sleep, "time.sleep(1)\n", "def wait_until():\n    time.sleep(1)\n"),
    (rules_text.no_sleep, "from time import sleep\ndef f():\n    sleep(1)\n",
     "handler = 'time.sleep(1)'\n"),
]


def rule_name(value):
    """Names a case after its rule, not after a page of SQL."""
    return getattr(value, "__name__", "")


@pytest.mark.parametrize("rule, patterns", RULES, ids=rule_name)
def test_the_tree_obeys(rule, patterns):
    tree.check(rule, *patterns)


@pytest.mark.parametrize("rule, naive, proper", SNIPPETS, ids=rule_name)
def test_the_rule_bites(rule, naive, proper):
    assert rule("tests/x.py", naive), "the naive snippet was accepted"
    assert rule("tests/x.py", proper) == [], "the proper snippet was refused"


def test_every_rule_has_a_naive_snippet():
    assert {rule for rule, _ in RULES} == {snippet[0] for snippet in SNIPPETS}
