#!/usr/bin/env bash
# Make sure that what is about to run finds a screen: a real one, or Xvfb's. Installs Debian packages only as root.
# Usage: ensure_display.sh demo|test
set -euo pipefail
purpose="$1"

# Only Linux draws through X; elsewhere Qt brings its own.
[ "$(uname -s)" = Linux ] || exit 0

packages=()
PATH="$PATH:/sbin:/usr/sbin"
libraries="$(ldconfig -p 2>/dev/null || true)"
need_library() { # soname, Debian package
    case "$libraries" in *"$1"*) ;; *) packages+=("$2") ;; esac
}

if [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    # Without a display the demo runs headless and needs nothing; the tests draw on a virtual screen.
    [ "$purpose" = demo ] && exit 0
    command -v Xvfb >/dev/null || packages+=(xvfb)
fi
need_library libxcb-cursor.so.0 libxcb-cursor0
need_library libxcb-icccm.so.4 libxcb-icccm4
need_library libxcb-image.so.0 libxcb-image0
need_library libxcb-keysyms.so.1 libxcb-keysyms1
need_library libxcb-randr.so.0 libxcb-randr0
need_library libxcb-render-util.so.0 libxcb-render-util0
need_library libxcb-shape.so.0 libxcb-shape0
need_library libxcb-xkb.so.1 libxcb-xkb1
need_library libxkbcommon-x11.so.0 libxkbcommon-x11-0
need_library libdbus-1.so.3 libdbus-1-3
need_library libfontconfig.so.1 libfontconfig1
need_library libEGL.so.1 libegl1
need_library libGL.so.1 libgl1
need_library libGLX_mesa.so.0 libglx-mesa0
[ "${#packages[@]}" -eq 0 ] && exit 0

command="apt-get install -y --no-install-recommends ${packages[*]}"
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "Installing what a window needs: ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    if apt-get update -qq </dev/null && $command -qq </dev/null >/dev/null; then
        exit 0
    fi
fi
if [ "$purpose" = test ] && ! command -v Xvfb >/dev/null && [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    echo "The tests open windows, and there is neither a display nor Xvfb. On Debian or Ubuntu:" >&2
    echo "    sudo $command" >&2
    echo "or leave those tests out: make test PYTEST_ARGS='-m \"not gui\"'" >&2
    case "${PYTEST_ARGS:-}" in *"not gui"*) exit 0 ;; esac
    exit 1
fi
echo "Qt may miss system libraries. If no window opens, on Debian or Ubuntu: sudo $command" >&2
