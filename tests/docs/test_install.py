# SPDX-License-Identifier: MIT
"""What `meson install` lays down, and that the program and the library work from there."""

import glob
import os
import shutil
import stat
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "netns"))

import tap  # noqa: E402

EXAMPLE = os.path.join(ROOT, "examples", "embed.c")
# Directories that an installation writes into, as of a machine of one's own: in a mount namespace.
PRIVATE = """
set -e
for place in /usr/local /etc /var/cache/ldconfig; do
    mkdir -p "$place" "$1$place.upper" "$1$place.work"
    layers=lowerdir=$place,upperdir=$1$place.upper,workdir=$1$place.work
    mount -t overlay overlay -o "$layers" "$place"
done
shift
exec "$@"
"""
INSTALLED = """
set -e
meson install -C "$1" --no-rebuild >"$3/log" 2>&1 || { cat "$3/log"; exit 1; }
cc "$2" -o "$3/embed" $(pkg-config --cflags --libs libhopwire)
"$3/embed" >/dev/null
hopwire --version
stat -c %a /etc/hopwire
"""


def build():
    """The build directory that the program under test is of."""
    program = os.environ.get("HOPWIRE", "")
    if not os.access(program, os.X_OK):
        raise tap.Skip("HOPWIRE does not name the hopwire program")
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(program))))


def run(*argv, env=None):
    result = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                            env={**os.environ, **(env or {})})
    if result.returncode != 0:
        raise tap.Failed(f"{' '.join(argv)}: status {result.returncode}: {result.stdout}"
                         f"{result.stderr}")
    return result.stdout


def installed_into(directory):
    run("meson", "install", "-C", build(), "--no-rebuild", "--destdir", directory)
    return sorted(os.path.relpath(os.path.join(place, name), directory)
                  for place, _, names in os.walk(directory) for name in names)


@tap.test
def a_destdir_has_program_library_manuals_examples_and_a_place_for_keys():
    with tempfile.TemporaryDirectory() as directory:
        files = installed_into(directory)
        for end in ("/sbin/hopwire", "/include/hopwire/hopwire.h", "/libhopwire.so",
                    "/libhopwire.a", "/man8/hopwire.8", "/man5/hopwire.conf.5",
                    "/pkgconfig/hopwire.pc", "/pkgconfig/libhopwire.pc",
                    *("/doc/hopwire/examples/" + name for name in os.listdir(ROOT + "/examples"))):
            tap.check(any(file.endswith(end) for file in files), f"{end} in {files}")
        mode = stat.S_IMODE(os.stat(directory + "/etc/hopwire").st_mode)
        tap.equal(oct(mode), "0o700", "the mode of /etc/hopwire")
        strange = [file for file in files if "test" in file or "fuzz" in file or "bench" in file]
        tap.equal(strange, [], "files that are no part of it")


@tap.test
def a_program_is_built_against_what_is_in_a_destdir():
    with tempfile.TemporaryDirectory() as directory:
        installed_into(directory)
        description, = glob.glob(directory + "/**/hopwire.pc", recursive=True)
        library = os.path.dirname(glob.glob(directory + "/**/libhopwire.so", recursive=True)[0])
        paths = {"PKG_CONFIG_PATH": os.path.dirname(description),
                 "PKG_CONFIG_SYSROOT_DIR": directory, "LD_LIBRARY_PATH": library}
        flags = run("pkg-config", "--cflags", "--libs", "hopwire", env=paths).split()
        program = directory + "/embed"
        run("cc", "-Wall", "-Wextra", "-Werror", EXAMPLE, "-o", program, *flags)
        run(program, env=paths)
        alone = run("pkg-config", "--static", "--libs", "hopwire", env=paths).split()
        compile_only = run("pkg-config", "--cflags", "hopwire", env=paths).split()
        static = [library + "/libhopwire.a" if flag == "-lhopwire" else flag for flag in alone]
        run("cc", EXAMPLE, "-o", program, *compile_only, *static)
        run(program)


@tap.test
def what_root_installs_works_at_once():
    """Without DESTDIR the loader is told of the library; an upgrade leaves keys where they are."""
    if not shutil.which("unshare"):
        raise tap.Skip("there is no unshare")
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    with tempfile.TemporaryDirectory() as directory:
        # An upper layer may not be of the file system that is below another one here.
        upper = os.path.join(directory, "upper")
        os.makedirs(upper)
        script = 'mount -t tmpfs tmpfs "$1" || exit 77; ' + PRIVATE
        result = subprocess.run(
            ["unshare", *as_root, "--mount", "sh", "-c", script, "sh", upper, "sh", "-c", INSTALLED,
             "sh", build(), EXAMPLE, directory], capture_output=True, text=True)
    if result.returncode in (32, 77):
        raise tap.Skip(f"nothing can be laid over /usr/local here: {result.stderr.strip()}")
    tap.equal(result.returncode, 0, result.stdout + result.stderr)
    tap.contains(result.stdout, "hopwire", "the program's own words")
    tap.equal(result.stdout.split()[-1], "700", "the mode of /etc/hopwire")


@tap.test
def a_build_without_tests_compiles_nothing_but_what_is_installed():
    with tempfile.TemporaryDirectory() as directory:
        run("meson", "setup", directory, ROOT, "-Dtests=false")
        steps = run("ninja", "-C", directory, "-n", "-v").splitlines()
        compiled = [line for line in steps if " -c " in line]
        tap.check(len(compiled) > 50, f"{len(compiled)} files to compile")
        strange = [line for line in compiled if any(
            word in line.split(" -c ")[1] for word in ("test", "fuzz", "bench", "simul", "embed"))]
        tap.equal(strange[:2], [], "what is compiled and not installed")
        tap.check(not any("-Werror" in line for line in compiled), "warnings are no errors")


if __name__ == "__main__":
    tap.main()
