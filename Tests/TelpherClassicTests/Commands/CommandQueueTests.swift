import TelpherTransport
import TelpherTransportTesting
import Testing

@testable import TelpherClassic

/// More commands than may run at once.
@Suite(.timeLimit(.minutes(5)))
struct CommandQueueTests {
  /// A command that exits after `release` was sent.
  private func held(by release: Signal, started: Signal) -> @Sendable (MemoryProcess) -> Void {
    { process in
      started.send()
      let process = Held(process)
      Task {
        await release.wait()
        process.loop.execute {
          process.value.print("held")
          process.value.exit(0)
        }
      }
    }
  }

  private func oneAtATime(waiting: Int = 100) -> ClassicLimits {
    var limits = ClassicLimits()
    limits.commands = 1
    limits.waitingCommands = waiting
    return limits
  }

  @Test func commandsBeyondTheLimitWaitAndAreAnswered() async throws {
    let (release, started) = (Signal(), Signal())
    let rig = try await ClassicRig(
      .raw, limits: oneAtATime(), ["held": held(by: release, started: started)])
    let first = try await rig.client()
    try await first.write("held")
    await started.wait()
    var others: [RawClient] = []
    for number in 0..<20 {
      let client = try await rig.client()
      try await client.write("other \(number)")
      others.append(client)
    }
    release.send()
    #expect(try await first.text(4) == "held")
    for (number, client) in others.enumerated() {
      let expected = "other \(number)"
      #expect(try await client.text(expected.utf8.count) == expected)
    }
    await rig.end()
  }

  @Test func aWaitingClientThatDisconnectsLeavesTheQueue() async throws {
    let (release, started) = (Signal(), Signal())
    let rig = try await ClassicRig(
      .raw, limits: oneAtATime(waiting: 1), ["held": held(by: release, started: started)])
    let first = try await rig.client()
    try await first.write("held")
    await started.wait()
    let gone = try await rig.client()
    try await gone.write("never run")
    await gone.close()
    // The next client finds room in the queue after the first has left it. Before that, it is
    // disconnected.
    var answer = ""
    while answer.isEmpty {
      let client = try await rig.client()
      try await client.write("next")
      await client.finishWriting()
      release.send()
      answer = await client.readToEnd()
    }
    #expect(answer == "next")
    await rig.end()
  }

  @Test func aClientIsDisconnectedIfTheQueueIsFull() async throws {
    let (release, started) = (Signal(), Signal())
    let rig = try await ClassicRig(
      .raw, limits: oneAtATime(waiting: 0), ["held": held(by: release, started: started)])
    let first = try await rig.client()
    try await first.write("held")
    await started.wait()
    let second = try await rig.client()
    try await second.write("more")
    #expect(await second.readToEnd() == "")
    release.send()
    #expect(try await first.text(4) == "held")
    await rig.end()
  }

  @Test func stoppingTheServerEndsWaitingCommands() async throws {
    let started = Signal()
    let rig = try await ClassicRig(
      .raw, limits: oneAtATime(),
      [
        "stay": { process in
          process.onSignal = { [unowned process] _ in
            process.exit(0)
            return true
          }
          started.send()
        }
      ])
    let (first, second) = (try await rig.client(), try await rig.client())
    try await first.write("stay")
    await started.wait()
    try await second.write("never run")
    // The loop keeps running for the clients.
    await rig.server.stop()
    #expect(await second.readToEnd() == "")
    await rig.loop.shutDown()
  }
}
