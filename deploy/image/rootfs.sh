#!/bin/sh
# Collects in a folder all that an image with one program holds: the program, the libraries it is
# linked with, the roots by which https servers are known, the time zones, and a user to run as.
# The Containerfile's builder runs it, and so does whoever brings ready programs.
#
# Usage: rootfs.sh PROGRAM FOLDER
set -eu

program=$1
root=$2

install -D -m 755 "$program" "$root/usr/local/bin/${program##*/}"

# The lines of ldd that name a file: `libc.so.6 => /lib/… (0x…)` and the loader. A program without
# libraries has none.
{ ldd "$program" || true; } | sed -nE 's/^(.* => |[[:space:]]*)(\/[^ ]+) \(0x.*/\2/p' |
  while read -r library; do
    install -D -m 755 "$library" "$root$library"
  done

install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"

mkdir -p "$root/usr/share"
cp -R /usr/share/zoneinfo "$root/usr/share/zoneinfo"
# The same zones again, with and without leap seconds, and the zone of this machine.
(cd "$root/usr/share/zoneinfo" && rm -rf posix right localtime posixrules)

# Pods name the user by number; some libraries want it to have a name and a home as well.
mkdir -p "$root/home/nonroot" "$root/tmp"
chmod 1777 "$root/tmp"
echo 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin' >"$root/etc/passwd"
echo 'nonroot:x:65532:' >"$root/etc/group"
