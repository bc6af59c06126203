#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the shape of the source tree: which room may include which, what the rooms below floor 5
may not do, what the library exports, and how long files, functions and lines get.

    check_floors.py BUILD          every rule (BUILD: an ordinary, built build directory)
    check_floors.py                the same with build-release; where there is none, the rules that
                                   the sources alone can show, the others skipped
    check_floors.py --self-test    only that each rule complains about a bad tree

Prints TAP, one point a rule; every run begins with the self-test, as a rule that cannot fail proves
nothing."""

import collections
import concurrent.futures
import glob
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import lengths

# A room includes its own files and rooms of lower floors.
FLOORS = {"base": 0, "packet": 1, "crypto": 1, "wireguard": 2, "route": 2, "engine": 3, "config": 4,
          "io": 5, "host": 5, "daemon": 6, "library": 6, "cli": 7}
# Where a file's functions have another prefix than the file's name, and why.
OTHER_PREFIXES = {
    "src/base/address.c": "endpoint_",       # an endpoint is an address and a port
    "src/host/control_socket.c": "control_",  # and the answers that go through it
    "src/io/udp_send_linux.c": "udp_",       # the sending half of udp_linux.c
}
# What a room shows higher floors; the rest of it is its own inside.
DOORS = {
    "engine": {"actions.h", "change.h", "description.h", "echo.h", "engine.h", "handle.h", "mtu.h",
               "own_socket.h", "status.h", "train.h"},
}
PURE_FLOORS = 5  # below: no system call, clock, randomness, stream, heap, writable global

FORBIDDEN_CALLS = {
    "the heap": r"(m|c|re|reallocarr|v|p?v)alloc|reallocarray|free|aligned_alloc|memalign|"
                r"posix_memalign|mmap|mmap64|munmap|mremap|mprotect|m(un)?lock|madvise|s?brk|"
                r"strn?dup|(v?as|obstack_v?)printf(_chk)?|getdelim|getline",
    "a clock": r"clock(_.*)?|time|times|gettimeofday|timespec_get|nanosleep|u?sleep|timerfd_.*|"
               r"timer_.*|localtime(_r)?|gmtime(_r)?|mktime|strftime|ctime(_r)?|ftime|alarm",
    "randomness": r"s?rand(om)?(_r)?|[dejlmn]rand48(_r)?|getrandom|getentropy|arc4random.*|"
                  r"RAND_.*",
    "a stream": r"f?puts|f?putc|putchar|f?getc|getchar|fgets|v?f?printf(_chk)?|v?dprintf(_chk)?|"
                r"v?f?scanf|fopen(64)?|fdopen|freopen.*|fclose|fflush|fread|fwrite|fseek.*|ftell.*|"
                r"setv?buf|perror|stdin|stdout|stderr|v?syslog(_chk)?|openlog|putc|getc|tmpfile.*|"
                r"popen|pclose|IO_[gp]utc",
    "a system call": r"syscall|open(at)?(64)?|open(64)?_2|creat(64)?|close|closefrom|close_range|"
                     r"p?(read|write)v?(64)?(2|64v2)?|read_chk|lseek(64)?|ioctl|fcntl(64)?|"
                     r"dup[23]?|pipe2?|p?poll|p?select|epoll_.*|eventfd.*|signalfd|inotify_.*|"
                     r"socket(pair)?|bind|listen|accept4?|connect|shutdown|(get|set)sockopt|"
                     r"get(sock|peer)name|(send|recv)(to|from|m?msg)?|v?fork|clone|exec[lv]p?e?|"
                     r"posix_spawn.*|wait(pid|id|[34])?|kill|raise|sig(action|procmask|nal|.*set)|"
                     r"unlink(at)?|rename(at2?)?|mkdir(at)?|rmdir|f?l?stat(at|x)?(64)?|fxstat.*|"
                     r"access|faccessat|opendir|readdir.*|getpid|gettid|get[ep]?[ug]id|set[er].*id|"
                     r"getaddrinfo|gethostby.*|getnameinfo|if_.*index.*|if_indextoname|prctl|"
                     r"(get|set|p)rlimit(64)?|uname|getpagesize|sysconf|sched_.*|setns|unshare|"
                     r"exit|at_quick_exit|atexit|quick_exit|system",
    "process-wide state": r"(secure_)?getenv|setenv|putenv|unsetenv|setlocale|strtok|strerror|"
                          r"pthread_.*|thrd_.*|mtx_.*|inet_ntoa|environ",
}
FORBIDDEN = [(why, re.compile(r"(?:__)?(?:isoc99_|libc_)?(?:" + names + r")$"))
             for why, names in FORBIDDEN_CALLS.items()]


class Tree:
    """A source tree, and the objects that a build made of it."""

    def __init__(self, root, build=None):
        self.root = os.path.abspath(root)
        self.build = os.path.abspath(build) if build else None
        self.commands = {}  # "src/room/x.c": (its directory, its compiler's words, its object)
        if self.build:
            self.read_commands()

    def read_commands(self):
        if not os.path.exists(commands := os.path.join(self.build, "compile_commands.json")):
            sys.exit(f"{self.build} is no build directory: name one that is built, as `build`")
        with open(commands) as file:
            for entry in json.load(file):
                source = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
                path = os.path.relpath(source, self.root)
                built = os.path.join(entry["directory"], entry["output"])
                if path not in self.commands or not os.path.exists(self.commands[path][2]):
                    words = shlex.split(entry["command"])
                    self.commands[path] = (entry["directory"], words, built)

    def files(self, *patterns):
        found = (path for pattern in patterns
                 for path in glob.glob(os.path.join(self.root, pattern), recursive=True))
        return sorted({os.path.relpath(path, self.root) for path in found})

    def lines(self, path):
        with open(os.path.join(self.root, path), errors="replace") as file:
            return file.read().splitlines()

    def includes(self, path):
        """What a file of a room includes in quotes: (line, path below src/)."""
        for number, line in enumerate(self.lines(path), 1):
            found = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if found:
                yield number, found.group(1)

    def is_test(self, path):
        """Tests and what only they are made of."""
        return (re.search(r"_(test|fuzz)\.[ch]$", path) is not None or
                any(target == "tap.h" for _, target in self.includes(path)))

    def objects(self, complain):
        """(source, room, object) of every built file of the rooms."""
        for path in self.files("src/*/*.c"):
            if self.is_test(path) or path not in self.commands:
                continue
            built = self.commands[path][2]
            if os.path.exists(built):
                yield path, path.split("/")[1], built
            else:
                complain(f"{path} is not built: run `ninja -C {self.build}` first")


def output_of(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def symbols(path, *options):
    """(name, type letter) of what nm shows."""
    found = (line.split() for line in output_of("nm", "-P", *options, path).splitlines())
    return [(words[0], words[1]) for words in found if len(words) >= 2]


def check_floors(tree, complain):
    for path in tree.files("src/**/*.[ch]"):
        room = path.split("/")[1]
        if room not in FLOORS:
            complain(f"{path}: the room {room}/ has no floor yet; give it one in FLOORS")
            continue
        for line, target in tree.includes(path):
            other = target.split("/")[0] if "/" in target else None
            if other is None and target not in ("tap.h", "corpus.h"):  # of tests/
                complain(f'{path}:{line}: "{target}" must name its room ("{room}/{target}")')
            elif other not in FLOORS or other == room:
                continue
            elif FLOORS[other] > FLOORS[room]:
                complain(f"{path}:{line}: {room}/ (floor {FLOORS[room]}) includes {target}, which "
                         f"is on a higher floor ({FLOORS[other]})")
            elif FLOORS[other] == FLOORS[room]:
                complain(f"{path}:{line}: {room}/ includes {target}: they are siblings on floor "
                         f"{FLOORS[room]} and must not know each other")
            elif (other in DOORS and not tree.is_test(path) and
                  target.split("/")[-1] not in DOORS[other]):
                complain(f"{path}:{line}: {target} is inside of {other}/, which shows higher "
                         f"floors {', '.join(sorted(DOORS[other]))}")


def file_edges(tree):
    """{file below src/: {file that it includes: "path:line"}}."""
    return {path[len("src/"):]: {target: f"{path}:{line}" for line, target in tree.includes(path)
                                 if os.path.exists(os.path.join(tree.root, "src", target))}
            for path in tree.files("src/**/*.[ch]")}


def module_edges(files):
    """A module is x.c and x.h; its edges are what either includes. A header without a .c has no
    code of its own: it is a part of whoever includes it."""
    modules = {path[:-2] for path in files if path.endswith(".c")}
    edges = {module: {} for module in modules}
    for path in files:
        seen, rest = set(), list(files[path].items()) if path[:-2] in modules else []
        while rest:
            target, place = rest.pop()
            if target[:-2] not in modules and target not in seen:
                seen.add(target)
                rest += [(further, place) for further in files[target]]
            elif target[:-2] in modules and target[:-2] != path[:-2]:
                edges[path[:-2]].setdefault(target[:-2], place)
    return edges


def shortest_cycle(edges, start):
    """The shortest way from a module back to itself, or None."""
    before, queue = {}, collections.deque([start])
    while queue:
        module = queue.popleft()
        for other in sorted(edges.get(module, ())):
            if other == start:
                way = [module]
                while way[0] != start:
                    way.insert(0, before[way[0]])
                return way
            if other not in before:
                before[other] = module
                queue.append(other)
    return None


def check_cycles(tree, complain):
    files = file_edges(tree)
    for edges in (files, module_edges(files)):
        told = set()
        for start in sorted(edges):
            way = shortest_cycle(edges, start)
            if way and not told & set(way):
                steps = ", ".join(f"{here} needs {there} ({edges[here][there]})"
                                  for here, there in zip(way, way[1:] + way[:1]))
                complain(f"an include cycle: {steps}")
            told.update(way or ())


def is_writable_section(name):
    """.data.rel.ro is constant once the addresses in it are set."""
    if name.startswith(".data.rel.ro"):
        return False
    return name == "*COM*" or re.match(r"\.t?(data|bss)\b", name) is not None


def check_globals(tree, complain):
    for path, room, built in tree.objects(complain):
        if FLOORS.get(room, PURE_FLOORS) >= PURE_FLOORS:
            continue
        shown = output_of("objdump", "-h", "-t", built)
        names = collections.defaultdict(list)
        for line in shown.splitlines():
            found = re.match(r"[0-9a-f]{8,} .{7} (\S+)\t[0-9a-f]+ +(?:\.hidden )?(\S+)$", line)
            if found and found.group(1) != found.group(2):
                names[found.group(1)].append(found.group(2))
        sizes = re.findall(r"^ *\d+ (\S+) +([0-9a-f]+) ", shown, re.M)
        filled = [name for name, size in sizes if int(size, 16) > 0]
        filled += ["*COM*"] if "*COM*" in names else []
        for section in filter(is_writable_section, filled):
            what = ", ".join(names[section]) or "something without a name"
            complain(f"{path}: {what} is writable ({section}): below floor {PURE_FLOORS} state "
                     "belongs to the caller's objects; tables are static const")


def check_calls(tree, complain):
    for path, room, built in tree.objects(complain):
        if FLOORS.get(room, PURE_FLOORS) >= PURE_FLOORS:
            continue
        for name, _ in symbols(built, "-u"):
            for why, pattern in FORBIDDEN:
                if pattern.match(name):
                    complain(f"{path} calls {name}, which means {why}: below floor {PURE_FLOORS} "
                             "the caller gives memory, times and random bytes, and does all I/O")


def check_exports(tree, complain):
    libraries = [(os.path.join(tree.build, "src/library", name), options) for name, options in
                 (("libhopwire.so", ("-D", "-g")), ("libhopwire.a", ("-g",)))]
    for path, options in libraries:
        name = os.path.basename(path)
        if not os.path.exists(path):
            complain(f"{name} is not built: run `ninja -C {tree.build}` first")
            continue
        exported = [symbol for symbol, _ in symbols(path, "--defined-only", *options)]
        if not any(symbol.startswith("hopwire_") for symbol in exported):
            complain(f"{name} exports no hopwire_* symbol at all")
        for symbol in exported:
            if not symbol.startswith("hopwire_"):
                complain(f"{name} exports {symbol}: only hopwire_* may leave the library")


def compile_alone(tree, path, command):
    """The compiler's first complaint about a header that nothing stands in front of, or None."""
    directory, words, _ = command
    words = [word for word in words if not re.match(r"-M[DQF]?$|-c$|-o$|.*\.(o|d|c)$", word)]
    words += ["-fdiagnostics-color=never", "-I" + os.path.join(tree.root, "tests")]
    with tempfile.NamedTemporaryFile("w", suffix=".c") as program:
        program.write(f'#include "{os.path.join(tree.root, path)}"\n')
        program.flush()
        result = subprocess.run([*words, "-fsyntax-only", program.name], cwd=directory,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)
    if result.returncode == 0:
        return None
    faults = [line for line in result.stdout.splitlines() if "error" in line]
    return (faults or result.stdout.splitlines() or ["the compiler failed"])[0]


