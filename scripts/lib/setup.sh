# Functions for every script: they change to the repository, find Swift and install the libraries'
# headers. Source this file after `set -euo pipefail`.

# Prints an error and exits with status 1.
die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Finds Swift on PATH or in the folders that its installers use, and checks its version.
find_swift() {
  local folder
  if ! command -v swift >/dev/null 2>&1; then
    for folder in "$HOME/.local/share/swiftly/bin" /opt/swift/usr/bin /usr/share/swift/usr/bin; do
      if [ -x "$folder/swift" ]; then
        PATH="$folder:$PATH"
        break
      fi
    done
  fi
  command -v swift >/dev/null 2>&1 ||
    die "Swift is not on PATH: install 6.2 or later from https://swift.org/install"
  local version
  version=$(swift --version 2>&1) || die "swift does not run: ${version%%$'\n'*}"
  [[ $version =~ Swift\ version\ ([0-9]+)\.([0-9]+) ]] ||
    die "swift prints no version: ${version%%$'\n'*}"
  if ((BASH_REMATCH[1] * 100 + BASH_REMATCH[2] < 602)); then
    die "Swift ${BASH_REMATCH[1]}.${BASH_REMATCH[2]} is too old: 6.2 or later is needed"
  fi
}

# Runs a command as root.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo "$@"
  else
    die "root is needed for '$*', and there is no sudo"
  fi
}

# Prints the Debian packages whose headers are missing. They include pkg-config, which the build
# uses to find the headers.
missing_packages() {
  command -v pkg-config >/dev/null 2>&1 || { echo libssl-dev libuv1-dev libxxhash-dev pkg-config && return; }
  pkg-config --exists libuv || echo libuv1-dev
  pkg-config --exists 'libssl >= 3' 'libcrypto >= 3' || echo libssl-dev
  pkg-config --exists libxxhash || echo libxxhash-dev
}

# Installs Debian packages. The status says whether that worked; if not, `reason` is the error.
try_install() {
  local log status=0
  reason="there is no apt-get"
  command -v apt-get >/dev/null 2>&1 || return 1
  log=$(mktemp)
  echo "$(basename "$0"): installing $*" >&2
  # A new system has no package lists yet. If they cannot be fetched, the install may still work
  # with the lists that are there.
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update >"$log" 2>&1 </dev/null || true
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    "$@" >>"$log" 2>&1 </dev/null || status=1
  reason=$(grep '^E:' "$log" | tail -1 || true)
  rm -f "$log"
  return "$status"
}

# Installs the libraries' headers if they are missing.
install_libraries() {
  local packages reason
  mapfile -t packages < <(missing_packages | tr ' ' '\n')
  [ "${#packages[@]}" -gt 0 ] || return 0
  command -v apt-get >/dev/null 2>&1 ||
    die "headers are missing: install libuv 1.44, xxHash 0.8, OpenSSL 3.0 or later and pkg-config"
  if ! try_install "${packages[@]}" || [ -n "$(missing_packages)" ]; then
    die "cannot install ${packages[*]}: ${reason:-apt-get failed}"
  fi
}

# Changes to the repository, finds Swift and installs the headers.
set_up() {
  cd "$root"
  find_swift
  install_libraries
}

# Puts the libraries for a static program into .build/static-libraries, under the names that the
# linker looks for (Debian calls libuv's libuv_a.a), and sets `static_options` to the options with
# which `swift build` links one. The status says whether all are there; if not, `reason` names one
# that is missing.
find_static_libraries() {
  local target=$root/.build/static-libraries package library folder file found
  mkdir -p "$target"
  while read -r package library; do
    found=
    for folder in "$(pkg-config --variable=libdir "$package")" /usr/lib /usr/local/lib; do
      for file in "$folder/lib$library.a" "$folder/lib${library}_a.a"; do
        if [ -z "$found" ] && [ -f "$file" ]; then found=$file; fi
      done
    done
    if [ -z "$found" ]; then
      reason="there is no static library of $package"
      return 1
    fi
    ln -sf "$found" "$target/lib$library.a"
  done <<<$'libuv uv\nlibxxhash xxhash\nlibssl ssl\nlibcrypto crypto'
  static_options=(-Xswiftc -static-executable -Xlinker "-L$target"
    # Makes the metadata of generic types with what the compiler knows. By default it is made from
    # names, and the first use of each type searches all protocol conformances of the program, which
    # took more than half of the instructions of `telpher run -- true`.
    -Xswiftc -Xfrontend -Xswiftc -disable-concrete-type-metadata-mangled-name-accessors)
}
