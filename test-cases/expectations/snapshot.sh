# Longer output stands in a file beside the case: snapshot.stdout.
for n in {1..5}; do printf '%d squared is %2d\n' "$n" $((n * n)); done
