#!/bin/sh
# Sets up NVRTC, NVIDIA's run-time compiler for CUDA C, on Debian 12 or newer: for machines without a GPU, where kernels can
# be compiled but not run. Needs neither root nor a driver, and leaves the machine's own package lists as they are.
#
# The packages come from the mirror that this machine's own apt sources name (section non-free of Debian 13; that of Debian 12
# holds NVRTC 11.8, which does not know Hopper's warpgroup instructions). They are unpacked, not installed, into a folder where
# Picograd looks: $XDG_DATA_HOME/picograd/nvrtc, by default ~/.local/share/picograd/nvrtc.
#
# NVRTC is NVIDIA's and proprietary: its licence, unpacked beside it (usr/share/doc/libnvrtc12/copyright), allows use, and
# redistribution on NVIDIA's terms only. It is no part of Picograd and must not be committed or shipped with it.
#
# usage: scripts/install-nvrtc-debian.sh [FOLDER]
set -eu

release=trixie
packages="libnvrtc12 libnvrtc-builtins12.4"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
target=${1:-${XDG_DATA_HOME:-$HOME/.local/share}/picograd/nvrtc}

fail() {
    echo "install-nvrtc-debian: $1" >&2
    exit 1
}

command -v apt-get >/dev/null 2>&1 || fail "apt-get is not here; this script is for Debian. Elsewhere install NVIDIA's CUDA toolkit, or the Python package of NVRTC."
command -v dpkg >/dev/null 2>&1 || fail "dpkg is not here; this script is for Debian."
[ -r "$keyring" ] || fail "$keyring is missing; install the package debian-archive-keyring."
architecture=$(dpkg --print-architecture)
case $architecture in
    amd64 | arm64) ;;
    *) fail "NVRTC exists for amd64 and arm64, but this machine is $architecture." ;;
esac

# The archives that this machine itself uses; the security and backports archives have other paths.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null \
    | sed 's,/*$,,' | grep '/debian$' | sort -u | head -n 1) || true
[ -n "$mirror" ] || mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null \
    | grep -v '^[[:space:]]*#' | grep -o '[a-z+]*:[^[:space:]]*/debian/*\([[:space:]]\|$\)' \
    | sed 's,[[:space:]]*$,,; s,/*$,,' | sort -u | head -n 1) || true
[ -n "$mirror" ] || fail "no Debian archive (an address that ends in /debian) is among this machine's apt sources."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/parts" "$work/debs"
cat >"$work/nvrtc.sources" <<SOURCES
Types: deb
URIs: $mirror
Suites: $release
Components: non-free
Architectures: $architecture
Signed-By: $keyring
SOURCES
: >"$work/status"
# As root apt would download as a user of its own, who may not enter the folder.
set -- -q \
    -o Dir::Etc::sourcelist="$work/nvrtc.sources" \
    -o Dir::Etc::sourceparts="$work/parts" \
    -o Dir::State::Lists="$work/lists" \
    -o Dir::State::status="$work/status" \
    -o Dir::Cache="$work/cache" \
    -o APT::Sandbox::User="$(id -un)" \
    -o APT::Architecture="$architecture" \
    -o APT::Update::Error-Mode=any \
    -o Acquire::Languages=none

apt-get "$@" update >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "the package list of $release non-free cannot be had from this machine's mirror."; }
(cd "$work/debs" && apt-get "$@" download $packages) >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "$packages cannot be downloaded."; }

mkdir -p "$target"
for deb in "$work"/debs/*.deb; do
    dpkg -x "$deb" "$target"
done
library=$(find "$target" -name 'libnvrtc.so.12' | head -n 1)
[ -n "$library" ] || fail "the packages hold no libnvrtc.so.12; they have changed since this script was written."
echo "NVRTC is in $target; NVIDIA's licence of it: usr/share/doc/libnvrtc12/copyright there."
echo "Picograd finds it there by itself (in another folder: PICOGRAD_NVRTC=$library)."
