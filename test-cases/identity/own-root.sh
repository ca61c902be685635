# The root filesystem is not the host's: a throw-away layer over Ubuntu 20.04, or over
# whatever root was asked for.
# /// case
# [expect.stdout]
# matches = ['^NAME=', '^root is an overlay$']
# ///
cat /etc/os-release
while read -r _ where type _; do
    if [[ $where == / ]]; then echo "root is an $type"; fi
done < /proc/mounts
