# SPDX-License-Identifier: MIT
"""Our handshake against PyPI noiseprotocol in both roles: noise_interop.py NOISE_PEER

What noiseprotocol does not know (indices, macs, cookies) is made here from hashlib, cryptography and
the whitepaper; XChaCha's subkey from draft-irtf-cfrg-xchacha-03."""

import hashlib
import os
import struct
import subprocess
import sys
import traceback

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from noise.connection import Keypair, NoiseConnection

PROLOGUE = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
PATTERN = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
WALL_S = 1800000000  # what noise_peer takes for second 0


def public_of(private):
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def mac(key, data):
    return hashlib.blake2s(data, key=key, digest_size=16).digest()


def label_key(label, public):
    return hashlib.blake2s(label + public).digest()


def tai64n(seconds, nanoseconds=0):
    return struct.pack(">QI", (1 << 62) + 10 + WALL_S + seconds, nanoseconds)


def hchacha(key, nonce):
    def turn(value, bits):
        return (value << bits | value >> 32 - bits) & 0xFFFFFFFF

    state = list(struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<8I", key)
                 + struct.unpack("<4I", nonce))
    columns = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)]
    diagonals = [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
    for _ in range(10):
        for a, b, c, d in columns + diagonals:
            for one, two, three, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                state[one] = (state[one] + state[two]) & 0xFFFFFFFF
                state[three] = turn(state[three] ^ state[one], bits)
    return struct.pack("<8I", *state[:4], *state[12:])


def xchacha(key, nonce):
    return ChaCha20Poly1305(hchacha(key, nonce[:16])), bytes(4) + nonce[16:]


class Ours:
    """noise_peer: one process for all tests."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def ask(self, *words):
        words = [w.hex() or "-" if isinstance(w, bytes) else str(w) for w in words]
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        word, rest = self.process.stdout.readline().split()
        return word, b"" if rest == "-" else bytes.fromhex(rest)

    def close(self):
        self.process.stdin.close()
        return self.process.wait(20)


class Theirs:
    """The independent end."""

    def __init__(self, ours, preshared):
        self.ours, self.preshared = ours, preshared
        self.private, self.our_private = os.urandom(32), os.urandom(32)
        self.public, self.our_public = public_of(self.private), public_of(self.our_private)
        self.index = int.from_bytes(os.urandom(4), "little")
        self.cookie = None
        equal(ours.ask("init", self.our_private, self.public, preshared), ("ok", b""))

    def connection(self, is_initiator):
        noise = NoiseConnection.from_name(PATTERN)
        noise.set_prologue(PROLOGUE)
        noise.set_psks(self.preshared)
        noise.set_keypair_from_private_bytes(Keypair.STATIC, self.private)
        if is_initiator:
            noise.set_as_initiator()
            noise.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, self.our_public)
        else:
            noise.set_as_responder()
        noise.start_handshake()
        return noise

    def with_macs(self, message):
        message += mac(label_key(b"mac1----", self.our_public), message)
        return message + (mac(self.cookie, message) if self.cookie else bytes(16))

    def check_macs(self, message, cookie=None):
        equal(message[-32:-16], mac(label_key(b"mac1----", self.public), message[:-32]))
        equal(message[-16:], mac(cookie, message[:-16]) if cookie else bytes(16))

    def initiation(self, timestamp):
        noise = self.connection(True)
        head = struct.pack("<II", 1, self.index)
        return noise, self.with_macs(head + bytes(noise.write_message(timestamp)))

    def take_response(self, noise, response):
        kind, sender, receiver = struct.unpack("<III", response[:12])
        equal((len(response), kind, receiver), (92, 2, self.index))
        self.check_macs(response)
        equal(bytes(noise.read_message(response[12:60])), b"")
        return sender

    def answer(self, initiation, seconds):
        """To an initiation of ours: the connection, our index and the response."""
        kind, sender = struct.unpack("<II", initiation[:8])
        equal((len(initiation), kind), (148, 1))
        noise = self.connection(False)
        timestamp = bytes(noise.read_message(initiation[8:116]))
        equal(timestamp, tai64n(seconds))
        equal(noise.noise_protocol.handshake_state.rs.public_bytes, self.our_public)
        head = struct.pack("<III", 2, self.index, sender)
        return noise, sender, self.with_macs(head + bytes(noise.write_message(b"")))

    def exchange(self, noise, our_index, seconds):
        """Data both ways, of many lengths, with the counters that either end counts by itself."""
        for counter, length in enumerate([0, 1, 15, 16, 17, 64, 1000, 1420, 2000]):
            payload = os.urandom(length)
            sealed = struct.pack("<IIQ", 4, our_index, counter) + bytes(noise.encrypt(payload))
            forged = sealed[:-1] + bytes([sealed[-1] ^ 1])
            equal(self.ours.ask("open", seconds, forged), ("bad_tag", b""))
            equal(self.ours.ask("open", seconds, sealed), ("ok", payload))
            equal(self.ours.ask("open", seconds, sealed), ("replayed", b""))
            word, data = self.ours.ask("seal", seconds, payload)
            equal((word, data[:16]), ("data", struct.pack("<IIQ", 4, self.index, counter)))
            equal(bytes(noise.decrypt(data[16:])), payload)


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"{actual!r} is not {expected!r}")


def we_respond(ours, preshared):
    theirs = Theirs(ours, preshared)
    noise, initiation = theirs.initiation(tai64n(0))
    word, response = ours.ask("consume", 100, 0, initiation)
    equal(word, "ok")
    our_index = theirs.take_response(noise, response)
    equal(ours.ask("seal", 100, b"early"), ("none", b""))  # they have not confirmed it
    theirs.exchange(noise, our_index, 100)
    equal(ours.ask("consume", 101, 0, initiation), ("handshake_replayed", b""))
    older = theirs.initiation(tai64n(-1))[1]
    equal(ours.ask("consume", 101, 0, older), ("handshake_replayed", b""))


def we_initiate(ours, preshared):
    theirs = Theirs(ours, preshared)
    word, initiation = ours.ask("initiate", 100)
    equal(word, "initiation")
    theirs.check_macs(initiation)
    noise, our_index, response = theirs.answer(initiation, 100)
    wrong = theirs.with_macs(response[:40] + bytes([response[40] ^ 1]) + response[41:60])
    equal(ours.ask("consume", 100, 0, wrong), ("handshake_refused", b""))
    equal(ours.ask("consume", 102, 0, response), ("ok", b""))
    theirs.exchange(noise, our_index, 102)


def test_we_respond(ours):
    we_respond(ours, bytes(32))


def test_we_respond_with_preshared_key(ours):
    we_respond(ours, os.urandom(32))


def test_we_initiate(ours):
    we_initiate(ours, bytes(32))


def test_we_initiate_with_preshared_key(ours):
    we_initiate(ours, os.urandom(32))


def test_other_preshared_key_is_refused(ours):
    theirs = Theirs(ours, os.urandom(32))
    _, initiation = ours.ask("initiate", 100)
    theirs.preshared = os.urandom(32)
    _, _, response = theirs.answer(initiation, 100)
    equal(ours.ask("consume", 100, 0, response), ("handshake_refused", b""))


def test_our_cookie_is_understood(ours):
    theirs = Theirs(ours, bytes(32))
    _, initiation = theirs.initiation(tai64n(0))
    word, reply = ours.ask("consume", 100, 1, initiation)
    equal((word, len(reply), reply[:8]), ("under_load", 64, struct.pack("<II", 3, theirs.index)))
    aead, nonce = xchacha(label_key(b"cookie--", theirs.our_public), reply[8:32])
    theirs.cookie = aead.decrypt(nonce, reply[32:], initiation[-32:-16])
    equal(len(theirs.cookie), 16)
    noise, initiation = theirs.initiation(tai64n(1))
    word, response = ours.ask("consume", 101, 1, initiation)
    equal(word, "ok")
    theirs.exchange(noise, theirs.take_response(noise, response), 101)


def test_their_cookie_is_used(ours):
    theirs = Theirs(ours, bytes(32))
    _, initiation = ours.ask("initiate", 100)
    cookie, nonce = os.urandom(16), os.urandom(24)
    aead, aead_nonce = xchacha(label_key(b"cookie--", theirs.public), nonce)
    sealed = aead.encrypt(aead_nonce, cookie, initiation[-32:-16])
    reply = struct.pack("<I", 3) + initiation[4:8] + nonce + sealed
    forged = reply[:-1] + bytes([reply[-1] ^ 1])
    equal(ours.ask("consume", 100, 0, forged), ("cookie_refused", b""))
    equal(ours.ask("consume", 100, 0, reply), ("ok", b""))
    equal(ours.ask("consume", 100, 0, reply), ("cookie_refused", b""))
    word, initiation = ours.ask("initiate", 105)
    equal(word, "initiation")
    theirs.check_macs(initiation, cookie)
    noise, our_index, response = theirs.answer(initiation, 105)
    equal(ours.ask("consume", 105, 0, response), ("ok", b""))
    theirs.exchange(noise, our_index, 105)
    word, initiation = ours.ask("initiate", 221)  # the cookie is too old
    theirs.check_macs(initiation)


def test_rekey_in_both_roles(ours):
    theirs = Theirs(ours, os.urandom(32))
    for seconds in range(100, 160, 20):
        noise, initiation = theirs.initiation(tai64n(seconds))
        word, response = ours.ask("consume", seconds, 0, initiation)
        equal(word, "ok")
        theirs.exchange(noise, theirs.take_response(noise, response), seconds)
        _, initiation = ours.ask("initiate", seconds + 10)
        noise, our_index, response = theirs.answer(initiation, seconds + 10)
        equal(ours.ask("consume", seconds + 10, 0, response), ("ok", b""))
        theirs.exchange(noise, our_index, seconds + 10)


def main():
    ours = Ours(sys.argv[1])
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    failed = 0
    for number, (name, test) in enumerate(tests, 1):
        try:
            test(ours)
            print(f"ok {number} - {name}")
        except Exception:  # a test that breaks has failed: the others still run
            failed += 1
            print("# " + traceback.format_exc().rstrip().replace("\n", "\n# "))
            print(f"not ok {number} - {name}")
        sys.stdout.flush()
    if ours.close() != 0:
        failed += 1
        print("# noise_peer ended badly")
    print(f"1..{len(tests)}")
    return 1 if failed else 0


sys.exit(main())
