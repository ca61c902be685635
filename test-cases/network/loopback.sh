# The loopback interface is up: a packet reaches the jar itself, which refuses it.
# /// case
# [expect]
# stdout = "answered\n"
# stderr.contains = "Connection refused"
# ///
packets() { sed -n 's/^ *lo: *[0-9]* *\([0-9]*\).*/\1/p' /proc/net/dev; }
before=$(packets)
exec 3<> /dev/tcp/127.0.0.1/9 || true
(($(packets) > before)) && echo answered
