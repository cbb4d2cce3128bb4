#!/usr/bin/env bash
# Lints what cannot be run without a cluster: Dockerfiles, compose file, chart, alert rules. `make lint-deploy`.
# Tools come from the Python package index into a throw-away folder. promtool is used where it is installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
bin=$work/venv/bin
"$bin/pip" install --quiet --disable-pip-version-check -r deploy/lint/requirements.txt
step() { printf '== %s\n' "$*"; }

step "hadolint"
"$bin/hadolint" --failure-threshold warning deploy/Dockerfile deploy/Dockerfile.cuda
step "shell syntax"
bash -n deploy/healthcheck.sh
bash -n deploy/setup.sh
step "yamllint"
"$bin/yamllint" --strict -c deploy/lint/yamllint.yaml deploy/compose.yaml deploy/prometheus \
    deploy/helm/chaperone/Chart.yaml deploy/helm/chaperone/values*.yaml
step "compose file against the compose specification"
"$bin/check-jsonschema" --builtin-schema vendor.compose-spec deploy/compose.yaml
step "chart: the schema, every set of values, the templates rendered and looked at"
"$bin/check-jsonschema" --check-metaschema deploy/helm/chaperone/values.schema.json
GOCACHE=$work/cache GOPATH=$work/go GO111MODULE=off "$bin/go" build -o "$work/render" deploy/lint/render.go
"$bin/python" deploy/lint/chart.py "$work/render" deploy/helm/chaperone "$work"
step "alert rules"
if command -v promtool >/dev/null; then
    promtool check rules deploy/prometheus/chaperone.rules.yaml
else
    echo "promtool is not installed (Debian's package prometheus has it): the expressions are not parsed"
fi
