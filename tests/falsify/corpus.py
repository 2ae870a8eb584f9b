"""Checks that can be red and checks that cannot, as people write them, one script a line."""

SOUND = tuple(
    line
    for line in r"""
pytest -q
pytest -q tests/unit -k "login and not slow"
python -m pytest --maxfail=1
uv run pytest
poetry run pytest -q
go test ./...
go vet ./... && go test -race ./...
cargo test --all
npm test
npm run lint && npm test
npx jest --ci
make check
./scripts/check
ruff check .
ruff format --check . && ruff check .
mypy --strict src
shellcheck scripts/*.sh
test -f dist/app.tar.gz
test -s report.txt
[ -d build ]
[ -x bin/tool ]
[ ! -e core.dump ]
! grep -rq TODO src
! grep -rn "print(" src --include='*.py'
grep -q "version = 2" config.toml
grep -Fxq 'done' STATUS
test "$(wc -l < data.csv)" -gt 100
test -z "$(git status --porcelain)"
[ -z "$(gofmt -l .)" ]
test -n "$(find dist -name '*.whl')"
find . -name '*.orig' | grep -q . && exit 1 || exit 0
find . -type f -name '*.py' -exec python -m py_compile {} +
git diff --exit-code
git diff --quiet HEAD -- generated/
git diff --check
git merge-base --is-ancestor main HEAD
curl -f http://localhost:8080/health
curl -fsS http://localhost:8080/health
curl --fail --silent http://localhost:8080/health | grep -q '"status":"ok"'
curl -sS http://localhost:8080/health | grep -q ok
[ "$(curl -s -o /dev/null -w '%{http_code}' http://localhost/)" = 200 ]
code=$(curl -s -o /dev/null -w '%{http_code}' http://localhost/); test "$code" = 200
! curl -s http://localhost:9999/
if curl -s http://localhost:9999/; then exit 1; fi
curl -s http://localhost/ -o page.html && grep -q Welcome page.html
wget -q --spider http://localhost/
nc -z localhost 5432
pg_isready -h localhost
redis-cli ping | grep -q PONG
systemctl is-active --quiet nginx
docker ps --format '{{.Names}}' | grep -q web
kubectl rollout status deploy/web --timeout=30s
ss -ltn | grep -q ':8080 '
pgrep -x nginx
set -o pipefail; pytest | tee log
set -euo pipefail; pytest | tee log
set -eu; pytest; true
set -e; make build; make test; echo all good
set -e; cd web; npm test; cd ..; echo done
pytest > log 2>&1 || { cat log; exit 1; }
pytest || { echo failed; exit 1; }
pytest || exit 1
pytest || false
if pytest; then exit 0; else exit 1; fi
if ! pytest; then echo red; exit 1; fi
if [ ! -f done ]; then exit 1; fi
if grep -q ERROR log.txt; then exit 1; fi
for f in a b c; do test -f "$f" || exit 1; done
for f in *.json; do python -m json.tool "$f" > /dev/null || exit 1; done
rc=0; for f in a b; do test -f "$f" || rc=1; done; exit $rc
while read -r f; do test -f "$f" || exit 1; done < files.txt
case "$(cat mode)" in on) exit 0;; *) exit 1;; esac
pytest; rc=$?; rm -rf tmp; exit $rc
pytest; exit $?
trap 'rm -rf "$t"' EXIT; t=$(mktemp -d); ./check "$t"
trap 'exit 1' ERR; pytest; true
server & pid=$!; ./probe; rc=$?; kill $pid; exit $rc
./slow & wait $!
python -c "import app; assert app.version == '2'"
python3 -c "import json; json.load(open('a.json'))"
python -c "import sys; sys.exit(0 if open('x').read() == 'y' else 1)"
python -c "import app"
node -e "require('./index.js')"
node -e "process.exit(require('./p.json').ok ? 0 : 1)"
jq -e '.ok == true' result.json
jq -e .version package.json > /dev/null
awk '$1 > 5 { bad = 1 } END { exit bad }' numbers.txt
diff expected.txt actual.txt
diff <(./tool) expected.txt
cmp -s a b
sha256sum -c SHA256SUMS
./tool | diff - golden.txt
./tool | sort | diff - golden.txt
cat VERSION | grep -qx 2.0
command -v docker
which terraform
terraform plan -detailed-exitcode
terraform validate && terraform fmt -check
openssl x509 -checkend 86400 -noout -in cert.pem
test "$(df --output=pcent / | tail -1 | tr -dc 0-9)" -lt 90
[ "$(cat counter)" -ge 3 ]
[[ "$(cat VERSION)" =~ ^2\. ]]
[[ -f a && -f b ]]
timeout 10 ./probe
env FOO=1 ./check
bash -c 'set -e; ./a; ./b'
bash check.sh
check() { grep -q "$1" out.txt; }; check ready && check done
test -f a && test -f b
test -f a || test -f b
(cd web && npm test)
cd web && npm test
false || pytest
true && pytest
echo start; pytest
x=$(./count); [ "$x" = 5 ]
n=$(grep -c ERROR app.log); [ "$n" -eq 0 ]
until pg_isready; do sleep 1; done
mkdir -p out && ./build out && test -f out/app
! test -e lock
cat a.txt b.txt
ls dist/app
stat -c %s big.bin
pytest | tee log; test ${PIPESTATUS[0]} -eq 0
pytest | tee log; exit ${PIPESTATUS[0]}
./tool > out; grep -q expected out
echo hello | ./tool | grep -q HELLO
printf 'a\n' | ./parse
echo "$(./status)" | grep -q ok
ps aux | grep -q '[n]ginx'
coverage report --fail-under=90
exec pytest -q
cat <<EOF | ./lint
x
EOF
""".strip().splitlines()
    if line not in ("x", "EOF", "cat <<EOF | ./lint")
)

