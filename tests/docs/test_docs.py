# SPDX-License-Identifier: MIT
"""The documents say what the program does: keys, commands, verdicts, environment, examples, links."""

import base64
import glob
import hashlib
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "netns"))

import tap  # noqa: E402

DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "doc/RULES.md", "man/hopwire.8",
             "man/hopwire.conf.5", "examples/multihop.conf", "examples/office.conf",
             "examples/relay.conf"]
# Where absolute paths may point to: what every Linux machine has.
SYSTEM_PATHS = ("/etc/", "/run/", "/dev/", "/proc/", "/usr/", "/sys/")


def read(path):
    with open(os.path.join(ROOT, path)) as file:
        return file.read()


def sources():
    return [path for path in sorted(glob.glob(os.path.join(ROOT, "src", "*", "*.c")))
            if not path.endswith("_test.c")]


def same_words(described, built, what):
    tap.equal(sorted(set(built) - set(described)), [], f"{what} without a description")
    tap.equal(sorted(set(described) - set(built)), [], f"{what} described, but not there")


def items(page, *sections):
    """The words of all .It Cm lines in these sections of a manual page."""
    words, is_inside = [], False
    for line in read(page).splitlines():
        if line.startswith(".Sh "):
            is_inside = line[4:] in sections
        elif is_inside and line.startswith(".It Cm "):
            words += [word for word in re.split(r"[ ,]+", line[7:]) if word]
    return words