def check_headers(tree, complain):
    """With the flags of a file of the same room."""
    of_room, jobs = {}, []
    for source, command in sorted(tree.commands.items()):
        of_room.setdefault(os.path.dirname(source), command)
    of_room["include/hopwire"] = of_room.get("src/library")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for path in tree.files("src/*/*.h", "include/**/*.h"):
            command = of_room.get(os.path.dirname(path))
            if command:
                jobs.append((path, pool.submit(compile_alone, tree, path, command)))
            elif os.path.dirname(path) in ("src/" + room for room in FLOORS):
                complain(f"{path}: nothing of its room is built")
    for path, job in jobs:
        if job.result():
            complain(f"{path} does not compile alone: {job.result()}")


def check_prefixes(tree, complain):
    for path, room, built in tree.objects(complain):
        # A platform's file implements what has the platform not in its name.
        stem = re.sub(r"_linux$", "", os.path.basename(path)[:-2])
        prefix = "hopwire_" if room == "library" else stem + "_"
        allowed = (prefix, OTHER_PREFIXES.get(path, prefix))
        for name, kind in symbols(built, "-g", "--defined-only"):
            if kind in "TW" and name not in ("main", stem) and not name.startswith(allowed):
                complain(f"{path} exports {name}: its name must start with {prefix}, or it must be "
                         "static")


