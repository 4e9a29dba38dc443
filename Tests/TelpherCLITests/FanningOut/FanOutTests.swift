import Glibc
import TelpherTestSupport
import Testing

@testable import TelpherCLI

/// `telpher on HOSTS` with servers on Unix sockets in place of machines.
struct FanOutTests {
  let sandbox: Sandbox
  /// The option that leads a host to its socket.
  let address: String

  init() throws {
    sandbox = try Sandbox()
    address = "unix:\(sandbox.folder)/run/%h.sock"
  }

  /// Starts a server for a host.
  private func host(_ name: String) async throws -> Child {
    try await sandbox.serve("--listen", "unix:\(sandbox.folder)/run/\(name).sock").server
  }

  /// Gives a host's server further names.
  private func alias(_ names: [String], of host: String) {
    for name in names {
      symlink("\(host).sock", "\(sandbox.folder)/run/\(name).sock")
    }
  }

  private func lines(_ text: String) -> [String] { text.split(separator: "\n").map(String.init) }

  @Test func `Each line has its host, and no line is divided`() async throws {
    let server = try await host("web1")
    alias(["web2", "web3"], of: "web1")
    let result = try await sandbox.telpher(
      "on", "web[1-3]", "--address", address, "--", "sh", "-c",
      "seq 3000; echo to-error >&2; printf 'no end'")
    #expect(result.status == 0)
    let all = lines(result.text)
    #expect(all.count == 3 * 3_001)
    for name in ["web1", "web2", "web3"] {
      #expect(
        all.filter { $0.hasPrefix("\(name): ") }
          == (1...3_000).map { "\(name): \($0)" } + ["\(name): no end"])
    }
    #expect(lines(result.errorText).sorted() == (1...3).map { "web\($0): to-error" })
    withExtendedLifetime(server) {}
  }

  @Test func `A terminal has a line with what is done, and then only the results`() async throws {
    let server = try await host("web1")
    alias(["web2"], of: "web1")
    let go = "\(sandbox.folder)/go"
    let child = try TerminalChild(
      [
        Sandbox.program, "on", "web[1-2],none", "--address", address, "--", "sh", "-c",
        "until [ -e '\(go)' ]; do sleep 0.01; done; echo ended",
      ], environment: sandbox.environment, directory: sandbox.folder)
    // The socket of the third host does not exist.
    #expect(await child.find("1/3 done  2 running  1 failed"))
    sandbox.write("", to: go)
    let (text, status) = await child.finish()
    #expect(status == 125)
    // What the terminal shows at the end: each new line erases the one with what is done.
    let shown = text.split(separator: "\r\n").map { line in
      line.split(separator: "\u{1B}[K").last.map(String.init) ?? ""
    }
    for host in ["web1", "web2"] {
      // The name has a colour.
      #expect(shown.count { $0.hasSuffix("m\(host):\u{1B}[0m ended") } == 1)
    }
    #expect(shown.count { $0.contains("none: unreachable") } == 1)
    #expect(!shown.contains { $0.contains("running") })
    withExtendedLifetime(server) {}
  }

  @Test func `Equal outputs are printed once, with their hosts`() async throws {
    let server = try await host("web01")
    alias(["web02", "web03", "db"], of: "web01")
    // All commands run on one machine: only the first can make the folder, and it prints another
    // text.
    let result = try await sandbox.telpher(
      "on", "web[01-03],db", "--address", address, "-b", "--", "sh", "-c",
      "mkdir '\(sandbox.folder)/first' 2>/dev/null && echo other || printf 'a\\nb'; echo no >&2")
    #expect(result.status == 0)
    let rule = String(repeating: "-", count: 15)
    #expect(result.text.contains("\(rule)\na\nb\n") && result.text.contains("\(rule)\nother\n"))
    #expect(lines(result.text).filter { $0 == rule }.count == 4)
    #expect(lines(result.text).filter { $0.hasSuffix(" (3)") }.count == 1)
    #expect(result.errorText == "\(rule)\ndb,web[01-03] (4)\n\(rule)\nno\n")
    withExtendedLifetime(server) {}
  }

  @Test func `With -L the lines of a host are together, in the order of the hosts`() async throws {
    let server = try await host("n1")
    alias(["n2", "n10"], of: "n1")
    let result = try await sandbox.telpher(
      "on", "n[1,2,10]", "--address", address, "-L", "--", "sh", "-c", "echo a; echo b")
    #expect(lines(result.text) == ["n1", "n2", "n10"].flatMap { ["\($0): a", "\($0): b"] })
    withExtendedLifetime(server) {}
  }

  /// One is well, one refuses, one is silent, one dies while the command runs, one floods.
  @Test func `Each host's end is reported exactly`() async throws {
    let well = try await host("a1")
    let dying = try await host("a4")
    alias(["a5"], of: "a1")
    let silent = try SilentSocket("\(sandbox.folder)/run/a3.sock")
    let pid = dying.pid
    let script = """
      if [ "$PPID" = \(pid) ]; then kill -9 \(pid); exec sleep 600; fi
      head -c 20000000 /dev/zero | tr '\\0' x; echo; exit 3
      """
    let child = try sandbox.start([
      "on", "a[1-5]", "--address", address, "--connect-timeout", "1s", "--json", "--", "sh", "-c",
      script,
    ])
    let result = await child.finish()
    let records = lines(result.text)
    #expect(records.count == 5)
    func record(_ host: String) -> String {
      records.first { $0.contains("\"host\":\"\(host)\"") } ?? ""
    }
    for host in ["a1", "a5"] {
      #expect(record(host).contains("\"state\":\"lost\""))
      #expect(record(host).contains("longer than 16 MiB"))
    }
    #expect(record("a2").contains("\"state\":\"unreachable\""))
    #expect(record("a3").contains("\"state\":\"unreachable\""))
    #expect(record("a4").contains("\"state\":\"lost\""))
    #expect(result.status == 125)

    let plain = try await sandbox.shell(
      "telpher on 'a[1-3,5]' --address '\(address)' --connect-timeout 1s -S -- sh -c "
        + "'head -c 20000000 /dev/zero | tr \"\\0\" x; exit 3' | tr -dc x | wc -c; "
        + "true")
    #expect(plain.text.filter(\.isNumber) == "40000000")
    #expect(plain.errorText.contains("a[1,5]: exited with 3\n"))
    #expect(plain.errorText.contains("a2: unreachable: "))
    #expect(plain.errorText.contains("a3: unreachable: "))
    withExtendedLifetime((well, silent)) {}
  }

  @Test func `The exit status is the largest only with -S`() async throws {
    let server = try await host("h1")
    alias(["h2"], of: "h1")
    let run = { (options: [String], command: [String]) in
      try await sandbox.start(["on", "h[1-2]", "--address", address] + options + ["--"] + command)
        .finish()
    }
    #expect(try await run([], ["false"]).status == 0)
    #expect(try await run(["-S"], ["sh", "-c", "exit 7"]).status == 7)
    #expect(try await run(["-S"], ["true"]).status == 0)
    #expect(try await run([], ["no-such-program"]).status == 125)
    #expect(try await run(["-S"], ["no-such-program"]).status == 127)
    #expect(try await run([], ["sh", "-c", "kill -9 $$"]).status == 0)
    #expect(try await run(["-S"], ["sh", "-c", "kill -9 $$"]).status == 137)
    let late = try await run(["--timeout", "50ms"], ["sleep", "600"])
    #expect(late.status == 125)
    #expect(late.errorText == "telpher: h[1-2]: ended at its deadline of 50 ms\n")
    #expect(try await run(["-S", "--timeout", "50ms"], ["sleep", "600"]).status == 124)
    withExtendedLifetime(server) {}
  }

  @Test func `Ctrl-C cancels everywhere and reports what was reached`() async throws {
    let server = try await host("h1")
    alias(["h2", "h3", "h4"], of: "h1")
    let child = try sandbox.start([
      "on", "h[1-4]", "--address", address, "-f", "3", "--grace", "2m", "--", "sh", "-c",
      "mkdir '\(sandbox.folder)/first' 2>/dev/null && exit 4; echo begun $$; exec sleep 600",
    ])
    // The command on one host ends at once; the three others run until they are canceled.
    var pids: [Int32] = []
    while pids.count < 3, let line = await child.line() {
      pids.append(Int32(line.split(separator: " ").last ?? "") ?? 0)
    }
    child.signal(SIGINT)
    let result = await child.finish()
    #expect(result.status == 130)
    #expect(result.errorText.contains(": exited with 4\n"))
    #expect(result.errorText.contains(": canceled\n"))
    #expect(result.errorText.contains("telpher: interrupted; ended before: h"))
    for pid in pids { #expect(kill(pid, 0) != 0 && errno == ESRCH) }
    withExtendedLifetime(server) {}
  }

  @Test func `A second signal ends at once`() async throws {
    let server = try await host("h1")
    let child = try sandbox.start([
      "on", "h1", "-f", "2", "--address", address, "--grace", "1h", "--", "sh", "-c",
      "trap 'echo trapped' TERM; echo begun; while :; do sleep 0.05; done",
    ])
    #expect(await child.line() == "h1: begun")
    child.signal(SIGINT)
    #expect(await child.line() == "h1: trapped")
    child.signal(SIGTERM)
    let result = await child.finish()
    #expect(result.status == 143)
    #expect(result.errorText.contains("ended by a second signal"))
    server.signal(SIGKILL)
  }

  @Test func `ssh asks nothing, and its last message is part of the failure`() async throws {
    sandbox.addSSH(
      """
      case " $* " in *" BatchMode=yes "*) ;; *) exit 9;; esac
      case " $* " in *" h2 "*)
        echo 'a banner' >&2; echo 'h2: Permission denied (publickey).' >&2; exit 255;;
      esac
      """)
    let result = try await sandbox.telpher("on", "h[1-2]", "--", "echo", "yes")
    #expect(result.text == "h1: yes\n")
    #expect(result.status == 125)
    #expect(result.errorText.hasPrefix("telpher: h2: unreachable: ssh could not connect to %h"))
    #expect(result.errorText.contains("): %h: Permission denied (publickey).; 'ssh %h true' must"))
    #expect(!result.errorText.contains("banner"))
  }

  @Test func `The first failure and a failed canary stop the rest`() async throws {
    let server = try await host("h1")
    alias(["h2", "h3", "h4"], of: "h1")
    let first = try await sandbox.telpher(
      "on", "h[1-4]", "--address", address, "-f", "1", "--first-failure", "--", "false")
    #expect(first.status == 125)
    #expect(
      first.errorText == """
        telpher: h1: exited with 1
        telpher: h[2-4]: not started
        telpher: stopped at the first failure (--first-failure)

        """)
    let canary = try await sandbox.telpher(
      "on", "h[1-4]", "--address", address, "--canary", "2", "-S", "--", "sh", "-c", "exit 9")
    #expect(canary.status == 9)
    #expect(
      canary.errorText.contains("telpher: h[1-2]: exited with 9\ntelpher: h[3-4]: not started\n"))
    let well = try await sandbox.telpher(
      "on", "h[1-4]", "--address", address, "--canary", "2", "--", "echo", "yes")
    #expect(well.status == 0 && lines(well.text).count == 4)
    withExtendedLifetime(server) {}
  }

  @Test func `Standard input goes to every host, also to one that starts later`() async throws {
    let server = try await host("h1")
    alias(["h2", "h3", "h4"], of: "h1")
    let input = (1...20_000).map { "line \($0)\n" }.joined()
    let child = try sandbox.start(
      ["on", "h[1-3]", "--address", address, "-f", "1", "-i", "-b", "--", "cat"], input: .pipe)
    await child.write(input)
    child.closeInput()
    let result = await child.finish()
    let rule = String(repeating: "-", count: 15)
    #expect(result.status == 0)
    #expect(result.text == "\(rule)\nh[1-3] (3)\n\(rule)\n\(input)")
    let half = try await sandbox.telpher(
      "on", "h[1-4]", "--address", address, "-i", "--", "true", input: input)
    #expect(half.status == 0)
    withExtendedLifetime(server) {}
  }

  @Test func `A reader that closes standard output ends it`() async throws {
    let server = try await host("h1")
    alias(["h2"], of: "h1")
    let child = try sandbox.start(["on", "h[1-2]", "--address", address, "--", "yes"])
    _ = await child.line()
    child.stopReadingOutput()
    #expect(await child.wait() == 141)
    withExtendedLifetime(server) {}
  }

  @Test func `With few descriptors fewer hosts run at once`() async throws {
    let server = try await host("h1")
    let count = Scale.isFull ? 1_000 : 100
    alias((2...count).map { "h\($0)" }, of: "h1")
    let result = try await sandbox.shell(
      "ulimit -n 256 && exec telpher on 'h[1-\(count)]' -f 1000 --address '\(address)' -b -- echo x"
    )
    #expect(result.status == 0)
    #expect(result.text.contains("h[1-\(count)] (\(count))\n"))
    #expect(
      result.errorText
        == "telpher: at most 22 hosts at once instead of \(count): this process may open only 256 descriptors (ulimit -n)\n"
    )
    withExtendedLifetime(server) {}
  }

  @Test(.enabled(if: Scale.isFull, "slow: TELPHER_SLOW=1"))
  func `A thousand hosts on twenty servers`() async throws {
    var servers: [Child] = []
    for server in 0..<20 {
      servers.append(try await host("s\(server)"))
      alias((0..<50).map { "h\(server * 50 + $0)" }, of: "s\(server)")
    }
    let result = try await sandbox.telpher(
      "on", "h[0-999]", "--address", address, "-b", "-S", "--", "head", "-c", "1000000", "/dev/zero"
    )
    #expect(result.status == 0 && result.errorText.isEmpty)
    #expect(result.output.count > 1_000_000 && result.output.count < 1_000_200)
    withExtendedLifetime(servers) {}
  }
}

/// A socket that accepts connections and says nothing.
private final class SilentSocket: Sendable {
  private let descriptor: Int32

  init(_ path: String) throws {
    descriptor = try unixSocket(SOCK_STREAM, at: path)
    guard listen(descriptor, 16) == 0 else { throw Failed("nothing listens at \(path)") }
  }

  deinit { close(descriptor) }
}
