# /// case
# [expect]
# exit = []
# stdout = {}
# stderr = { contains = "", not-contains = [] }
# ///
true
