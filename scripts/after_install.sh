#!/bin/sh
# SPDX-License-Identifier: MIT
# Run by `meson install`: the system's list of shared libraries learns of libhopwire. Not for a package
# (DESTDIR), whose own scripts do that, nor without the right to.
[ -z "${DESTDIR:-}" ] && [ "$(id -u)" = 0 ] || exit 0
ldconfig=$(command -v ldconfig || command -v /sbin/ldconfig) || exit 0 # musl has and needs none
"$ldconfig" || exit 0
"$ldconfig" -p | grep -q "=> $1/libhopwire" ||
    echo "programs find libhopwire only with $1 in LD_LIBRARY_PATH, or in a file of /etc/ld.so.conf.d"
