# Attack: of endless output only the first bytes are kept; what was seen in them counts.
# /// case
# output = "4K"
# [expect]
# stdout.contains = "flood"
# ///
yes flood | head -c 20M
