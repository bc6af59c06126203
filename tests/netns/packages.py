# SPDX-License-Identifier: MIT
"""Debian packages in a host of a lab and nowhere else: unpacked into the user's cache, seen as part
of /usr by that host's programs alone, with what they depend on and this machine lacks."""

import functools
import glob
import hashlib
import os
import re
import shutil
import subprocess
import tempfile

import surroundings
from tap import Skip

MERGED = ("bin", "sbin", "lib", "lib64")


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "hopwire", "packages")


def missing_with(package):
    """The package and what it depends on and this machine lacks."""
    told = subprocess.run(["apt-get", "-s", "-qq", "--no-install-recommends", "install", package],
                          capture_output=True, text=True)
    if told.returncode != 0:
        raise Skip(f"apt-get knows no way to {package}: {told.stderr.strip().splitlines()[-1:]}")
    return sorted({package, *re.findall(r"^Inst (\S+)", told.stdout, re.M)})


def download(names, into):
    """The packages' files, in one directory."""
    got = subprocess.run(["apt-get", "-qq", "download", *names], cwd=into, capture_output=True,
                         text=True)
    files = glob.glob(os.path.join(into, "*.deb"))
    if got.returncode != 0 or len(files) != len(names):
        why = got.stderr.strip().splitlines()[-1:]
        raise Skip(f"{' '.join(names)}: not to be downloaded: {why}")
    tree = os.path.join(into, "tree")
    for file in files:
        subprocess.run(["dpkg-deb", "-x", file, tree], check=True)
    for name in MERGED:  # as on every system whose /bin is a link to /usr/bin
        if os.path.isdir(os.path.join(tree, name)):
            shutil.copytree(os.path.join(tree, name), os.path.join(tree, "usr", name),
                            symlinks=True, dirs_exist_ok=True)
    return tree


@functools.cache  # apt-get takes seconds for an answer that stays
def unpacked(package):
    """The directory of the package's files; Skip when it cannot be had."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Skip(f"{package} is not here, and no apt-get to get it with")
    names = missing_with(package)
    into = os.path.join(cache(), "+".join([package, hashlib.sha256(" ".join(names).encode())
                                           .hexdigest()[:16]]))
    if os.path.isdir(into):
        return into
    try:
        os.makedirs(cache(), exist_ok=True)
    except OSError as error:
        raise Skip(f"no place for {package}: {error}")
    with tempfile.TemporaryDirectory(dir=cache()) as work:
        tree = download(names, work)
        try:
            os.rename(tree, into)
        except OSError:
            if not os.path.isdir(into):  # else another run was faster
                raise
    return into


def give(host, package):
    """From now on the host's programs see the package as installed, with its /etc: the path of that
    as seen from outside. Skip where this machine cannot."""
    tree = unpacked(package)
    etc = new_etc(host)
    if os.path.isdir(os.path.join(tree, "etc")):
        shutil.copytree(os.path.join(tree, "etc"), etc, symlinks=True, dirs_exist_ok=True)
    resolv_conf = os.path.join(host.dir, "resolv.conf")  # a mount, instead of the package's
    if os.path.exists(resolv_conf):
        os.remove(resolv_conf)
    host.given = [tree]
    host.write("mounts", f"mount -t overlay overlay -o 'lowerdir={tree}/usr:/usr' /usr\n")
    tried = host.run("true", check=False)
    if tried.returncode != 0:
        take_back(host)
        raise Skip(f"no private /usr here: {tried.stderr.strip()}")
    return etc


def new_etc(host):
    """The host's /etc is as of a machine that nobody set anything on; its path from outside."""
    etc = os.path.join(host.dir, "etc")
    shutil.rmtree(etc, ignore_errors=True)
    surroundings.make_etc(etc)
    return etc


def plain_resolv_conf(host):
    """An /etc of its own, whose resolv.conf is no mount: its path from outside."""
    etc = new_etc(host)
    resolv_conf = os.path.join(host.dir, "resolv.conf")
    if os.path.exists(resolv_conf):
        os.remove(resolv_conf)
    return os.path.join(etc, "resolv.conf")


def take_back(host):
    new_etc(host)
    host.given = []
    path = os.path.join(host.dir, "mounts")
    if os.path.exists(path):
        os.remove(path)
    host.write("resolv.conf", "", 0o644)
