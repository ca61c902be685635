# Attack: above the root there is nothing, by whatever way one climbs.
# /// case
# [expect]
# stdout = "the root is the root\n"
# ///
root=$(stat -c %d:%i /)
cd /
for _ in {1..50}; do cd -P ..; done
for way in . /.. /proc/self/root/.. /proc/1/root/.. /proc/1/cwd/../.. /tmp/../../..; do
    [[ $(stat -L -c %d:%i "$way") == "$root" ]] || echo "$way leads out"
done
# The classic: a root of one's own further down, and then up past it.
mkdir /tmp/jail
chroot /tmp/jail /bin/true 2> /dev/null && echo "an empty jail has programs"
echo "the root is the root"
