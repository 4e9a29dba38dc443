import TelpherTestSupport
import TelpherWire
import Testing

@testable import TelpherFileStore
@testable import TelpherTransfer

struct SenderStateTests {
  private static let status = FileStatus(
    kind: .file, size: 5, allocated: 4_096, mode: 0o644, modifiedNS: 1, changedNS: 1, device: 1,
    inode: 1)

  private static func file(_ path: String) throws -> SourcePath {
    SourcePath(source: 0, path: try RelativePath(path))
  }

  /// A state with `count` announced files.
  private static func state(files count: Int) throws -> SenderState {
    var state = SenderState()
    for number in 0..<count {
      state.announceFile(try file("\(number)"), status, digest: nil)
    }
    return state
  }

  /// A short name of the next step.
  private static func step(_ state: inout SenderState) throws -> String {
    switch try state.next() {
    case .announce: "announce"
    case .send(let number, let file, _, let prefix):
      "send \(number) \(file.path)" + (prefix.map { " after \($0.length)" } ?? "")
    case .pass: "pass"
    case .leave(let number): "leave \(number)"
    case .awaitAnswers: "await answers"
    case .finish: "finish"
    }
  }

  private func expectStep(
    _ expected: String, _ state: inout SenderState, at location: SourceLocation = #_sourceLocation
  ) throws {
    let step = try Self.step(&state)
    #expect(step == expected, sourceLocation: location)
  }

  @Test func wantedFilesAreSentInTheirOrderAndFoldersLeftAfterThem() throws {
    var state = SenderState()
    state.announceFolder("a")
    for name in ["a/x", "a/y", "a/z"] {
      state.announceFile(try Self.file(name), Self.status, digest: nil)
    }
    try expectStep("announce", &state)
    state.leaveFolder()
    let announced = state.announcedAll()
    #expect((announced.entries.files, announced.entries.folders) == (3, 1))
    try expectStep("await answers", &state)
    _ = try state.receive(.want(EntryRun(1), after: nil))
    _ = try state.receive(.skip(EntryRun(2), .unchanged))
    _ = try state.receive(.want(EntryRun(3), after: FilePrefix(length: 4, digest: "ab")))
    var steps: [String] = []
    for _ in 0..<5 { steps.append(try Self.step(&state)) }
    #expect(steps == ["send 1 a/x", "pass", "send 3 a/z after 4", "leave 0", "finish"])
  }

  @Test func entriesAreAnnouncedWhileAnAnswerIsMissing() throws {
    var state = try Self.state(files: 4_095)
    try expectStep("announce", &state)
    state.announceFile(try Self.file("last"), Self.status, digest: nil)
    try expectStep("await answers", &state)
    _ = try state.receive(.want(EntryRun(0), after: nil))
    try expectStep("send 0 0", &state)
    try expectStep("announce", &state)
  }

  @Test func unaskedFilesAreSentWithoutAnswersAndThoseThatFailedAreNot() throws {
    var state = SenderState(sendsUnasked: true)
    for name in ["a", "b", "c"] {
      state.announceFile(try Self.file(name), Self.status, digest: nil)
    }
    // Many are announced in one record.
    try expectStep("announce", &state)
    _ = state.announcedAll()
    try expectStep("send 0 a", &state)
    state.didSend(0, bytes: 5, digest: "d", size: 5, change: nil)
    let failure = FilePart(1, end: .failed("full", path: nil))
    _ = try state.receive(.want(EntryRun(0), after: nil))
    _ = try state.receive(.file(failure))
    try expectStep("pass", &state)
    try expectStep("send 2 c", &state)
    state.didSend(2, bytes: 5, digest: "d", size: 5, change: nil)
    _ = try state.receive(.want(EntryRun(2), after: nil))
    for number in [0, 2] { _ = try state.receive(.stored(EntryRun(number))) }
    try expectStep("finish", &state)
    #expect((state.counts.files, state.counts.failed) == (2, 1))
  }

