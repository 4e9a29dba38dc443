import Glibc
import TelpherTestSupport
import Testing

@Suite("The audit of a server")
struct AuditTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  private var path: String { sandbox.folder + "/audit" }

  private func shown(_ path: String) async throws -> String {
    let result = try await sandbox.telpher("audit", path)
    #expect(result.status == 0, "\(result.errorText)")
    return result.text
  }

  @Test("goes on in a new file after the old one was renamed and SIGHUP was sent")
  func rotation() async throws {
    let (server, addresses) = try await sandbox.serve(
      "--listen", "unix:\(sandbox.folder)/s", "--audit", path)
    let address = try #require(addresses.first)
    #expect(try await sandbox.telpher("run", "--on", address, "--", "echo", "one").status == 0)
    #expect(rename(path, path + ".old") == 0)
    server.signal(SIGHUP)
    // No record is written here: the signal alone creates the file again.
    try await eventually("the file is made anew") {
      access(path, F_OK) == 0 || !isRunning(server.pid)
    }
    #expect(isRunning(server.pid))
    #expect(try await sandbox.telpher("run", "--on", address, "--", "echo", "two").status == 0)
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
    let (old, new) = (try await shown(path + ".old"), try await shown(path))
    #expect(old.contains("echo one") && !old.contains("echo two"))
    #expect(new.contains("echo two") && !new.contains("echo one"))
    #expect(mode(of: path) == 0o600)
    let input = try await sandbox.shell("telpher audit - <\(path)")
    #expect(input.text == new)
  }

  @Test("has each path that a put writes, in several records if there are many")
  func writtenPaths() async throws {
    let (server, addresses) = try await sandbox.serve(
      "--listen", "unix:\(sandbox.folder)/s", "--audit", path)
    let address = try #require(addresses.first)
    let made = try await sandbox.shell(
      "cd && mkdir -p tree/sub && cd tree && ln -s f1 link && seq 100 | while read n; do echo >f$n; done; cp f1 sub"
    )
    #expect(made.status == 0)
    let put = try await sandbox.telpher(
      "put", "--on", address, "-r", sandbox.folder + "/tree", sandbox.folder + "/copy")
    #expect(put.status == 0, "\(put.errorText)")
    let input = try await sandbox.shell("echo | telpher put --on \(address) - \(path).piped")
    #expect(input.status == 0, "\(input.errorText)")
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
    let written = try await sandbox.shell(
      """
      cd && telpher audit --json audit >records
      python3 -c '
      import json
      for line in open("records"):
          paths = json.loads(line).get("paths", [])
          assert len(paths) <= 64
          for path in paths: print(path)
      ' | sort >recorded
      { find $PWD/copy; echo $PWD/audit.piped; } | sort >written
      cmp recorded written
      """)
    #expect(written.status == 0, "\(written.text) \(written.errorText)")
    #expect(try await shown(path).contains("101 files, 0 failed"))
  }

  @Test(
    "goes to the systemd journal only if there is one",
    .enabled(if: access("/run/systemd/journal/socket", F_OK) != 0, "a journal runs here"))
  func noJournal() async throws {
    let result = try await sandbox.telpher(
      "serve", "--listen", "unix:\(sandbox.folder)/s", "--audit", "journal")
    #expect(result.status == 125)
    #expect(result.errorText.contains("cannot write to the systemd journal"))
  }

  /// Whether a file system can be mounted in a mount namespace of its own.
  private static let canMount =
    geteuid() == 0 && system("unshare -m mount -t tmpfs none /tmp 2>/dev/null") == 0

  @Test(
    "lets nothing run on a full disk if it is required, and everything once there is room again",
    .enabled(if: canMount))
  func fullDisk() async throws {
    sandbox.write(
      """
      set -u
      mkdir small && mount -t tmpfs -o size=16k,mode=700 none small || exit 10
      telpher serve --listen unix:$PWD/s --audit small/audit --audit-required >listening &
      server=$!
      trap 'kill -9 $server 2>/dev/null' EXIT
      until [ -s listening ]; do kill -0 $server || exit 11; sleep 0.01; done
      telpher run --on unix:$PWD/s -- touch first || exit 12
      head -c 16000 /dev/zero >small/filler 2>/dev/null
      # The page that the file has already takes some more records.
      number=0
      while telpher run --on unix:$PWD/s -- touch full$number 2>err; do
        number=$((number + 1)); [ $number -lt 100 ] || exit 13
      done
      for again in 1 2 3; do
        grep -q -e --audit-required err || exit 14
        [ -e full$number ] && exit 15
        telpher run --on unix:$PWD/s -- touch full$number 2>err && exit 16
      done
      rm small/filler
      telpher run --on unix:$PWD/s -- touch last || exit 19
      [ -e last ] || exit 20
      kill $server; wait $server || exit 21
      telpher audit small/audit >shown 2>strange
      [ $? -le 1 ] || exit 22
      grep -q 'touch last' shown || exit 23
      grep "start.*touch full$number$" shown && exit 24
      [ "$(wc -l <strange)" -le 3 ] || exit 25
      exit 0

      """, to: sandbox.folder + "/script")
    let result = try await sandbox.shell("cd '\(sandbox.folder)' && unshare -m sh ./script")
    #expect(result.status == 0, "\(result.errorText)")
  }
}
