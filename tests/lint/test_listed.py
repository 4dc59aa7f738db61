"""What stands in the tree is built and run.

Guards against a source in no library, a test that nobody calls, and a test that kills
and that the sanitizers never see.
"""

import re

import tree


def listing(path):
    return tree.read(path.rpartition("/")[0] + "/meson.build")


def unlisted(paths, text_of):
    return [path for path in paths
            if f"'{path.rpartition('/')[2]}'" not in text_of(path)]


def block(text, name):
    """The names in `name = [ ... ]`."""
    return set(re.findall(r"'([^']+)'", text.split(f"{name} = [")[1].split("]")[0]))


def kills_or_drains(text):
    return re.search(r"\bmark\.(kill|drain)\b", text) is not None


def test_each_source_and_each_test_is_listed():
    paths = tree.matching("src/*.c", "tests/unit/test_*.c", "tests/e2e/test_*.py")
    assert paths
    tree.expect_none(unlisted(paths, listing))


def test_what_is_not_listed_is_seen():
    paths = ["src/db/txn.c", "src/db/lost.c"]
    assert unlisted(paths, lambda path: "files('txn.c')") == ["src/db/lost.c"]


def test_the_sanitizers_see_what_kills_and_drains():
    wanted = {path.rpartition("/")[2] for path in tree.matching("tests/e2e/test_*.py")
              if kills_or_drains(tree.read(path))}
    assert wanted and wanted == block(listing("tests/e2e/x"), "e2e_kill_drain")


def test_a_mark_is_seen():
    assert kills_or_drains("pytestmark = [pytest.mark.kill]\n")
    assert not kills_or_drains("os.kill(1, 9)\n")


def test_each_directory_of_sql_is_embedded():
    """scripts/embed-sql names them; one that it does not know would be left out."""
    known = set(re.findall(r'^    "\w+": "(\w+)",', tree.read("scripts/embed-sql"), re.M))
    there = {path.split("/")[1] for path in tree.matching("sql/*/*.sql")}
    assert there and there == known
