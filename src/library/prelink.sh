#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes one archive of one object, whose only global names are hopwire_*: a static library's short
# internal names must not clash with the program's.
#   prelink.sh OUTPUT OBJCOPY AR LIBRARY-ARCHIVE ARCHIVE… -- LINKER…
set -eu
output=$1 objcopy=$2 ar=$3 library=$4
shift 4
archives=
while [ "$1" != -- ]; do
    archives="$archives $1"
    shift
done
shift
object=${output%.a}_prelinked.o
# shellcheck disable=SC2086
"$@" -r -nostdlib -o "$object" -Wl,--whole-archive "$library" -Wl,--no-whole-archive \
    -Wl,--start-group $archives -Wl,--end-group
"$objcopy" --wildcard --keep-global-symbol='hopwire_*' "$object"
rm -f "$output"
"$ar" rcs "$output" "$object"
