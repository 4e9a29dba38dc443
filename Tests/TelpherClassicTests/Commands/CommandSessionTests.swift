import Synchronization
import TelpherTransport
import TelpherTransportTesting
import Testing

@testable import TelpherClassic

@Suite(.timeLimit(.minutes(5)))
struct CommandSessionTests {
  @Test func oneReadIsOneCommand() async throws {
    let rig = try await ClassicRig(.length)
    let client = try await rig.client()
    try await client.write("first\n")
    #expect(try await client.read(4) == [5, 0, 0, 0])
    #expect(try await client.text(5) == "first")
    // Sent together, two lines are one command, as with the tutorials' recv.
    try await client.write("second\nthird")
    #expect(try await client.read(4) == [12, 0, 0, 0])
    #expect(try await client.text(12) == "second\nthird")
    await rig.end()
  }

  @Test func commandsSentAheadRunInOrder() async throws {
    let (started, release) = (Signal(), Signal())
    let rig = try await ClassicRig(
      .raw,
      [
        "slow": { process in
          process.print("slow ")
          started.send()
          let process = Held(process)
          Task {
            await release.wait()
            process.loop.execute { process.value.exit(0) }
          }
        }
      ])
    let client = try await rig.client()
    try await client.write("slow")
    await started.wait()
    try await client.write("fast")
    release.send()
    #expect(try await client.text(9) == "slow fast")
    await rig.end()
  }

  @Test func inLineModeEachLineIsACommand() async throws {
    let rig = try await ClassicRig(.raw, readsLines: true)
    let client = try await rig.client()
    try await client.write("on")
    try await client.write("e\r\n\n\ntwo\nthr")
    #expect(try await client.text(6) == "onetwo")
    try await client.write("ee")
    await client.finishWriting()
    #expect(await client.readToEnd() == "three")
    await rig.end()
  }

  @Test func aTooLongCommandIsRefusedAndEndsTheConnection() async throws {
    var limits = ClassicLimits()
    limits.commandBytes = 100
    for readsLines in [false, true] {
      let rig = try await ClassicRig(.raw, limits: limits, readsLines: readsLines)
      let client = try await rig.client()
      try await client.write(String(repeating: "x", count: 101))
      let end = await client.readToEnd()
      #expect(end == "telpher: a command has at most 100 bytes; this ends the connection\n")
      let other = try await rig.client()
      try await other.write(String(repeating: "y", count: 99) + "\n")
      #expect(try await other.text(99) == String(repeating: "y", count: 99))
      await rig.end()
    }
  }

  @Test(arguments: [[0x61, 0, 0x62], [0xD6, 0xD0]] as [[UInt8]])
  func invalidCommandsAreAnsweredWithANote(_ bytes: [UInt8]) async throws {
    let rig = try await ClassicRig(.length)
    let client = try await rig.client()
    try await client.write(bytes)
    let count = try LengthPrefix.decode(try await client.read(4))
    #expect(try await client.text(count).hasPrefix("telpher: a command "))
    try await client.write("next")
    #expect(try await client.read(8) == [4, 0, 0, 0] + Array("next".utf8))
    await rig.end()
  }

  // MARK: Lengths

  @Test func anAnswerTooLongForFourBytesIsAnsweredWithANote() async throws {
    var limits = ClassicLimits()
    limits.announcedBytes = 100_000
    let rig = try await ClassicRig(.length, limits: limits, ["long": Self.print(100_001)])
    let client = try await rig.client()
    try await client.write("long")
    let count = try LengthPrefix.decode(try await client.read(4))
    let note = try await client.text(count)
    #expect(note.contains("more than 100000 bytes"))
    #expect(note.contains("4 bytes"))
    try await client.write("and on")
    #expect(try await client.read(10) == [6, 0, 0, 0] + Array("and on".utf8))
    await rig.end()
  }

