#!/bin/sh
# Makes the installation directory that docker-compose.yml mounts: certificates, keys, passwords, broker definitions.
# What is there already is kept.   deploy/compose/prepare.sh  [SECUMAIL_HOME=DIR]  [PYTHON=python with requirements]
set -eu
cd "$(dirname "$0")/../.."
home=${SECUMAIL_HOME:-.run-compose}
python=${PYTHON:-.venv/bin/python}

umask 077
mkdir -p "$home"
"$python" -m secumail.installation.prepare "$home"
# Containers run under users of their own and must read what is mounted into them; on this machine the directory
# itself lets nobody in but its owner.
chmod 0700 "$home"
find "$home" -type f -exec chmod a+r {} +
