import TelpherTransport
import TelpherTransportTesting
import Testing

@testable import TelpherClassic

/// How `raw` collects the output of a command. `readOnce()` stands for one recv of a tutorial's
/// client.
@Suite(.timeLimit(.minutes(5)))
struct RawDialectTests {
  @Test func anAnswerIsOnePieceWithStandardErrorFirst() async throws {
    let rig = try await ClassicRig(
      .raw,
      [
        "both": { process in
          process.print("out 1\n")
          process.printError("err 1\n")
          let process = Held(process)
          // Print the rest in a later turn of the loop, after the server has read the first pieces.
          _ = process.loop.schedule(after: 20_000_000) {
            process.value.print("out 2\n")
            process.value.printError("err 2\n")
            process.value.exit(0)
          }
        }
      ])
    let client = try await rig.client()
    for _ in 0..<5 {
      try await client.write("both")
      #expect(try await client.readOnce() == "err 1\nerr 2\nout 1\nout 2\n")
    }
    await rig.end()
  }

  @Test func anEmptyOutputIsAnsweredWithANote() async throws {
    let rig = try await ClassicRig(.raw, ["true": { $0.exit(0) }])
    let client = try await rig.client()
    try await client.write("true")
    #expect(
      try await client.readOnce() == "telpher: the command has finished without any output\n")
    await rig.end()
  }

  @Test func outputOfALongCommandIsSentInPieces() async throws {
    var limits = ClassicLimits()
    limits.heldOutput = 1_000_000
    limits.heldRest = 1_000_000
    let release = Signal()
    let rig = try await ClassicRig(
      .raw, limits: limits,
      [
        "log": { process in
          process.print("first\n")
          let process = Held(process)
          Task {
            await release.wait()
            process.loop.execute { process.value.print("second\n") }
            await release.wait()
            process.loop.execute { process.value.exit(0) }
          }
        }
      ])
    let client = try await rig.client()
    try await client.write("log")
    #expect(try await client.readOnce() == "first\n")
    release.send()
    #expect(try await client.readOnce() == "second\n")
    release.send()
    // After output in pieces, no note about empty output follows.
    try await client.write("next")
    #expect(try await client.readOnce() == "next")
    await rig.end()
  }

  @Test func muchOutputIsSentBeforeTheEnd() async throws {
    var limits = ClassicLimits()
    limits.heldBytes = 1_000
    let release = Signal()
    let rig = try await ClassicRig(
      .raw, limits: limits,
      [
        "much": { process in
          process.print(String(repeating: "x", count: 1_000))
          let process = Held(process)
          Task {
            await release.wait()
            process.loop.execute { process.value.exit(0) }
          }
        }
      ])
    let client = try await rig.client()
    try await client.write("much")
    #expect(try await client.text(1_000) == String(repeating: "x", count: 1_000))
    release.send()
    await rig.end()
  }
}
