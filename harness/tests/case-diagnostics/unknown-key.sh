# /// case
# memroy = "64M"
# ///
true
