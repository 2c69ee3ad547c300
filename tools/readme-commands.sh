#!/usr/bin/env bash
# Runs the commands of the README's sh blocks, in their order, in the demo world that `make up` started. Those that start with make are run by CI itself.
set -euo pipefail
cd "$(dirname "$0")/.."
commands=$(awk '/^```sh$/ {on = 1; next} /^```$/ {on = 0} on && !/^make /' README.md)
curl_line=$(sed -n 's/^[Oo]r without the CLI: `\(.*\)`\.$/\1/p' README.md)
[[ $(wc -l <<<"$commands") -ge 6 && -n $curl_line ]] || { echo "the README's commands were not found" >&2; exit 1; }
printf 'README: %s\n' "$curl_line"
bash -euo pipefail -x -c "$commands"$'\n'"$curl_line"
