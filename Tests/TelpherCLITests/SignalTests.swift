import Glibc
import Testing

struct SignalTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  @Test(arguments: [SIGINT, SIGTERM, SIGHUP, SIGQUIT])
  func aSignalIsPassedOn(_ signal: Int32) async throws {
    let child = try sandbox.start([
      "run", "--", "sh", "-c",
      "trap 'echo got; exit 9' \(signal); echo ready; while :; do sleep 0.01; done",
    ])
    #expect(await child.line() == "ready")
    child.signal(signal)
    #expect(await child.line() == "got")
    #expect(await child.finish().status == 9)
  }

  @Test func anInterruptEndsACommandThatLetsIt() async throws {
    let child = try sandbox.start(["run", "--", "sh", "-c", "echo ready; exec sleep 60"])
    #expect(await child.line() == "ready")
    child.signal(SIGINT)
    #expect(await child.finish().status == 130)
  }

  @Test func aSecondInterruptCancels() async throws {
    let child = try sandbox.start([
      "run", "--grace", "100ms", "--", "sh", "-c",
      "trap 'echo got' INT; trap '' TERM; echo ready; while :; do sleep 0.01; done",
    ])
    #expect(await child.line() == "ready")
    child.signal(SIGINT)
    #expect(await child.line() == "got")
    child.signal(SIGINT)
    #expect(await child.finish().status == 130)
  }

  @Test func nohupHolds() async throws {
    let result = try await sandbox.shell(
      """
      mkfifo "$HOME/gate"
      (trap '' HUP; exec telpher run -- sh -c 'echo ready; cat "$HOME/gate"; echo done') >"$HOME/out" &
      while ! grep -q ready "$HOME/out"; do sleep 0.01; done
      kill -HUP $!; : >"$HOME/gate"; wait $!; echo $?; cat "$HOME/out"
      """)
    #expect(result.text == "0\nready\ndone\n")
  }

  /// The one thing that a client can't do anything about itself.
  @Test(arguments: [true, false])
  func nothingIsLeftOfAClientThatIsKilled(_ hasServer: Bool) async throws {
    let server = hasServer ? try await sandbox.serve().server : nil
    let child = try sandbox.start([
      "run", "--grace", "200ms", "--", "sh", "-c",
      "setsid sleep 999 & echo $!; (trap '' TERM; sleep 999 & echo $!; wait; wait) & echo $$; wait",
    ])
    var pids: [Int32] = []
    while pids.count < 3, let line = await child.line(), let pid = Int32(line) { pids.append(pid) }
    #expect(pids.count == 3 && pids.allSatisfy(isRunning))
    child.signal(SIGKILL)
    #expect(await child.wait() == 137)
    for pid in pids { #expect(try await isGone(pid)) }
    server?.signal(SIGTERM)
  }
}