def check_names(tree, complain):
    """In a profile, a static `open` looks like the call."""
    for path in lengths.code_files(tree):
        lines = tree.lines(path)
        for name, line, _ in lengths.functions(lines):
            if re.search(r"\bstatic\b", lines[line - 1]) and any(pattern.match(name)
                                                                 for _, pattern in FORBIDDEN):
                complain(f"{path}:{line}: the static {name} has a name of libc's: say what it "
                         "works on")


RULES = [
    ("includes point to the own room or the doors of a lower floor", check_floors),
    ("no include cycle between modules", check_cycles),
    ("no writable global below floor 5", check_globals),
    ("no system call, clock, randomness, stream or heap below floor 5", check_calls),
    ("the library exports hopwire_* only", check_exports),
    ("every header compiles alone", check_headers),
    ("exported functions have their file's name as prefix", check_prefixes),
    ("no static function with the name of a call", check_names),
    *lengths.RULES,
]

ASK_THE_BUILD = (check_globals, check_calls, check_exports, check_headers, check_prefixes)

# For each rule, small trees that break it, and a word of the complaint that must come.
GOOD_TREE = {
    "src/base/list.h": "int list_first(int item);\n",
    "src/base/list.c": '#include "base/list.h"\nstatic const int table[] = {1, 2};\n'
                       "static const char *const names[] = {\"a\", \"b\"};\n"
                       "int list_first(int item)\n{\n    return table[item & 1] + *names[0];\n}\n",
}
BAD_TREES = {
    check_floors: [
        ({"src/base/list.h": '#include "engine/tree.h"\n', "src/engine/tree.h": ""},
         "higher floor"),
        ({"src/route/nat.c": '#include "wireguard/peer.h"\n', "src/wireguard/peer.h": ""},
         "siblings"),
        ({"src/route/nat.c": '#include "nat.h"\n', "src/route/nat.h": ""}, "must name its room"),
        ({"src/attic/box.c": ""}, "no floor yet"),
        ({"src/daemon/list.c": '#include "engine/tree.h"\n', "src/engine/tree.h": ""}, "is inside"),
    ],
    check_cycles: [
        ({"src/base/a.h": '#include "base/b.h"\n', "src/base/b.h": '#include "base/a.h"\n'},
         "cycle"),
        # Through a .c file: no compiler would mind.
        ({"src/base/a.c": '#include "base/a.h"\n#include "base/b.h"\n', "src/base/a.h": "",
          "src/base/b.h": '#include "base/c.h"\n', "src/base/c.h": "",
          "src/base/c.c": '#include "base/a.h"\n'}, "base/c needs base/a"),
        # Through a header that has no code of its own.
        ({"src/base/a.c": '#include "base/state.h"\n', "src/base/b.h": "", "src/base/a.h": "",
          "src/base/state.h": '#include "base/b.h"\n', "src/base/b.c": '#include "base/a.h"\n'},
         "base/b needs base/a"),
    ],
    check_globals: [
        ({"src/base/list.c": "static int count;\nint list_next(void)\n{\n    return ++count;\n}\n"},
         "count is writable (.bss)"),
        ({"src/base/list.c": "int list_count = 5;\n"}, "list_count is writable (.data)"),
        ({"src/base/list.c": "_Thread_local int list_count;\n"}, "writable (.tbss)"),
        ({"src/base/list.c": "int list_count;\n", "flags": ["-fcommon"]}, "writable (*COM*)"),
    ],
    check_calls: [
        ({"src/base/list.c": f"{head}\nlong list_next(void)\n{{\n    return (long){call};\n}}\n"},
         f"list.c calls {name}, which means {why}")
        for head, call, name, why in (
            ("#include <time.h>", "time(NULL)", "time", "a clock"),
            ("#include <unistd.h>", "close(3)", "close", "a system call"),
            ("#include <string.h>", "strdup(__FILE__)", "strdup", "the heap"),
            ("#include <stdlib.h>", "rand()", "rand", "randomness"),
            ("#include <stdio.h>", "fflush(stdout)", "fflush", "a stream"),
            ("#include <stdlib.h>", "getenv(\"A\")", "getenv", "process-wide state"))
    ],
    check_exports: [
        ({"library": "int hopwire_open(void)\n{\n    return 1;\n}\nint peer_open;\n"},
         "exports peer_open"),
        ({"library": "int *hopper(void)\n{\n    return 0;\n}\n"}, "no hopwire_* symbol"),
        ({}, "not built"),
    ],
    check_headers: [
        ({"src/base/bare.h": "uint8_t bare_first(void);\n"}, "bare.h does not compile alone"),
    ],
    check_prefixes: [
        ({"src/base/list.c": "int other_first(void)\n{\n    return 1;\n}\n"},
         "exports other_first"),
    ],
    check_names: [
        ({"src/base/list.c": "static int open(int a)\n{\n    return a;\n}\n"}, "static open"),
    ],
    **lengths.BAD_TREES,
}


