"""How the commands of each page are run, and what they must print."""


class Plan:
    """The commands of one page.

    files: what the commands need, by path in the sandbox.
    ports: the ports on the page; each is replaced by a free one.
    prints: what a command prints, as a regular expression. Commands that are not here only have to
    exit with status 0.
    given: what a command reads.
    typed: what the user types at a terminal, for a command that needs one.
    after: what must hold after a command: other commands, with their exit status and what they print.
    skipped: commands that are not run, with the reason.
    tools: programs without which no command of the page is run.
    at_home: whether the commands run in the user's home, not in a folder beside it.
    """

    def __init__(self, files, ports, prints, given=None, typed=None, after=None, skipped=None,
                 tools=(), at_home=False):
        self.files, self.ports, self.prints, self.tools = files, ports, prints, tools
        self.at_home = at_home
        self.typed = typed or {}
        self.given, self.after, self.skipped = given or {}, after or {}, skipped or {}

    def commands(self):
        return self.prints.keys() | self.given.keys() | self.typed.keys() | self.after.keys() | self.skipped.keys()


README = Plan(
    files={
        "work/src/a.txt": "a\n", "work/one.c": "", "work/two.c": "",
        "work/share/shared.txt": "shared\n", "home/src/home.txt": "",
        "work/hosts.yml": "db:\n  hosts:\n    db[1:2]: {ansible_user: me}\n", "home/log": "log\n",
        "home/.config/telpher/groups": "group web web[1-2]\ngroup prod @web,db1\n",
        "work/policy.yml": "rules:\n  - {for: owner, commands: [[systemctl, restart, 'web-*']]}\n",
        "home/big.iso": "big\n" * 100_000, "home/reports/may.txt": "report\n",
    },
    ports=["7000", "5432", "3000", "8080", "7722"],
    prints={
        "telpher run --on tls://127.0.0.1:7722 --accept-new -- whoami": r"\w",
        "telpher keys": r"SHA256:",
        "telpher run -- ls -la /": r"\betc\b",
        "telpher run --timeout 2m -- make": r"made",
        "tar c . | telpher run -i -- tar t": r"\./src/a\.txt",
        "telpher run -t -- vim notes.txt": r"^/dev/pts/\d+$",
        "telpher run --shell 'ls *.c | wc -l'": r"^2$",
        "telpher run --merge -- make": r"^made\nwarned$",
        "telpher run --json -- df /": r'"result" ?: ?"exited"',
        "telpher on me@host -- uptime": r"^up$",
        "telpher on host --cwd src --env LANG=C -- ls": r"^home\.txt$",
        "telpher run --on ssh://me@host:22 -- uptime": r"^up$",
        "telpher ping --count 3": r"(answer from .*\s*){3}",
        "telpher info": r"kill scope",
        "telpher policy explain --policy policy.yml --as owner -- systemctl restart web-1": r"line 2",
        "telpher connections": r"ssh://host  open for",
        "telpher on docker://web -- hostname": r"^web$",
        "telpher on kubectl://prod/web-0 -- hostname": r"^web$",
        "telpher on 'exec:lxc exec web -- telpher serve --listen stdio' -- hostname": r"^web$",
        "telpher on 'web[1-4],!web3' -- uptime": r"(web[124]: up\s*){3}",
        "telpher on 'web[1-4]' -b -- uptime": r"web\[1-4\] \(4\)\n-+\nup",
        "telpher on @prod -x web2 -L -- uptime": r"^db1: up\nweb1: up$",
        "telpher on @db --inventory hosts.yml -- uptime": r"(db[12]: up\s*){2}",
        "telpher on 'web[1-4]' -S --timeout 1m -- make": r"web4: made",
        "telpher on 'web[1-4]' --canary 1 --first-failure -- make": r"web4: made",
        "telpher ls -l host:backup": r"a\.txt",
        "telpher run --memory 512M --cpus 1.5 -- make": r"made",
        "telpher ps": r"ID",
        "telpher run --detach --name build -- make -j8": r"^[0-9a-f]{32}$",
        "telpher jobs --all": r"build .*make -j8$",
        "telpher attach build": r"^made$",
        "telpher logs --tail 20 --timestamps build": r"made$",
        "telpher run --reconnect --on host -- make": r"^made$",
        "telpher run --on tcp:127.0.0.1:7000 -- whoami": r"\w",
        "telpher run --on 'exec:ssh gate telpher serve --listen stdio --relay ssh://inner' -- uptime":
            r"^up$",
    },
    given={"telpher pick get host:reports": "1\nq\n"},
    typed={
        "telpher run -t -- vim notes.txt": ":q\r", "telpher shell": "exit\r",
        "telpher on me@host": "exit\r",
    },
    after={
        "telpher put -r src host:backup":
            [("diff -r src ~/backup/src", 0, "")],
        "telpher put -r src me@host:backup":
            [("diff -r src ~/backup", 0, "")],
        "telpher on 'web[1-4]' --put -r src backup":
            [("diff -r src ~/backup/src", 0, "")],
        "telpher on 'web[1-4]' --get log logs":
            [("cat logs/web1/log logs/web4/log", 0, r"^log\nlog$")],
        "telpher get --resume host:big.iso .":
            [("cmp big.iso ~/big.iso", 0, "")],
        "pg_dump shop | telpher put - host:shop.sql":
            [("cat ~/shop.sql", 0, r"^dump of shop$")],
        "telpher get host:/etc/hostname .":
            [("cmp hostname /etc/hostname", 0, "")],
        "telpher pick get host:reports":
            [("cat may.txt", 0, r"^report$")],
        "telpher serve --root share --no-commands":
            [("telpher get shared.txt -", 0, r"^shared$"),
             ("telpher put src/a.txt new.txt && cat share/new.txt", 0, r"^a$"),
             ("telpher get /etc/hostname -", 1, r"does not exist"),
             ("telpher run --on unix:$XDG_RUNTIME_DIR/telpher.sock -- true", 125, r"no commands")],
        "telpher serve --root share --read-only":
            [("telpher get shared.txt -", 0, r"^shared$"),
             ("telpher put src/a.txt other.txt", 1, r"read")],
    },
    skipped={
        "scripts/run -- uname -a": ".ci/run runs it",
        "scripts/test": ".ci/run runs it",
        "telpher kill 17": "no command has that ID",
        "telpher worker --fleet fleet/web1 --slots 4": "docs/FLEET.md has a fleet",
        "telpher job submit --queue web --retry 3 -- make": "docs/FLEET.md has a fleet",
        "telpher job wait ID": "docs/FLEET.md has a fleet",
        "telpher fleet list --watch": "it does not end",
        "scripts/dist": "it builds the program twice, which takes minutes",
    })

