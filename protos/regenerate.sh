#!/bin/sh
# Generates the Python code of the messages into DIR (default: this checkout), from the checkout's root.
set -eu
cd "$(dirname "$0")/.."
out=${1:-.}
mkdir -p "$out"
.venv/bin/python -m grpc_tools.protoc -I . --python_out="$out" --pyi_out="$out" --grpc_python_out="$out" \
    protos/barrio/v1/enrolment.proto protos/barrio/v1/directory.proto
