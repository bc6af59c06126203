# SPDX-License-Identifier: MIT
"""The rules of check_floors.py about lengths: of files, of functions, of lines."""

import os
import re

FILE_MOST_LINES = 500
FUNCTION_MOST_LINES = 60
LINE_MOST_COLUMNS = 100


def code_files(tree):
    return tree.files(*(f"{folder}/**/*.[ch]" for folder in
                        ("src", "include", "examples", "tests", "bench")))


def script_files(tree):
    paths = tree.files("scripts/*", "tools/*.py", "tests/**/*.py", "bench/*.py")
    return [path for path in paths if os.path.isfile(os.path.join(tree.root, path))]


def check_file_lengths(tree, complain):
    for path in code_files(tree) + script_files(tree):
        count = len(tree.lines(path))
        if count > FILE_MOST_LINES:
            complain(f"{path} has {count} lines, more than {FILE_MOST_LINES}: give one of its "
                     "nouns a file of its own")


def check_widths(tree, complain):
    for path in code_files(tree):
        for number, line in enumerate(tree.lines(path), 1):
            if len(line) > LINE_MOST_COLUMNS:
                complain(f"{path}:{number} has {len(line)} columns, more than "
                         f"{LINE_MOST_COLUMNS}: break it")


def functions(lines):
    """(name, its first line, its lines), by the one way that this tree writes functions: `{` and
    `}` alone in the first column, the head without an indent above."""
    opened = name = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            head = number - 1
            while head > 1 and re.match(r"[\s{]", lines[head - 1]):
                head -= 1
            found = re.search(r"(\w+)\(", lines[head - 1])
            opened, name = head, found.group(1) if found else "a function"
        elif line == "}" and opened is not None:
            yield name, opened, number - opened + 1
            opened = None


def check_function_lengths(tree, complain):
    for path in code_files(tree):
        for name, line, count in functions(tree.lines(path)):
            if count > FUNCTION_MOST_LINES:
                complain(f"{path}:{line}: {name} has {count} lines, more than "
                         f"{FUNCTION_MOST_LINES}: give a step of it a name")


RULES = [
    (f"no file over {FILE_MOST_LINES} lines", check_file_lengths),
    (f"no function over {FUNCTION_MOST_LINES} lines", check_function_lengths),
    (f"no line over {LINE_MOST_COLUMNS} columns", check_widths),
]

LONG_FUNCTION = ("int list_long(int a,\n              int b)\n{\n" + "    a += b;\n" * 58 +
                 "    return a;\n}\n")
BAD_TREES = {
    check_file_lengths: [({"src/base/long.h": "\n" * 501}, "long.h has 501 lines")],
    check_function_lengths: [({"src/base/list.c": LONG_FUNCTION}, "list_long has 63 lines")],
    check_widths: [({"src/base/wide.h": f"/* {'é' * 95} */\n"}, "wide.h:1 has 101 columns")],
}