  @Test func unaskedFilesAreAnnouncedInLargeBatches() throws {
    var state = SenderState(sendsUnasked: true)
    for number in 0..<1_024 {
      try expectStep("announce", &state)
      state.announceFile(try Self.file("\(number)"), Self.status, digest: nil)
    }
    try expectStep("send 0 0", &state)
    try expectStep("announce", &state)
  }

  @Test func aSettledTreeHasTheCountsOfBothSides() throws {
    var state = try Self.state(files: 2)
    _ = state.announcedAll()
    _ = try state.receive(.want(EntryRun(0, count: 2), after: nil))
    for number in 0..<2 {
      try expectStep("send \(number) \(number)", &state)
      state.didSend(number, bytes: 5, digest: "ab", size: 5, change: nil)
    }
    guard case .stored(first: 0, let entries)? = try state.receive(.stored(EntryRun(0, count: 2)))
    else {
      Issue.record("two entries are settled")
      return
    }
    #expect(entries.map(\.digest) == ["ab", "ab"])
    #expect(throws: FileError.self) { try state.checkSettled() }
    var counts = TreeCounts()
    counts.storedEntries.files = 1
    counts.bytes = 10
    _ = try state.receive(.settled(counts))
    #expect(throws: FileError.self) { try state.checkSettled() }
    counts.storedEntries.files = 2
    _ = try state.receive(.settled(counts))
    try state.checkSettled()
  }

  /// The receiver may report a failure before it has answered.
  @Test func aFailureIsAlsoAnAnswer() throws {
    var state = try Self.state(files: 2)
    let settlement = try state.receive(.failure(0, "no space", path: nil))
    guard case .failed(0, let entry, "no space", path: nil, isKnown: false)? = settlement else {
      Issue.record("an entry failed: \(String(describing: settlement))")
      return
    }
    #expect(entry.path == "0")
    try expectStep("pass", &state)
    #expect(!state.isOpen(0))
    let isNews = state.didFailToSend(0)
    #expect(!isNews)
  }

  @Test func aFailureToSendIsReportedOnce() throws {
    var state = try Self.state(files: 1)
    _ = try state.receive(.want(EntryRun(0), after: nil))
    _ = try state.next()
    let isNews = state.didFailToSend(0)
    #expect(isNews)
    let settlement = try state.receive(.failure(0, "gone", path: nil))
    guard case .failed(0, _, "gone", path: nil, isKnown: true)? = settlement else {
      Issue.record("the failure is known: \(String(describing: settlement))")
      return
    }
  }

  @Test(arguments: [
    (TreeRecord.stored(EntryRun(0)), "the receiver stored '0' before all of it was sent"),
    (.stored(EntryRun(2)), "the receiver answered for an unknown or settled entry"),
    (
      .skip(EntryRun(1, count: 2), .exists), "the receiver answered for an unknown or settled entry"
    ),
    (
      .want(EntryRun(0, count: 0), after: nil),
      "the receiver answered for an unknown or settled entry"
    ),
    (.failure(-1, "why", path: nil), "the receiver answered for an unknown or settled entry"),
    (.settled(TreeCounts()), "the receiver sent its counts before all entries were announced"),
    (
      .want(EntryRun(0), after: FilePrefix(length: 1, digest: String(repeating: "a", count: 129))),
      "a digest has more than 128 characters"
    ),
  ]) func aRecordThatDoesNotFitIsRefused(_ record: TreeRecord, _ message: String) throws {
    var state = try Self.state(files: 2)
    let error = #expect(throws: FileError.self) { try state.receive(record) }
    #expect(error?.code == .protocolError)
    #expect(error?.message == message)
  }

  @Test func anAnswerThatIsMissingIsNoticed() throws {
    var state = try Self.state(files: 2)
    _ = try state.receive(.want(EntryRun(1), after: nil))
    let error = #expect(throws: FileError.self) { try state.next() }
    #expect(error?.message == "the receiver did not answer in order")
  }
}
