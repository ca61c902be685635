#!/bin/bash
# Runs a command as root under another kernel: user-mode Linux from Debian, with nothing
# but cgroup v2. It boots in seconds, runs at native speed and needs no KVM. Root only.
#
#   ci/vm.sh FOLDER COMMAND...
#
# The guest sees the root of this machine read-only, so that dynamically linked programs
# run as they are. FOLDER appears as a writable copy, in which the command starts, on an
# ext4 of its own with TMPDIR beside it. Exit status: that of the command; 77 where there
# is no such kernel to be had (said in one line); 125 if the guest never told.
#
# Environment: MEM=2G, LIMIT=300 (seconds), DISK=2G.
set -euo pipefail

skip() { echo "vm.sh: skipped: $*" >&2; exit 77; }

folder=$(realpath "${1:?}"); shift
[[ $EUID == 0 ]] || skip "the guest needs to read all of this machine, so run it as root"
[[ $(uname -m) == x86_64 ]] || skip "user-mode Linux is built for x86-64 only"
for tool in apt-get dpkg perl mke2fs; do
    type -P "$tool" > /dev/null || skip "$tool is not on this machine"
done

work=$(mktemp -d "${TMPDIR:-/tmp}/belljar-vm.XXXXXX")
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

download() { (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download user-mode-linux); }
# One guest at a time: apt takes its locks or fails.
exec 9< "${TMPDIR:-/tmp}"
flock 9
if ! download 2> "$work/apt.log"; then
    apt-get -qq update > /dev/null 2>> "$work/apt.log" || true
    download 2>> "$work/apt.log" \
        || skip "the package user-mode-linux cannot be downloaded: $(tail -n 1 "$work/apt.log")"
fi
exec 9<&-
dpkg -x "$work"/user-mode-linux_*.deb "$work/uml"
kernel=$work/uml/usr/bin/linux.uml
overlay=$(find "$work/uml" -name overlay.ko | head -n 1)
[[ -x $kernel && -n $overlay ]] || skip "the package user-mode-linux is not laid out as expected"
preload=()
if grep -qw amx_tile /proc/cpuinfo; then
    cc -O2 -shared -fPIC -o "$work/xstate.so" "${0%/*}/uml-xstate.c" -ldl \
        || skip "user-mode Linux needs ci/uml-xstate.c on this processor, and that does not compile"
    preload=(env "LD_PRELOAD=$work/xstate.so")
fi

mke2fs -q -F -t ext4 -E root_owner=0:0 -d "$folder" "$work/disk" "${DISK:-2G}" > /dev/null
printf '%q ' "$@" > "$work/command"
{
    printf 'work=%q\noverlay=%q\n' "$work" "$overlay"
    cat <<'INIT'
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
[[ -e /dev/ubda ]] || mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t devpts -o ptmxmode=666 devpts /dev/pts
# finit_module(2), without asking for kmod.
perl -e 'open my $f, "<", $ARGV[0] or die; syscall(313, fileno $f, my $none = "", 0) == 0 or die "overlay: $!"' "$overlay"
mount -t tmpfs tmpfs /run
mkdir -p /run/guest
mount /dev/ubda /run/guest
mkdir -p /run/guest/tmp
chmod 1777 /run/guest/tmp
export TMPDIR=/run/guest/tmp BELLJAR_STORE=/run/guest/store
cd /run/guest
bash "$work/command"
echo "guest-status:$?"
sync
# reboot(2): power off, without asking for an init system.
exec perl -e 'syscall(169, 0xfee1dead, 672274793, 0x4321fedc, 0)'
INIT
} > "$work/init.sh"
printf '#!/bin/bash\nexec bash %q\n' "$work/init.sh" > "$work/init"
chmod 755 "$work/init"

timeout --kill-after=5 "${LIMIT:-300}" "${preload[@]}" "$kernel" mem="${MEM:-2G}" root=/dev/root rootfstype=hostfs \
    rootflags=/ ro init="$work/init" ubd0="$work/disk" con0=null,fd:1 con=null cgroup_no_v1=all \
    quiet loglevel=3 uml_dir="$work" < /dev/null 2>&1 | tr -d '\r' | tee "$work/log" \
    | grep --line-buffered -v '^guest-status:' || true
status=$(sed -n 's/^guest-status:\([0-9]*\)$/\1/p' "$work/log" | tail -n 1)
[[ -n $status ]] || echo "vm.sh: the guest did not come to its end within ${LIMIT:-300} s" >&2
exit "${status:-125}"
