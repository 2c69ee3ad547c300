#!/usr/bin/env bash
# Installs what the demo world and the whole-pipeline tests run on: Debian packages, buildkitd from its Go module, and axe-core from npm for the tests of the console.
# Prints what it is about to install; with LEEWARD_NO_INSTALL=1 it only prints, and fails when something is missing.
# Safe to run again: it takes a moment when everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."

buildkit_version=v0.33.1
packages=(bind9 ca-certificates chromium curl docker-registry git haproxy iproute2 jmeter jmeter-http mariadb-client-core mariadb-server-core postgresql prometheus prometheus-alertmanager redis-server runc)
# With --compose also what make test-compose runs on.
[[ ${1:-} != --compose ]] || packages+=(busybox-static docker-compose docker.io)
# With --bench also what make bench-prober has beside the prober.
[[ ${1:-} != --bench ]] || packages+=(fping prometheus-blackbox-exporter)
services=(bind9 docker-registry haproxy postgresql prometheus prometheus-alertmanager redis-server prometheus-blackbox-exporter)

say() { printf 'install: %s\n' "$*"; }
die() { printf 'install: %s\n' "$*" >&2; exit 1; }

# --- what the person brings -------------------------------------------------------------------------------------------

[[ $(uname -s) == Linux ]] || die "Linux is needed (this is $(uname -s)): the demo world is made of network namespaces"
command -v apt-get >/dev/null || die "apt-get was not found: a Debian 12 machine is needed"
command -v go >/dev/null || die "Go was not found: install Go 1.26 or newer from https://go.dev/dl and put its bin folder on PATH"
go_version=$(go env GOVERSION)
[[ $(printf '%s\n' go1.26 "$go_version" | sort -V | head -n1) == go1.26 ]] || die "Go 1.26 or newer is needed, found $go_version"
command -v node >/dev/null || die "Node.js was not found: the base images are made from this machine's node (apt-get install nodejs npm)"
command -v npm >/dev/null || die "npm was not found (apt-get install npm)"
node_version=$(node -p process.versions.node)
node -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22 ? 0 : 1)' ||
  die "Node.js 20.19 or newer (22.12 of 22) is needed, found $node_version: the example app's page is built with Vite 8. See https://nodejs.org/en/download"

# --- Debian packages --------------------------------------------------------------------------------------------------

installed() {
  # A machine may carry PostgreSQL's server without the package of that name.
  [[ $1 != postgresql || -z $(compgen -G '/usr/lib/postgresql/*/bin/postgres') ]] || return 0
  [[ $1 != docker.io || ! -x /usr/bin/dockerd ]] || return 0 # Docker's own packages are as good, and must not be replaced
  [[ $(dpkg-query --show --showformat '${Status}' "$1" 2>/dev/null) == 'install ok installed' ]]
}

missing=()
for package in "${packages[@]}"; do
  installed "$package" || missing+=("$package")
done

# --- buildkitd --------------------------------------------------------------------------------------------------------

# The version is read from the binary itself, so a half-written or older one is built again.
buildkitd_missing() {
  [[ ! -x bin/buildkitd ]] || ! go version -m bin/buildkitd 2>/dev/null | grep -q "github.com/moby/buildkit[[:space:]]*$buildkit_version"
}

# --- axe-core ---------------------------------------------------------------------------------------------------------

# npm checks the package against the integrity in the lock file.
axe_missing() { ! cmp -s tools/axe/package-lock.json tools/axe/node_modules/.installed; }

if ((${#missing[@]} == 0)) && ! buildkitd_missing && ! axe_missing; then
  say "nothing to do"
  exit 0
fi
((${#missing[@]} == 0)) || say "Debian packages: ${missing[*]}"
! buildkitd_missing || say "bin/buildkitd $buildkit_version, built from its Go module (about two minutes on a fresh machine)"
! axe_missing || say "axe-core from npm into tools/axe/node_modules"
if [[ ${LEEWARD_NO_INSTALL:-} == 1 ]]; then
  die "LEEWARD_NO_INSTALL=1: nothing was installed; install the above and run again"
fi

if ((${#missing[@]})); then
  [[ $(id -u) == 0 ]] || die "root is needed to install Debian packages: ${missing[*]}"
  # Debian starts a service as soon as it is installed; the world runs its own copies on its own addresses.
  policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get install --yes --quiet=2 --no-install-recommends --simulate "${missing[@]}" >/dev/null 2>&1 || apt-get update --quiet=2
  apt-get install --yes --quiet=2 --no-install-recommends "${missing[@]}" >/dev/null ||
    { apt-get update --quiet=2 && apt-get install --yes --quiet=2 --no-install-recommends "${missing[@]}" >/dev/null; }
  if [[ -d /run/systemd/system ]]; then
    for service in "${services[@]}"; do
      [[ " ${missing[*]} " != *" $service "* ]] || systemctl disable --quiet "$service" || true
    done
    [[ " ${missing[*]} " != *" docker.io "* ]] || systemctl disable --quiet docker docker.socket containerd || true
  fi
fi

if buildkitd_missing; then
  mkdir -p bin
  bin=$PWD/bin
  (cd tools/buildkitd && GOWORK=off CGO_ENABLED=0 go build -mod=readonly -trimpath \
    -ldflags "-s -w -X github.com/moby/buildkit/version.Version=$buildkit_version" \
    -o "$bin/buildkitd" github.com/moby/buildkit/cmd/buildkitd)
fi
if axe_missing; then
  npm ci --prefix tools/axe --ignore-scripts --no-audit --no-fund --silent
  cp tools/axe/package-lock.json tools/axe/node_modules/.installed
fi
say "done"