def plant(root, files):
    """Writes a small tree below `root` and builds what is in it; returns the Tree."""
    flags = ["-fPIC", *files.pop("flags", [])]
    library = files.pop("library", None)
    build, commands = os.path.join(root, "build"), []
    os.makedirs(os.path.join(build, "src/library"))
    for path, text in files.items():
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        with open(os.path.join(root, path), "w") as file:
            file.write(text)
    for path in (path for path in files if path.endswith(".c")):
        built = path.replace("/", "_") + ".o"
        words = ["cc", "-I" + os.path.join(root, "src"), *flags, "-o", built, "-c",
                 os.path.join(root, path)]
        subprocess.run(words, cwd=build, check=True)
        commands.append({"directory": build, "command": " ".join(map(shlex.quote, words)),
                         "file": os.path.join(root, path), "output": built})
    if library:
        source, folder = os.path.join(root, "library.c"), os.path.join(build, "src/library/")
        with open(source, "w") as file:
            file.write(library)
        shared = folder + "libhopwire.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", shared, source], check=True)
        subprocess.run(["cc", "-c", "-o", folder + "library.o", source], check=True)
        subprocess.run(["ar", "rc", folder + "libhopwire.a", folder + "library.o"], check=True)
    with open(os.path.join(build, "compile_commands.json"), "w") as file:
        json.dump(commands, file)
    return Tree(root, build)


