# Regular expressions, with `^` and `$` at the ends of lines.
# /// case
# [expect]
# stdout.matches = ['^took \d+ ms$', '(?i)^OK$']
# stderr.matches = '^warning: '
# ///
echo ok
echo "took 12 ms"
echo "warning: it was slow" >&2
