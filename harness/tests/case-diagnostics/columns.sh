# /// case
# hostname = "ü"	; x
# ///
true
