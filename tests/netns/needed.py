# SPDX-License-Identifier: MIT
"""What a lab may start of the system's programs: those of the Debian packages that
scripts/common.sh names and of what these depend on. A machine keeps what was once installed by hand,
so a package that no list names would be missed on a fresh one only; so it is missed everywhere.

Passed over where there is no dpkg."""

import functools
import glob
import os
import re
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INFO = "/var/lib/dpkg/info"
FIELDS = ("Package", "db:Status-Abbrev", "Essential", "Provides", "Pre-Depends", "Depends")
SYSTEM = ("/usr/", "/bin/", "/sbin/", "/lib/", "/opt/")
SHELLS = ("sh", "bash", "dash")
# Whose arguments are a command, as far as the labs use them so.
WRAPPERS = ("env", "nohup", "setpriv", "timeout", "unshare", "nsenter", "flock")

lists = ("build", "lab", "test")  # of scripts/common.sh; the demo and the bench have no test's


class NotNeeded(Exception):
    """A program of no package that the lists name, or of none at all."""


def names(relation):
    """Of "a (>= 1), b | c": [["a"], ["b", "c"]]."""
    return [[re.sub(r"[\s:(].*", "", name.strip()) for name in part.split("|")]
            for part in relation.split(",") if part.strip()]


@functools.cache
def installed():
    """Of each installed package: whether it is essential, what it provides, what it depends on."""
    form = "\\t".join("${" + field + "}" for field in FIELDS) + "\\n"
    text = subprocess.run(["dpkg-query", "-W", "-f", form], capture_output=True, text=True,
                          check=True).stdout
    found = {}
    for line in text.splitlines():
        package, status, essential, provides, *depends = line.split("\t")
        if status[1:2] == "i":
            found[package] = (essential == "yes", [name for name, in names(provides)],
                              names(", ".join(depends)))
    return found


def listed():
    words = " ".join(f'"${{{name}_packages[@]}}"' for name in lists)
    text = subprocess.run(["bash", "-c", f'. "$0" && printf "%s\\n" {words}',
                           os.path.join(ROOT, "scripts", "common.sh")], capture_output=True,
                          text=True, check=True, stdin=subprocess.DEVNULL).stdout
    return text.split()


@functools.cache
def packages():
    """The closure; None without dpkg."""
    if not shutil.which("dpkg-query"):
        return None
    known, providers = installed(), {}
    for package, (_, provided, _) in known.items():
        for name in provided:
            providers.setdefault(name, []).append(package)
    waiting = listed() + [package for package, facts in known.items() if facts[0]]
    closure = set()
    while waiting:
        package = waiting.pop()
        if package in closure or package not in known:
            continue
        closure.add(package)
        for alternatives in known[package][2]:
            there = [name for name in alternatives if name in known]
            waiting += there[:1] or [one for name in alternatives
                                     for one in providers.get(name, [])]
    return closure


@functools.cache
def files():
    """Every path of the closure's packages, /bin and /usr/bin being one."""
    found = set()
    for package in packages():
        for path in (glob.glob(f"{INFO}/{package}.list") + glob.glob(f"{INFO}/{package}:*.list")):
            with open(path, errors="replace") as file:
                found.update(line.removeprefix("/usr") for line in file.read().split("\n"))
    return found


def owner(path):
    paths = [path, path.removeprefix("/usr"), "/usr" + path]
    text = subprocess.run(["dpkg-query", "-S", *paths], capture_output=True, text=True).stdout
    return text.split(":")[0] if text else None


def is_needed(path):
    return any(one.removeprefix("/usr") in files()
               for one in (os.path.abspath(path), os.path.realpath(path)))


@functools.cache
def check_program(program, given):
    """NotNeeded unless the program is one of those; `given`: trees that a host has as installed."""
    path = shutil.which(program)
    if packages() is None or not path or ("/" in program and not program.startswith(SYSTEM)):
        return  # what is not there at all fails by itself; the rest the tree or the lab has made
    inside = os.path.abspath(path).removeprefix("/usr")
    if is_needed(path) or any(os.path.lexists(tree + "/usr" + inside) for tree in given):
        return
    package = owner(os.path.realpath(path)) or owner(os.path.abspath(path))
    source = f"the package {package}" if package else "no Debian package"
    raise NotNeeded(
        f"{program} ({path}) is of {source}"
        ", which nothing vouches for on a fresh machine: name its package in scripts/common.sh "
        f"({', '.join(name + '_packages' for name in lists)}), or do without")


def of_script(script):
    """The first word of each simple command of a shell script, roughly: quoted words are text."""
    script = re.sub(r"'[^']*'|\"[^\"]*\"", '""', script)
    for part in re.split(r"[;&|\n(){}`]|\$\(|\b(?:do|then|else|if|while|until|exec)\b", script):
        words = [word for word in part.split() if not re.match(r"\w+=|[<>!]", word)]
        if words and re.fullmatch(r"[\w./+-]+", words[0]):
            yield words[0]


def commands(argv):
    """The programs that a command starts, as far as its words tell."""
    yield argv[0]
    name, rest = os.path.basename(argv[0]), argv[1:]
    if name in SHELLS and "-c" in rest[:-1]:
        rest = rest[rest.index("-c") + 1:]
        yield from of_script(rest[0])
        rest = rest[2:] if '"$@"' in rest[0] else []
    elif name not in WRAPPERS:
        return
    for at, word in enumerate(rest):
        if not word.startswith("-") and shutil.which(word):
            yield from commands(rest[at:])
            return


def check(argv, given=()):
    """Of a lab's command."""
    for program in commands([str(word) for word in argv]):
        check_program(program, tuple(given))


def link_programs(directory):
    """One link for each program that may be started; false without dpkg."""
    if packages() is None:
        return False
    for place in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"):
        for entry in os.scandir(place):
            link = os.path.join(directory, entry.name)
            if not os.path.lexists(link) and is_needed(entry.path):
                os.symlink(entry.path, link)
    return True
