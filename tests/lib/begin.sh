# begin.sh: how the tests that are shell scripts begin: `. "$(dirname "$0")/lib/begin.sh"`. Sets top, the
# source tree, and bin, the folder of programs; the script then is in a folder of its own, dir. It ends with
# `finish`.
set -eu
export LC_ALL=C
top=$(cd "$(dirname "$0")/.." && pwd)
bin=$(cd "$1" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
passed=0 failed=0

check() { # check WHAT COMMAND...: the command succeeds
	what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "failed: $what" >&2
	fi
}

status() { # status N COMMAND...: exits with N; what it said is in out and err
	want=$1 got=0
	shift
	"$@" >out 2>err || got=$?
	[ "$got" = "$want" ]
}

finish() {
	echo "$passed passed, $failed failed"
	[ $failed = 0 ]
}
