# Attack: there is no process outside that a signal could reach.
# /// case
# [expect]
# stdout = "nobody there\n"
# ///
# Signal 0 only asks whether another one could be sent.
for ((pid = 2; pid < 5000; pid++)); do
    kill -0 "$pid" 2> /dev/null && echo "reached $pid"
done
# To everyone but PID 1 and oneself.
kill -0 -1 2> /dev/null && echo "reached somebody"
echo "nobody there"
