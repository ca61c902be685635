# Attack: the kernel's settings, which all jars share, cannot be written.
# /// case
# [expect]
# stdout = "read-only\n"
# ///
attack() {
    # What this kernel does not have cannot be attacked.
    [[ -e $1 ]] && { echo "$2" > "$1"; } 2> /dev/null && echo "wrote to $1"
}
# Each is written its own value, so that no harm is done should it work.
for file in /proc/sys/kernel/{core_pattern,modprobe,panic,randomize_va_space} \
    /proc/sys/vm/swappiness /proc/sys/net/ipv4/ip_forward /sys/kernel/uevent_helper; do
    [[ -r $file ]] && attack "$file" "$(cat "$file")"
done
# `h` prints a help text into the kernel's log.
attack /proc/sysrq-trigger h
attack /proc/self/oom_score_adj -1000
echo read-only
