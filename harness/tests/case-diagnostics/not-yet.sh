# /// case
# retries = 2
# retry-on = ["timeout"]
# matrix = { a = ["1"] }
# requires = ["kvm"]
# [run]
# jobs = 2
# [expect]
# changes = []
# max-memory = "1M"
# max-time = "1s"
# max-processes = 3
# stdout = { like = "[..]", json = "{}" }
# [expect.files."/x"]
# absent = true
# ///
true
