import TelpherFileStore
import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherTransfer

struct PortStateTests {
  private static let read = Chunk([UInt8](repeating: 0, count: 1_000))
  private static let lost = FileError(.lost, "the connection was lost")

  private static func state() -> PortState { PortState(windows: (file: 8_000, index: 800)) }

  @Test func workerContinuesWhenHalfOfTheQueueIsSent() {
    var state = Self.state()
    var waits: [Bool] = []
    func look() { waits.append(state.mustWaitForRoom(1_000)) }
    for _ in 0..<5 {
      _ = state.enqueue(Self.read, on: .file)
      look()
    }
    #expect(waits == [false, false, false, false, true])
    waits = []
    var wakes: [Bool] = []
    for _ in 0..<3 {
      guard case .chunk(_, let wakesWorker) = state.nextOutgoing(.file, 1_000) else { break }
      wakes.append(wakesWorker)
      look()
    }
    #expect(waits == [true, true, false])
    #expect(wakes == [false, false, true])
    // It waits again only when the queue is full again.
    waits = []
    for _ in 0..<3 {
      _ = state.enqueue(Self.read, on: .file)
      look()
    }
    #expect(waits == [false, false, true])
  }

  @Test(arguments: [true, false]) func workerDoesNotWaitForRoomAfterTheEnd(_ isEarly: Bool) {
    var state = Self.state()
    for _ in 0..<5 { _ = state.enqueue(Self.read, on: .file) }
    var waits = [state.mustWaitForRoom(1_000)]
    if isEarly { state.end(Self.lost) } else { state.peerDidFinish() }
    waits.append(state.mustWaitForRoom(1_000))
    #expect(waits == [true, false])
  }

  @Test func loopIsNotifiedOncePerLook() {
    var state = Self.state()
    var notices = [state.enqueue(Self.read, on: .file)]
    notices.append(state.send(.restart))
    notices.append(state.finish(.file))
    #expect(notices == [true, false, false])
    let changes = state.takeChanges()
    #expect(changes.messages == [.restart])
    #expect(changes.takenBytes.isEmpty)
    let isNews = state.finish(.index)
    #expect(isNews)
    let later = state.takeChanges()
    #expect(later.messages.isEmpty)
  }

  @Test func channelFinishesAfterItsLastChunk() {
    var state = Self.state()
    _ = state.enqueue(Self.read, on: .file)
    _ = state.finish(.file)
    guard case .chunk = state.nextOutgoing(.file) else {
      Issue.record("the chunk comes first")
      return
    }
    guard case .finished = state.nextOutgoing(.file) else {
      Issue.record("the channel has ended")
      return
    }
    guard case .nothing = state.nextOutgoing(.index) else {
      Issue.record("the other channel has not ended")
      return
    }
  }

  @Test func sendsAreDroppedAfterThePeerHasFinished() {
    var state = Self.state()
    state.peerDidFinish()
    _ = state.enqueue(Self.read, on: .file)
    #expect(state.queuedBytes == 0)
    #expect(state.end == nil)
  }

  @Test(arguments: [true, false]) func onlyTheFirstReasonOfAnEndCounts(_ isAfterFinish: Bool) {
    var state = Self.state()
    if isAfterFinish { state.peerDidFinish() }
    state.end(Self.lost)
    state.end(FileError(.canceled, "enough"))
    state.peerDidFinish()
    #expect(state.end?.code == .lost)
  }

  /// The bytes before a lost connection help a later transfer; a canceled one needs no more.
  @Test(arguments: [FileError.Code.lost, .canceled]) func receivedBytesAfterTheEnd(
    _ code: FileError.Code
  ) {
    var state = Self.state()
    state.deliver(Self.read, on: .file)
    state.end(FileError(code, "the end"))
    #expect(!state.mustWait(for: .file))
    switch state.take(.file) {
    case .chunk(let chunk, _): #expect(code == .lost && chunk.count == 1_000)
    case .failed(let error): #expect(code == .canceled && error.code == .canceled)
    case .nothing: Issue.record("neither bytes nor the end")
    }
    guard case .failed = state.take(.file) else {
      Issue.record("the end was reported")
      return
    }
  }

  @Test func aChunkIsTakenInParts() {
    var state = Self.state()
    state.deliver(Chunk(Array(0..<10)), on: .file)
    var parts: [[UInt8]] = []
    for limit in [4, 6, 1] {
      guard case .chunk(let chunk, _) = state.take(.file, atMost: limit) else { break }
      parts.append([UInt8](chunk))
    }
    #expect(parts == [Array(0..<4), Array(4..<10)])
    #expect(state.unreadBytes(of: .file) == 0)
    let changes = state.takeChanges()
    #expect(changes.takenBytes == [.file: 10])
  }

  @Test func takenBytesAreReportedAtAnEighthOfTheWindow() {
    var state = Self.state()
    var notices: [Bool] = []
    for _ in 0..<3 {
      state.deliver(Chunk([UInt8](repeating: 0, count: 500)), on: .file)
      guard case .chunk(_, let notifies) = state.take(.file) else { break }
      notices.append(notifies)
    }
    #expect(notices == [false, true, false])
    let changes = state.takeChanges()
    #expect(changes.takenBytes == [.file: 1_500])
    let mustReport = state.reportTakenBytes()
    #expect(!mustReport)
  }

  @Test func controlsAreLimited() {
    var state = Self.state()
    for _ in 0..<PortState.maxControls {
      // An empty one counts too.
      let isAccepted = state.deliver([])
      #expect(isAccepted)
    }
    let isAccepted = state.deliver([.digest("ab")])
    #expect(!isAccepted)
    let digest = state.message { if case .digest(let digest) = $0 { digest } else { nil } }
    #expect(digest == nil)
  }
}
