import Glibc
import Testing

/// Transfers that Ctrl-C interrupts. The connection passes some megabytes and then stalls until the
/// test lets it continue.
struct InterruptTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  private static let size = 12_000_000
  private static let passed = 4_000_000

  /// Adds an `ssh` that passes `passed` bytes in one direction (`put`: to the server, `get`: from
  /// it), makes the file `stalled`, and waits until the test writes to the FIFO `gate`.
  private func addStallingLink(_ direction: String) {
    mkfifo(sandbox.folder + "/gate", 0o600)
    // Not head(1): it holds back data until its buffer is full.
    let pass = "dd bs=64k count=\(Self.passed) iflag=count_bytes status=none"
    let wait = ": >\"$HOME/stalled\"; cat \"$HOME/gate\" >/dev/null"
    let stall = "{ \(pass); \(wait); cat; }"
    let serve = "\(Sandbox.program) serve --listen stdio --log-level error"
    sandbox.addProgram(
      "ssh",
      "#!/bin/sh\n" + (direction == "put" ? "\(stall) | \(serve)\n" : "\(serve) | \(stall)\n"))
  }

  private func openLink() {
    sandbox.addProgram(
      "ssh", "#!/bin/sh\nexec \(Sandbox.program) serve --listen stdio --log-level error\n")
  }

  private func arguments(_ direction: String) -> [String] {
    [direction, "--connect-timeout", "10m", "--on", "ssh://host"]
      + (direction == "put"
        ? [sandbox.folder + "/source", "copy"] : ["source", sandbox.folder + "/copy"])
  }

  private func waitUntilStalled(_ client: Child) async throws {
    let (path, pid) = (sandbox.folder + "/stalled", client.pid)
    // On a thread of its own, as in `waitUntilIdle`.
    let isStalled = await onThread {
      while mode(of: path) == nil, isRunning(pid) { usleep(5_000) }
      return mode(of: path) != nil
    }
    guard isStalled else {
      throw Failed("the transfer ended early: \(await client.finish().errorText)")
    }
  }

  @Test(arguments: ["put", "get"])
  func resumeContinuesAnInterruptedTransfer(_ direction: String) async throws {
    sandbox.writeNoise(Self.size, to: sandbox.folder + "/source")
    addStallingLink(direction)
    let client = try sandbox.start(arguments(direction))
    try await waitUntilStalled(client)
    client.signal(SIGINT)
    // The client has handled the signal before the connection continues.
    try await waitUntilIdle(client.pid)
    let gate = try await sandbox.shell("timeout 60 sh -c 'echo >\"$HOME/gate\"'")
    let stopped = await client.finish()
    #expect(gate.status == 0)
    #expect(stopped.status == 130)
    #expect(stopped.errorText.hasPrefix("telpher: interrupted: up to "))
    #expect(stopped.errorText.contains("run the same command with --resume"))
    #expect(mode(of: sandbox.folder + "/copy") == nil)
    #expect(try await sandbox.partials().count == 1)

    openLink()
    let resumed = await (try sandbox.start(arguments(direction) + ["--resume", "--json"])).finish()
    #expect(resumed.status == 0)
    let last = try #require(resumed.text.split(separator: "\n").last)
    let bytes = try #require(last.firstMatch(of: /"bytes":(\d+)/).flatMap { Int($0.1) })
    #expect(bytes > 0 && bytes < Self.size - Self.passed / 2)
    #expect(try await sandbox.areAlike("source", "copy"))
    #expect(try await sandbox.partials() == [])
  }

  @Test func aSecondInterruptEndsTheClientAtOnce() async throws {
    sandbox.writeNoise(Self.size, to: sandbox.folder + "/source")
    addStallingLink("put")
    let client = try sandbox.start(arguments("put"))
    try await waitUntilStalled(client)
    client.signal(SIGINT)
    // Two pending signals of one number are merged, so the second is sent after the first arrived.
    try await waitUntilIdle(client.pid)
    client.signal(SIGINT)
    #expect(await client.wait() == 130)
    #expect(mode(of: sandbox.folder + "/copy") == nil)
    _ = try await sandbox.shell("timeout 60 sh -c 'echo >\"$HOME/gate\"'")
  }
}
