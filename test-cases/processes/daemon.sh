# Attack: a daemon that was left behind ends with its jar, and holds nobody up.
# /// case
# [expect]
# stdout = "done\n"
# isolation.no-leftovers = true
# ///
( trap '' HUP TERM; nohup sleep 1000 & ) 2> /dev/null
disown -a
echo "done"
