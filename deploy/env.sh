#!/usr/bin/env bash
# Makes the secrets that docker-compose.yml asks for: .env, and a file for Alertmanager. What exists is never overwritten.
# LEEWARD_ENV_FILE and LEEWARD_SECRETS name other places.
set -euo pipefail
cd "$(dirname "$0")/.."
env_file=${LEEWARD_ENV_FILE:-.env}
secrets=${LEEWARD_SECRETS:-deploy/secrets}

for path in "$env_file" "$secrets"; do
  [[ ! -e $path ]] || { echo "env: $path is there already and is kept; remove it to make new secrets, and the volumes with it (docker compose down --volumes)" >&2; exit 1; }
done

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
alertmanager=$(random)

umask 077
mkdir -p "$secrets"
# Alertmanager runs as nobody and reads its token from a file; the folder keeps other people of this machine out.
printf '%s' "$alertmanager" >"$secrets/hook-alertmanager"
chmod 644 "$secrets/hook-alertmanager"
cat >"$env_file" <<EOT
# Made by deploy/env.sh. Who reads it owns the installation.
LEEWARD_API_TOKEN=$(random)
LEEWARD_HOOK_DISTRIBUTION_TOKEN=$(random)
LEEWARD_HOOK_ALERTMANAGER_TOKEN=$alertmanager
CLICKHOUSE_RECORDER_PASSWORD=$(random)
CLICKHOUSE_RANKER_PASSWORD=$(random)
CLICKHOUSE_ANALYST_PASSWORD=$(random)
GRAFANA_ADMIN_PASSWORD=$(random)
EOT
echo "env: $env_file and $secrets/hook-alertmanager are made; keep them secret"
