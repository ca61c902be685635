# A case can ask for its root: `host` is made of this machine's bash and core tools, and
# of nothing private: /home is empty, and the only users are those that every system has.
# /// case
# rootfs = "host"
# [expect]
# stdout = "nobody lives here\n"
# ///
[[ -z $(ls -A /home) ]] && echo "nobody lives here"
# The ids that people have.
while IFS=: read -r name _ uid _; do
    if ((uid >= 1000 && uid < 60000)); then echo "but $name has an account"; fi
done < /etc/passwd