  @Test func sizeAnnouncesLongerAnswers() async throws {
    var limits = ClassicLimits()
    limits.announcedBytes = 100_000
    limits.keptInMemory = 10_000
    let rig = try await ClassicRig(.size, limits: limits, ["long": Self.print(100_001)])
    let client = try await rig.client()
    try await client.write("long")
    #expect(try await client.text(6) == "100001")
    try await client.write("I am ready")
    #expect(try await client.text(100_001) == String(repeating: "x", count: 100_001))
    await rig.end()
  }

  @Test func aTooLongAnswerIsRefused() async throws {
    var limits = ClassicLimits()
    limits.collectedBytes = 1_000
    let rig = try await ClassicRig(.header, limits: limits, ["long": Self.print(1_001)])
    let client = try await rig.client()
    try await client.write("long")
    let json = try await client.read(try LengthPrefix.decode(try await client.read(4)))
    let dictionary = try ClassicJSON.decode(AnswerDictionary.self, from: json)
    let note = try await client.text(Int(try dictionary.size()))
    #expect(note.contains("more than 1000 bytes"))
    await rig.end()
  }

  private static func print(_ count: Int) -> @Sendable (MemoryProcess) -> Void {
    { process in
      process.print(String(repeating: "x", count: count))
      process.exit(0)
    }
  }

  // MARK: Clients that disconnect or do not read

  @Test(arguments: [ClassicDialect.raw, .size, .length, .header])
  func aDisconnectedClientsCommandEnds(_ dialect: ClassicDialect) async throws {
    let (started, signaled) = (Signal(), Signal())
    let rig = try await ClassicRig(
      dialect,
      [
        "stay": { process in
          process.onSignal = { [unowned process] number in
            if number == 15 { signaled.send() }
            process.exit(0)
            return true
          }
          started.send()
        }
      ])
    let client = try await rig.client()
    try await client.write("stay")
    await started.wait()
    await client.close()
    await signaled.wait()
    await rig.end()
  }

  @Test func aClientThatDoesNotReadMakesItsCommandWait() async throws {
    let flooding = Signal()
    let block = Chunk([UInt8](repeating: 0, count: 4_096))
    let counter = Counter()
    let rig = try await ClassicRig(
      .raw,
      [
        "flood": { process in
          @Sendable func fill(_ process: Held<MemoryProcess>) {
            while process.value.output.write(UnsafeRawBufferPointer(start: nil, count: 0), block) {
              counter.add(block.count)
            }
            flooding.send()
          }
          let held = Held(process)
          process.output.onWritable = { fill(held) }
          fill(held)
        }
      ])
    let client = try await rig.client()
    try await client.write("flood")
    await flooding.wait()
    // The server still serves others. Meanwhile the loop would continue the flood if it could.
    let other = try await rig.client()
    for number in 100..<200 {
      try await other.write("\(number)")
      #expect(try await other.text(3) == "\(number)")
    }
    // Two pipes of 64 KiB, and the bytes between them.
    #expect(counter.value < 1 << 20)
    await rig.end()
  }

  @Test func silentClientsAreReplacedByNewOnes() async throws {
    var limits = ClassicLimits()
    limits.clients = 3
    let rig = try await ClassicRig(.raw, limits: limits)
    let speaker = try await rig.client()
    try await speaker.write("hello")
    #expect(try await speaker.text(5) == "hello")
    for number in 0..<10 {
      let client = try await rig.client()
      if number % 2 == 1 {
        try await client.write("next")
        #expect(try await client.text(4) == "next")
        await client.close()
      }
    }
    // A client that has sent something is not replaced.
    try await speaker.write("still")
    #expect(try await speaker.text(5) == "still")
    await rig.end()
  }
}

/// Lets a test keep a value that is used only on its loop in a `Sendable` closure.
struct Held<Value>: @unchecked Sendable {
  let value: Value
  init(_ value: Value) { self.value = value }
}

extension Held where Value == MemoryProcess {
  var loop: MemoryLoop { value.loop }
}

/// A number that several threads use.
final class Counter: Sendable {
  private let count = Atomic<Int>(0)
  var value: Int { count.load(ordering: .relaxed) }
  func add(_ number: Int) { count.add(number, ordering: .relaxed) }
}
