# Fixtures come from beneath the case root, sealed or not: `../../../etc/passwd` is refused.
# /// case
# files = { "/srv/words" = "words.txt", "/srv/more" = { content = "three\n" } }
# [expect]
# stdout = "one\ntwo\nthree\n"
# ///
cat /srv/words /srv/more