TUTORIALS = Plan(
    files={"work/README.md": "readme\n"},
    ports=[str(port) for port in range(8080, 8092)],
    prints={
        "printf 'seq 1 500\\necho second\\n' | telpher classic run raw --on tcp:127.0.0.1:8080":
            r"^500$",
        "telpher classic run raw --on tcp:127.0.0.1:8080 'seq 1 500' | tail -1": r"^500$",
        "telpher classic run raw --on udp:127.0.0.1:8082 'seq 1 100000' | tail -1": r"cut off",
        "telpher classic run size --on tcp:127.0.0.1:8083 'seq 1 500' | tail -1": r"^500$",
        "telpher classic run size --on tcp:127.0.0.1:8083 --ack always 'seq 1 500' | tail -1":
            r"^500$",
        "telpher classic run length --on tcp:127.0.0.1:8085 --encoding gbk 'echo 中文'": r"^中文$",
        "telpher classic run header --on tcp:127.0.0.1:8086 'seq 1 500' | tail -1": r"^500$",
        "telpher classic upload --on tcp:127.0.0.1:8087 README.md": r"^stored README\.md$",
        "echo hello | telpher classic run upper --on tcp:127.0.0.1:8088": r"HELLO",
        "telpher classic time --on udp:127.0.0.1:8089 '%H:%M'": r"^\d\d:\d\d$",
        "printf '%%Y\\n\\n' | telpher classic time --on udp:127.0.0.1:8089 --prompt": r"\d{4}-\d\d-\d\d",
        "echo hello | telpher classic run reply --on udp:127.0.0.1:8091": r"hahaha",
        "echo 'operator 127.0.0.1:8090' > friends && telpher classic chat --friends friends":
            r"operator +127\.0\.0\.1",
        "telpher classic run header --on tcp:127.0.0.1:8086 'seq 1 3; sleep 5'": r"^1\n2\n3$",
        "telpher run -- sh -c 'seq 1 3; sleep 2; echo late >&2; exit 3'; echo \"status $?\"":
            r"^1\n2\n3\nlate\nstatus 3$",
    },
    given={"telpher classic upload --on tcp:127.0.0.1:8087 --dir .": "q\n"},
    after={
        "telpher classic upload --on tcp:127.0.0.1:8087 README.md":
            [("cmp README.md uploads/README.md", 0, ""),
             ("telpher classic upload --on tcp:127.0.0.1:8087 README.md", 125,
              r"a file of that name exists")],
    },
    skipped={
        "telpher classic run length --on tcp:127.0.0.1:8084 'head -c 2147483648 /dev/zero'":
            "it needs 2 GiB of /tmp",
    })

WAIT = "job=$(telpher job submit --queue web --identity me -- make -j8); telpher job wait $job"

FLEET = Plan(
    files={},
    ports=["4222"],
    prints={"telpher fleet list": r"^a +ready +1 +0 .* web$"},
    after={WAIT: [("TELPHER_FLEET=fleet/admin telpher job list --all", 0, r"exited 0 .* [abc] +1 ")]},
    tools=["nats-server", "ssh-keygen"],
    # /tmp can be written by everyone, and so no file there can be trusted to list keys.
    at_home=True)

PAGES = {
    "README.md": README, "docs/FROM-THE-TUTORIALS.md": TUTORIALS, "docs/FLEET.md": FLEET}