def self_test_rule(rule):
    """What is wrong with a rule: it must pass the good tree and complain about each bad one."""
    good = {"library": "int hopwire_open(void)\n{\n    return 1;\n}\n"}
    cases = [({**GOOD_TREE, **good}, None)]
    cases += [({**GOOD_TREE, **files}, wanted) for files, wanted in BAD_TREES[rule]]
    for files, wanted in cases:
        root = tempfile.mkdtemp(prefix="hopwire-floors-")
        try:
            complaints = []
            rule(plant(root, files), complaints.append)
        finally:
            shutil.rmtree(root)
        if wanted is None and complaints:
            yield f"complains about a good tree: {complaints[0]}"
        elif wanted is not None and not any(wanted in complaint for complaint in complaints):
            yield f"does not say “{wanted}” of a bad tree, but {complaints}"


def point(number, name, complaints, skipped=""):
    print(f"{'not ok' if complaints else 'ok'} {number} - {name}{skipped}")
    for complaint in complaints:
        print(f"# {complaint}")
    return not complaints


def main():
    words = sys.argv[1:]
    is_self_test = words == ["--self-test"]
    if not is_self_test and (len(words) > 1 or words[:1] and words[0].startswith("-")):
        sys.exit(f"usage: {sys.argv[0]} [BUILD | --self-test]")
    is_good = True
    print(f"1..{len(RULES) * (1 if is_self_test else 2)}", flush=True)
    for number, (name, rule) in enumerate(RULES, 1):
        is_good &= point(number, f"self-test: {name}", list(self_test_rule(rule)))
    if not is_self_test:
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        build = words[0] if words else os.path.join(root, "build-release")
        tree = Tree(root, build if words or os.path.isdir(build) else None)
        for number, (name, rule) in enumerate(RULES, len(RULES) + 1):
            complaints, can_ask = [], tree.build or rule not in ASK_THE_BUILD
            if can_ask:
                rule(tree, complaints.append)
            is_good &= point(number, name, complaints,
                             "" if can_ask else f" # SKIP there is no {build}: name a built one")
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
