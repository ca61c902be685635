# A case never meets traces of another: see its twin, traces-one.
# /// case
# [expect]
# stdout = "no traces\n"
# ///
[[ -e /tmp/trace || -e /root/trace || -e /dev/shm/trace ]] || echo "no traces"
echo "two was here" | tee /tmp/trace /root/trace > /dev/shm/trace
