#!/bin/sh
# Make a virtual environment where it is missing and install one locked requirements file into it.
#   install.sh VENV PYTHON REQUIREMENTS
# PYTHON may be empty: then the first interpreter of a version this project runs on is taken.
# uv does the work when it is on PATH, pip otherwise; both check every hash.
set -eu

venv=$1
python=$2
requirements=$3

say() { printf '%s\n' "$*" >&2; }
supported() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

refuse_python() {
    say "PDX tracker needs Python 3.11, 3.12 or 3.13; ${1:-no such interpreter was found on PATH}."
    say "  On Debian or Ubuntu:  sudo apt-get install python3 python3-venv"
    say "  Another interpreter:  make install PYTHON=/path/to/python3.12"
    exit 1
}

find_python() {
    if [ -n "$python" ]; then
        command -v "$python" >/dev/null || refuse_python "$python does not exist"
        supported "$python" || refuse_python "$python is $("$python" --version 2>&1)"
        return
    fi
    for python in python3 python3.13 python3.12 python3.11; do
        supported "$python" && return
    done
    found=$(python3 --version 2>/dev/null) || found=""
    refuse_python "${found:+python3 is $found}"
}

make_environment() {
    find_python
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -m venv --clear "$venv"
    elif command -v uv >/dev/null && "$python" -c 'import venv' 2>/dev/null; then
        "$python" -m venv --clear --without-pip "$venv"
    else
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        say "Python $version cannot make virtual environments: its venv module is not whole."
        say "  On Debian or Ubuntu:  sudo apt-get install python$version-venv"
        exit 1
    fi
}

install_requirements() {
    if command -v uv >/dev/null; then
        say "Installing $requirements with uv"
        if uv pip install --quiet --python "$venv/bin/python" --require-hashes -r "$requirements"; then return; fi
        say "uv could not install $requirements; trying pip"
    fi
    say "Installing $requirements with pip (a minute or two the first time)"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$requirements"
}

supported "$venv/bin/python" || make_environment
install_requirements
