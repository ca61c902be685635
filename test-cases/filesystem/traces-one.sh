# A case never meets traces of another: see its twin, traces-two.
# /// case
# [expect]
# stdout = "no traces\n"
# ///
[[ -e /tmp/trace || -e /root/trace || -e /dev/shm/trace ]] || echo "no traces"
echo "one was here" | tee /tmp/trace /root/trace > /dev/shm/trace
