# Attack: there is no way to another machine, and no trace of the host's addresses.
# /// case
# [expect]
# stdout = ""
# ///
# The tables of routes and neighbours, without their headings.
sed -s 1d /proc/net/route /proc/net/arp
# Unix sockets that the host's services listen on, the abstract ones (`@`) too.
sed 1d /proc/net/unix
