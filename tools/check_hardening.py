#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that the program and the library, as people install them, are hardened: what their ELF
files say, no matter which options the build was meant to have.

    check_hardening.py [BUILD]        the program and the library of that build (build-release)

Prints TAP. It begins with a program compiled without any of it, which every rule must complain of."""

import glob
import os
import platform
import struct
import subprocess
import sys
import tempfile

PT_DYNAMIC, PT_GNU_STACK, PT_GNU_RELRO = 2, 0x6474e551, 0x6474e552
DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT, DT_FLAGS, DT_FLAGS_1, DT_BIND_NOW = 5, 6, 10, 11, 30, \
    0x6ffffffb, 24
DF_BIND_NOW, DF_1_NOW = 8, 1
ET_DYN, PF_X = 3, 1

UNHARDENED = "-O0 -fno-stack-protector -U_FORTIFY_SOURCE -no-pie -fno-pie -Wl,-z,norelro " \
             "-Wl,-z,lazy -Wl,-z,execstack"
SOURCE = """
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{
    char text[16];
    strcpy(text, argv[argc - 1]);
    return printf("%s", text);
}
"""


class Elf:
    """A 64-bit ELF file of this machine's byte order."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        if self.data[:5] != b"\x7fELF\x02":
            raise ValueError(f"{path} is no 64-bit ELF file")
        self.kind, = struct.unpack_from("H", self.data, 16)
        at, = struct.unpack_from("Q", self.data, 32)
        size, count = struct.unpack_from("HH", self.data, 54)
        # type, flags, offset, vaddr, paddr, filesz, memsz
        self.segments = [struct.unpack_from("IIQQQQQ", self.data, at + i * size)
                         for i in range(count)]
        self.dynamic = {}
        for kind, _, offset, _, _, length, _ in self.segments:
            if kind == PT_DYNAMIC:
                for place in range(offset, offset + length, 16):
                    tag, value = struct.unpack_from("QQ", self.data, place)
                    self.dynamic[tag] = value

    def flags_of(self, wanted):
        return next((flags for kind, flags, *_ in self.segments if kind == wanted), None)

    def place(self, address):
        return next(offset + address - start for kind, _, offset, start, _, length, _
                    in self.segments if kind == 1 and start <= address < start + length)

    def names(self):
        """Of the dynamic symbols; their table ends where the strings begin."""
        strings, size = self.place(self.dynamic[DT_STRTAB]), self.dynamic[DT_STRSZ]
        symbols = self.place(self.dynamic[DT_SYMTAB])
        text = self.data[strings:strings + size]
        found = set()
        for place in range(symbols, strings, self.dynamic[DT_SYMENT]):
            at, = struct.unpack_from("I", self.data, place)
            if at < size:
                found.add(text[at:text.index(b"\0", at)].decode())
        return found


def is_independent(elf):
    return elf.kind == ET_DYN


def has_read_only_relocations(elf):
    return elf.flags_of(PT_GNU_RELRO) is not None


def is_bound_at_start(elf):
    return bool(elf.dynamic.get(DT_FLAGS, 0) & DF_BIND_NOW or DT_BIND_NOW in elf.dynamic
                or elf.dynamic.get(DT_FLAGS_1, 0) & DF_1_NOW)


def has_a_stack_without_code(elf):
    return elf.flags_of(PT_GNU_STACK) is not None and not elf.flags_of(PT_GNU_STACK) & PF_X


def has_stack_protector(elf):
    return "__stack_chk_fail" in elf.names()


def has_fortified_calls(elf):
    return any(name.startswith("__") and name.endswith("_chk") for name in elf.names())


RULES = (("loaded at any address", is_independent),
         ("relocations are read-only", has_read_only_relocations),
         ("every call is bound at the start", is_bound_at_start),
         ("no code on the stack", has_a_stack_without_code),
         ("stack protector", has_stack_protector),
         ("FORTIFY's checked calls", has_fortified_calls))


def bad_program(directory):
    source, program = os.path.join(directory, "bad.c"), os.path.join(directory, "bad")
    with open(source, "w") as file:
        file.write(SOURCE)
    subprocess.run(["cc", *UNHARDENED.split(), source, "-o", program], check=True)
    return Elf(program)


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    build = sys.argv[1] if len(sys.argv) > 1 else os.path.join(root, "build-release")
    libraries = glob.glob(os.path.join(build, "src/library/libhopwire.so.*.*"))
    files = [os.path.join(build, "src/cli/hopwire"), *filter(os.path.isfile, libraries)]
    if platform.architecture()[0] != "64bit":
        print("1..0 # SKIP it reads 64-bit ELF files")
        return
    print(f"1..{len(RULES) * (len(files) + 1)}")
    number = failed = 0
    with tempfile.TemporaryDirectory() as directory:
        bad = bad_program(directory)
    for name, rule in RULES:
        number += 1
        failed += rule(bad)
        print(f"{'not ok' if rule(bad) else 'ok'} {number} - self-test: {name}")
    for path in files:
        elf = Elf(path)
        for name, rule in RULES:
            number += 1
            failed += not rule(elf)
            print(f"{'ok' if rule(elf) else 'not ok'} {number} - {os.path.basename(path)}: {name}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
