#!/bin/sh
# Unpack a tar stream into a folder, made if missing.
#
#   sh -c "$(cat untar.sh)" untar FOLDER   (standard input: the tar)
#
# -p keeps modes whatever the umask is, -o makes the files the login user's own; GNU and BusyBox know both.
set -eu
mkdir -p "$1"
exec tar -x -p -o -f - -C "$1"