UNSOUND = tuple(
    (line.split("  ## ")[0].strip(), line.split("  ## ")[1].strip())
    for line in r"""
true  ## cannot-fail
:  ## cannot-fail
/bin/true  ## cannot-fail
exit 0  ## cannot-fail
(exit 0)  ## cannot-fail
exec true  ## cannot-fail
env true  ## cannot-fail
timeout 5 true  ## cannot-fail
echo ok  ## cannot-fail
printf done  ## cannot-fail
! false  ## cannot-fail
x=1  ## cannot-fail
sleep 1  ## cannot-fail
true && true  ## cannot-fail
bash -c 'sh -c "exit 0"'  ## cannot-fail
pytest || true  ## hidden-exit
pytest || :  ## hidden-exit
pytest || exit 0  ## hidden-exit
pytest || echo failed  ## hidden-exit
{ pytest; } || true  ## hidden-exit
(pytest) || true  ## hidden-exit
pytest && true || true  ## hidden-exit
pytest; true  ## hidden-exit
pytest; :  ## hidden-exit
pytest; exit 0  ## hidden-exit
pytest; echo done  ## hidden-exit
cd src && pytest; echo $?  ## hidden-exit
set +e; pytest; echo done  ## hidden-exit
set -e; set +e; pytest; true  ## hidden-exit
if pytest; then echo ok; fi  ## hidden-exit
if pytest; then echo ok; else echo bad; fi  ## hidden-exit
if pytest; then exit 0; else exit 0; fi  ## hidden-exit
case "$x" in a) true;; *) echo;; esac  ## hidden-exit
trap 'exit 0' EXIT; pytest  ## hidden-exit
export OUT=$(pytest)  ## hidden-exit
f() { pytest || true; }; f  ## hidden-exit
bash -c 'pytest || true'  ## hidden-exit
eval 'pytest || true'  ## hidden-exit
pytest | tee log  ## pipe-hides-exit
pytest 2>&1 | tee out.log  ## pipe-hides-exit
pytest | cat  ## pipe-hides-exit
pytest | tail -5  ## pipe-hides-exit
pytest | head -n 3  ## pipe-hides-exit
make test | wc -l  ## pipe-hides-exit
set -e; pytest | tail -n 5  ## pipe-hides-exit
grep -c x f | cat  ## pipe-hides-exit
cargo test |& tee log  ## pipe-hides-exit
curl -f http://x | cat  ## pipe-hides-exit
pytest &  ## background
pytest & wait  ## background
curl http://localhost/  ## curl-no-fail
curl -s http://localhost:8080/health  ## curl-no-fail
curl -sS -o /dev/null http://localhost/  ## curl-no-fail
curl -s "$URL/health"  ## curl-no-fail
curl -s localhost:8080 > /dev/null  ## curl-no-fail
curl -sI https://example.org  ## curl-no-fail
curl -s http://x && echo up  ## curl-no-fail
curl -s -w '%{http_code}' http://x  ## curl-no-fail
echo ok | grep ok  ## greps-itself
printf ok | grep -q ok  ## greps-itself
echo ok > f; grep ok f  ## greps-itself
echo start > log; pytest >> log; grep start log  ## greps-itself
grep ok <<< ok  ## greps-itself
test -n x  ## constant-test
[ 1 = 1 ]  ## constant-test
[[ 1 == 1 ]]  ## constant-test
test 1 -eq 1  ## constant-test
[ "$x" = "$x" ]  ## constant-test
test -d /  ## constant-test
[ -e . ]  ## constant-test
[ ok ]  ## constant-test
! [ 1 = 2 ]  ## constant-test
pytest | tee log; [ $? -eq 0 ]  ## constant-test
pytest --collect-only  ## runs-no-test
python -m pytest --collect-only -q  ## runs-no-test
ruff check --exit-zero .  ## exit-zero-flag
flake8 --exit-zero  ## exit-zero-flag
python -m pylint --exit-zero src  ## exit-zero-flag
git diff  ## ignores-difference
git diff HEAD  ## ignores-difference
git -C web diff main  ## ignores-difference
git status --porcelain  ## ignores-difference
find . -name '*.py'  ## find-never-fails
find -type f  ## find-never-fails
python -c 'print(1)'  ## constant-program
python -c 'pass'  ## constant-program
python -c 'assert True'  ## constant-program
python3 -c 'import sys; sys.exit(0)'  ## constant-program
node -e 'process.exit(0)'  ## constant-program
perl -e 1  ## constant-program
""".strip().splitlines()
)

DOUBTFUL = tuple(
    (line.split("  ## ")[0].strip(), line.split("  ## ")[1].strip())
    for line in r"""
for f in *.py; do python -m py_compile "$f"; done  ## loop-hides-exit
sed -n '/ok/p' log  ## filter-never-fails
jq .ok result.json  ## filter-never-fails
awk '/ok/ { print }' log  ## filter-never-fails
[ -n $x ]  ## unquoted-test
test -n $x  ## unquoted-test
find dist -name '*.whl'  ## find-never-fails
ps aux | grep nginx  ## greps-itself
jest --passWithNoTests  ## runs-no-test
npm test -- --passWithNoTests  ## runs-no-test
go test -run '^$' ./...  ## runs-no-test
curl --max-time 2 http://x  ## curl-no-fail
pytest --version  ## runs-no-test
date  ## cannot-fail
""".strip().splitlines()
)