def blocks(document, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", document, re.M | re.S)


def settings(text):
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def filled_in(text):
    """A key for each placeholder, always the same one for the same word."""
    def key(found):
        return base64.b64encode(hashlib.sha256(found.group(0).encode()).digest()).decode()
    return re.sub(r"\b(YOUR-PRIVATE|PRIVATE|PUBLIC)-KEY-[A-Z-]+\b", key, text)


def check(files, *arguments):
    """`hopwire check` of the arguments in a directory with these files."""
    program = os.environ.get("HOPWIRE", "")
    if not os.access(program, os.X_OK):
        raise tap.Skip("HOPWIRE does not name the hopwire program")
    with tempfile.TemporaryDirectory(prefix="hopwire-docs-") as directory:
        for name, text in files.items():
            path = os.path.join(directory, name)
            with open(path, "w") as file:
                file.write(text)
            os.chmod(path, 0o600)
        return subprocess.run([os.path.abspath(program), "check", *arguments], cwd=directory,
                              capture_output=True, text=True, timeout=60)


def example_files():
    return {name: filled_in(read("examples/" + name)) for name in ("multihop.conf", "office.conf")}


@tap.test
def every_key_is_described_and_every_described_key_is_one():
    keys = re.findall(r'^ *\[KEYWORD_\w+\] = \{"(\w+)"', read("src/config/keyword.c"), re.M)
    tap.check(len(keys) > 20, f"the keys of keyword.c are found: {keys}")
    described = items("man/hopwire.conf.5", "NETWORK SECTION", "TUNNEL SECTIONS", "PEER SECTIONS")
    same_words(described, keys, "keys")


@tap.test
def every_command_is_described_and_every_described_command_is_one():
    commands = re.findall(r'^ *\{"([\w-]+)", \w+_main,', read("src/cli/main.c"), re.M)
    tap.check("up" in commands and "down" in commands, f"commands of main.c are found: {commands}")
    described = re.findall(r"^\.It Cm (\w+)", read("man/hopwire.8").split(".Sh ROUTING")[0], re.M)
    same_words(described, commands, "commands")
    synopsis = read("man/hopwire.8").split(".Sh SYNOPSIS")[1].split(".Sh DESCRIPTION")[0]
    same_words(re.findall(r"^\.Cm (\w+)", synopsis, re.M), commands, "commands of the synopsis")


@tap.test
def the_program_s_help_names_the_same_commands():
    program = os.environ.get("HOPWIRE", "")
    if not os.access(program, os.X_OK):
        raise tap.Skip("HOPWIRE does not name the hopwire program")
    text = subprocess.run([os.path.abspath(program), "--help"], capture_output=True, text=True,
                          check=True).stdout
    same_words(re.findall(r"^  (\w+)", text, re.M),
               re.findall(r"^\.It Cm (\w+)", read("man/hopwire.8").split(".Sh ROUTING")[0], re.M),
               "commands of --help")
    tap.equal([line for line in text.splitlines() if len(line) > 80], [], "wider than a terminal")


@tap.test
def every_verdict_is_described():
    verdicts = re.findall(r'^ *X\(\w+, "(\w+)"', read("src/base/verdict.h"), re.M)
    tap.check(len(verdicts) > 30, f"the verdicts of verdict.h are found: {verdicts}")
    same_words(items("man/hopwire.8", "VERDICTS"), verdicts, "verdicts")


@tap.test
def every_environment_variable_is_described():
    used = set()
    for path in sources():
        with open(path) as file:
            used |= set(re.findall(r'"(HOPWIRE_[A-Z_]+)"', file.read()))
    described = set(re.findall(r"HOPWIRE_[A-Z_]+", read("man/hopwire.8")))
    same_words(described, used, "environment variables")


@tap.test
def every_aead_backend_is_described():
    backends = set()
    for path in glob.glob(os.path.join(ROOT, "src", "crypto", "aead_*.c")):
        if not path.endswith("_test.c"):
            with open(path) as file:
                backends |= set(re.findall(r'^ *\.name = "(\w+)"', file.read(), re.M))
    text = read("man/hopwire.8").split(".It Ev HOPWIRE_AEAD")[1].split(".It Ev")[0]
    same_words(set(re.findall(r"^\.Cm (\w+)", text, re.M)) - {"up"}, backends, "AEAD backends")


def wide_lines(text):
    """Numbers of the lines over 100 columns. A row of a table and what a program prints or reads
    cannot be broken."""
    lines, is_verbatim = [], False
    for number, line in enumerate(text.splitlines(), 1):
        is_verbatim ^= line.startswith("```")
        if len(line) > 100 and not line.startswith("|") and not is_verbatim:
            lines.append(number)
    return lines


@tap.test
def prose_is_at_most_100_columns_wide():
    text = ["é" * 100, "é" * 101, "|" + "-" * 100, "```", "$" * 101, "```", "e" * 101]
    tap.equal(wide_lines("\n".join(text)), [2, 7], "of a text with two")
    wide = {path: wide_lines(read(path)) for path in glob.glob("**/*.md", root_dir=ROOT, recursive=True)}
    tap.equal({path: lines for path, lines in wide.items() if lines}, {}, "wide lines")


@tap.test
def every_link_and_named_file_exists():
    missing = []
    for document in DOCUMENTS:
        text, folder = read(document), os.path.dirname(os.path.join(ROOT, document))
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            if "://" not in link and not os.path.exists(os.path.join(folder, link)):
                missing.append(f"{document}: {link}")
        named = re.findall(r"(?<![\w/.-])((?:src|tests|tools|scripts|examples|doc|man|bench|include)"
                           r"/[\w./*-]+)", text)
        for path in named:
            path = path.rstrip(".,:/")
            if "NAME" not in path and not glob.glob(os.path.join(ROOT, path)):
                missing.append(f"{document}: {path}")
    tap.equal(missing, [], "links and files that are named but not there")


@tap.test
def every_test_program_that_a_rule_names_exists():
    rows = re.findall(r"^\| (?:[A-I]?\d+) \|.*\| (.*) \|$", read("doc/RULES.md"), re.M)
    tap.check(len(rows) > 80, f"the rows of doc/RULES.md are found: {len(rows)}")
    wanted = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    for document in ("README.md", "CONTRIBUTING.md"):
        for words in re.findall(r"scripts/test ((?:[a-z]\w*[ `)]+)+)", read(document)):
            wanted += re.findall(r"\w+", words.split("`")[0].split("  ")[0])
    missing = [name for name in sorted(set(wanted))
               if not glob.glob(os.path.join(ROOT, "src", "*", name + "_test.c"))
               and not glob.glob(os.path.join(ROOT, "tests", "*", name + ".py"))
               and not os.path.exists(os.path.join(ROOT, "tools", name + ".py"))]
    tap.equal(missing, [], "test programs that are named but not there")


@tap.test
def rules_in_comments_have_their_line():
    known = set(re.findall(r"^\| ([A-I]\d+) \|", read("doc/RULES.md"), re.M))
    traps = set(re.findall(r"^\| (\d+) \|", read("doc/RULES.md"), re.M))
    for path in glob.glob(os.path.join(ROOT, "src", "*", "*.[ch]")):
        with open(path) as file:
            text = file.read()
        for rule in re.findall(r"RULES ([A-I]\d+)", text):
            tap.check(rule in known, f"{os.path.relpath(path, ROOT)}: rule {rule}")
        for trap in re.findall(r"TRAPS? (\d+)", text):
            tap.check(trap in traps, f"{os.path.relpath(path, ROOT)}: trap {trap}")


@tap.test
def nobody_s_name_address_or_directory_is_in_the_documents():
    found = []
    for document in DOCUMENTS:
        for number, line in enumerate(read(document).splitlines(), 1):
            where = f"{document}:{number}"
            found += [f"{where}: {path}" for path in re.findall(r"(?<![\w.:~})/\]*])/[a-z][\w.-]*/\S*",
                                                                line)
                      if not path.startswith(SYSTEM_PATHS)]
            found += [f"{where}: {mail}" for mail in re.findall(r"\w\S*@\w\S*\.\w+", line)]
            if re.match(r"\.A[nu] |.*\b(TODO|FIXME|XXX)\b|.*\b[Cc]opyright\b", line):
                found.append(f"{where}: {line}")
    tap.equal(found, [], "what belongs to a person or one machine")


@tap.test
def the_readme_shows_the_example_configuration():
    shown = [settings(block) for block in blocks(read("README.md"), "ini")]
    tap.equal(shown, [settings(read("examples/multihop.conf")),
                      settings(read("examples/office.conf"))], "the configurations in the README")


@tap.test
def the_readme_s_configuration_passes_check_as_shown():
    multihop, office = (filled_in(block) for block in blocks(read("README.md"), "ini"))
    result = check({"multihop.conf": multihop, "office.conf": office}, "multihop.conf")
    tap.equal((result.returncode, result.stderr), (0, ""), "check of the README's configuration")
    shown = read("README.md").split("$ hopwire check ")[1].split("```")[0].split("\n", 1)[1]
    is_mtu = re.compile(r"MTU \d+")  # this machine's
    tap.same_lines(is_mtu.sub("MTU", result.stdout), is_mtu.sub("MTU", shown), "what check prints")


@tap.test
def the_relay_s_configuration_passes_check():
    result = check({"relay.conf": filled_in(read("examples/relay.conf"))}, "relay.conf")
    tap.equal((result.returncode, result.stderr), (0, ""), "check of examples/relay.conf")


@tap.test
def files_chain_as_the_readme_says():
    quick = example_files()["office.conf"]
    entry = filled_in("\n".join(blocks(read("README.md"), "ini")[0].split("[Tunnel office]")[0]
                                .split("[Tunnel entry]")[1:]))
    result = check({"entry.conf": "[Interface]" + entry, "office.conf": quick}, "entry.conf",
                   "office.conf")
    tap.equal((result.returncode, result.stderr), (0, ""), "check of two chained files")
    tap.contains(result.stdout, "\n  entry:", "the root")
    tap.contains(result.stdout, "\n    office:", "carried by it")


@tap.test
def the_manual_s_configurations_pass_check():
    page = read("man/hopwire.conf.5")
    shown = [block for block in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", page, re.M | re.S)
             if "[Tunnel" in block]
    tap.equal(len(shown), 2, "configurations in hopwire.conf(5)")
    quick = example_files()["office.conf"]
    one_each = {name: quick.replace("10.70.0.2", f"10.7{number}.0.2")
                for number, name in enumerate(("home.conf", "entry.conf", "exit.conf"), 1)}
    private_key = filled_in("PRIVATE-KEY-OF-MINE") + "\n"
    for block in shown:
        result = check({"x.conf": filled_in(block), "office.conf": quick, "entry.key": private_key,
                        **one_each}, "x.conf")
        tap.equal((result.returncode, result.stderr), (0, ""), f"check of {block}")


@tap.test
def a_carried_endpoint_s_name_needs_the_carrier_s_DNS():
    files = example_files()
    files["office.conf"] = files["office.conf"].replace("203.0.113.20:", "exit.example.net:")
    result = check(files, "multihop.conf")
    tap.equal(result.returncode, 1, "the exit status")
    tap.contains(result.stderr, "exit.example.net can only be asked for inside", "the refusal")
    files["multihop.conf"] = files["multihop.conf"].replace(
        "[Tunnel entry]", "[Tunnel entry]\nDNS = 10.64.0.1", 1)
    result = check(files, "multihop.conf")
    tap.equal(result.returncode, 0, f"the exit status with DNS ({result.stderr})")


@tap.test
def the_manual_pages_are_clean():
    pages = [os.path.join(ROOT, page) for page in DOCUMENTS if page.startswith("man/")]
    try:
        result = subprocess.run(["mandoc", "-Tlint", *pages], capture_output=True, text=True)
    except FileNotFoundError:
        raise tap.Skip("mandoc is not installed") from None
    # Whether the pages that are referred to are installed is the machine's matter.
    complaints = [line for line in result.stdout.splitlines()
                  if "referenced manual not found" not in line]
    tap.equal(complaints, [], "mandoc's complaints")


tap.main()
