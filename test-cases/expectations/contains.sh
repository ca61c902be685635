# Parts that must, and parts that must not be there.
# /// case
# [expect.stdout]
# contains = ["3 passed", "0 failed"]
# not-contains = "panicked"
# ///
echo "ran 3 checks: 3 passed, 0 failed"
