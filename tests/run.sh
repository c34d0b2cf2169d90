#!/bin/sh
# Every check and test, cheapest first. Called by ./barrio test from the root.
set -eu
bin=.venv/bin
step() { echo "== $*"; }
step format and lint
$bin/ruff format --check .
$bin/ruff check .
step types
$bin/mypy
step import rules
$bin/lint-imports
step generated code
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
protos/regenerate.sh "$fresh"
for file in "$fresh"/protos/barrio/v1/*; do
    cmp "$file" "protos/barrio/v1/$(basename "$file")" || { echo "run protos/regenerate.sh and commit"; exit 1; }
done
step container files
$bin/hadolint packaging/containers/*.Dockerfile
$bin/check-jsonschema -q --builtin-schema vendor.compose-spec packaging/containers/compose.yml
step tests
# Most tests wait for other programs; those of a file stay together, since they share what they start.
$bin/python -m pytest -n 2 --dist loadfile "$@"
