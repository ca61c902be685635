# The only network interface is `lo`. Where the host has drivers for tunnels, the kernel
# puts one of each into every network, switched off: so only what is up is told.
# /// case
# [expect]
# stdout = "lo\n"
# ///
cd /sys/class/net
for interface in *; do
    # The lowest flag is IFF_UP (netdevice(7)).
    if (($(< "$interface/flags") & 1)); then echo "$interface"; fi
done
