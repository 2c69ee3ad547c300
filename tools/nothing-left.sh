#!/usr/bin/env bash
# Fails when something of this checkout's runs or is mounted after `make down`.
set -euo pipefail
cd "$(dirname "$0")/.."
left=""
for exe in /proc/[0-9]*/exe; do
  program=$(readlink "$exe" 2>/dev/null) || continue
  command=$(tr '\0' ' ' 2>/dev/null <"${exe%exe}cmdline") || continue
  # What the world runs, such as HAProxy or PostgreSQL, is not ours by its program but by its files.
  [[ $program != "$PWD"/bin/* && $command != *"$PWD/.state/"* ]] || left+="process ${exe//[!0-9]/} runs $program: $command"$'\n'
done
for path in /run/leeward-world /run/leeward/haproxy.sock /sys/fs/cgroup/leeward-world /sys/fs/cgroup/*/leeward-world; do
  [[ ! -e $path ]] || left+="$path"$'\n'
done
left+=$(grep -F "$PWD/.state" /proc/self/mountinfo || true)
left+=$(ls /run/netns 2>/dev/null | grep '^lw-' || true)
left+=$(ip link show lw-wan0 2>/dev/null || true)
[[ -z $left ]] || { printf 'left behind:\n%s\n' "$left" >&2; exit 1; }
echo "nothing is left behind"
