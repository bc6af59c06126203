#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the .inc files here from Project Wycheproof's JSON: convert.py DIRECTORY_OF_JSON"""
import json
import pathlib
import sys

NOTE = """/* SPDX-License-Identifier: Apache-2.0 */
/* From {source} of Project Wycheproof (https://github.com/C2SP/wycheproof), as the
 * crate wycheproof 0.7.0 carries it; changed by convert.py, which keeps
 * {fields}.
 * The licence is in LICENSE-APACHE-2.0. */
"""


def write(here, name, source, fields, rows):
    lines = []
    for row in rows:
        cells = [cell if isinstance(cell, str) else json.dumps(cell) for cell in row]
        lines.append("{" + ", ".join(cells) + "},")
    text = NOTE.format(source=source, fields=fields) + "\n".join(lines) + "\n"
    (here / name).write_text(text)


def tests(directory, source):
    for group in json.loads((directory / source).read_text())["testGroups"]:
        for test in group["tests"]:
            yield test


def quoted(text):
    return f'"{text}"'


def aead(here, directory, algorithm, nonce_bytes, most_bytes):
    rows = []
    for t in tests(directory, f"{algorithm}_test.json"):
        if len(t["iv"]) == 2 * nonce_bytes and len(t["msg"]) <= 2 * most_bytes:
            rows.append((t["tcId"], t["result"] == "valid", quoted(t["key"]), quoted(t["iv"]),
                         quoted(t["aad"]), quoted(t["msg"]), quoted(t["ct"] + t["tag"])))
    write(here, f"wycheproof_{algorithm}.inc", f"{algorithm}_test.json",
          f"number, is it valid, key, nonce of {nonce_bytes} bytes, associated data, plaintext of at"
          f" most\n * {most_bytes} bytes, ciphertext with tag", rows)


def main():
    here, directory = pathlib.Path(__file__).parent, pathlib.Path(sys.argv[1])
    aead(here, directory, "chacha20_poly1305", 12, 1024)
    aead(here, directory, "xchacha20_poly1305", 24, 513)
    write(here, "wycheproof_x25519.inc", "x25519_test.json",
          "number, private key, public key, shared secret",
          ((t["tcId"], quoted(t["private"]), quoted(t["public"]), quoted(t["shared"]))
           for t in tests(directory, "x25519_test.json")))


main()
