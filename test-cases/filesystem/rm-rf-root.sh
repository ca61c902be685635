# Attack: `rm -rf /` does no harm: the next case starts with a whole root filesystem.
# /// case
# [expect]
# stdout = "no programs left\n"
# ///
rm -rf --one-file-system --no-preserve-root / 2> /dev/null
[[ -e /bin/ls || -e /usr/bin/ls ]] || echo "no programs left"
