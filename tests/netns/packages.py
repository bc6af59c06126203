# SPDX-License-Identifier: MIT
"""Debian packages in a host of a lab and nowhere else: unpacked into the user's cache, seen as part
of /usr by that host's programs alone, beside a writable copy of /etc."""

import glob
import os
import shutil
import subprocess
import tempfile

from tap import Skip

MERGED = ("bin", "sbin", "lib", "lib64")


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "hopwire", "packages")


def unpacked(package):
    """The directory of the package's files; Skip when it cannot be had."""
    into = os.path.join(cache(), package)
    if os.path.isdir(into):
        return into
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Skip(f"{package} is not here, and no apt-get to get it with")
    try:
        os.makedirs(cache(), exist_ok=True)
    except OSError as error:
        raise Skip(f"no place for {package}: {error}")
    with tempfile.TemporaryDirectory(dir=cache()) as work:
        got = subprocess.run(["apt-get", "-qq", "download", package], cwd=work,
                             capture_output=True, text=True)
        files = glob.glob(os.path.join(work, "*.deb"))
        if got.returncode != 0 or not files:
            raise Skip(f"{package} cannot be downloaded: {got.stderr.strip().splitlines()[-1:]}")
        tree = os.path.join(work, "tree")
        subprocess.run(["dpkg-deb", "-x", files[0], tree], check=True)
        for name in MERGED:  # as on every system whose /bin is a link to /usr/bin
            if os.path.isdir(os.path.join(tree, name)):
                shutil.copytree(os.path.join(tree, name), os.path.join(tree, "usr", name),
                                symlinks=True, dirs_exist_ok=True)
        try:
            os.rename(tree, into)
        except OSError:
            if not os.path.isdir(into):  # else another run was faster
                raise
    return into


def give(host, package):
    """From now on the host's programs see the package as installed, and an /etc of their own: its
    path as seen from outside. Skip where this machine cannot."""
    tree = unpacked(package)
    etc = os.path.join(host.dir, "etc")
    shutil.rmtree(etc, ignore_errors=True)
    shutil.copytree("/etc", etc, symlinks=True, ignore_dangling_symlinks=True,
                    ignore=lambda directory, names: [n for n in names if not os.access(
                        os.path.join(directory, n), os.R_OK, follow_symlinks=False)])
    if os.path.isdir(os.path.join(tree, "etc")):
        shutil.copytree(os.path.join(tree, "etc"), etc, symlinks=True, dirs_exist_ok=True)
    resolv_conf = os.path.join(host.dir, "resolv.conf")  # a mount, instead of the package's
    if os.path.exists(resolv_conf):
        os.remove(resolv_conf)
    host.write("mounts", f"mount -t overlay overlay -o 'lowerdir={tree}/usr:/usr' /usr &&\n"
                         f"mount --bind '{etc}' /etc\n")
    tried = host.run("true", check=False)
    if tried.returncode != 0:
        take_back(host)
        raise Skip(f"no private /usr and /etc here: {tried.stderr.strip()}")
    return etc


def take_back(host):
    path = os.path.join(host.dir, "mounts")
    if os.path.exists(path):
        os.remove(path)
    host.write("resolv.conf", "", 0o644)
