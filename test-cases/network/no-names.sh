# Names are only looked up in /etc/hosts: localhost and the jar itself.
# /// case
# hostname = "jar"
# [expect.stdout]
# matches = ['^127\.0\.0\.1\s+localhost', '^127\.0\.1\.1\s+jar$']
# ///
cat /etc/hosts
grep nameserver /etc/resolv.conf && echo "a name server"
true
