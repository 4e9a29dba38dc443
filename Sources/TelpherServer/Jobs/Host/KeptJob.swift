internal import Glibc
internal import TelpherCommand
internal import TelpherJournal
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// One durable job in its host: the command, its journal, and the streams that follow it. Use it
/// only on its loop's thread.
///
///     claiming ─▸ starting ─▸ running ─▸ ended
///        └───────────┴─▸ gone
final class KeptJob: JournalOutletDelegate {
  /// The states.
  private enum State {
    /// The claim is being written. Next: starting, gone.
    case claiming
    /// The command is being launched. Next: running, gone.
    case starting(CommandJob)
    /// The command runs, or its last output is being written. Next: ended.
    case running(CommandJob)
    /// The job has ended; if its end was not seen, the result is `unknown`. Final.
    case ended(CloseResult, atMS: Int64)
    /// The command was not started, and nothing of the job is left. Final.
    case gone(CloseResult)
  }

  /// The stream that the job belongs to.
  ///
  ///     stream ─▸ none
  ///        └────▸ lost
  private enum Owner {
    /// To none: the job goes on whatever happens to streams.
    case none
    /// To this one: the job ends with it, unless it detaches. Next: none, lost.
    case stream(ObjectIdentifier)
    /// To one that has ended: nothing of the job is kept after its end. Final.
    case lost
  }

  let claim: JobClaim
  /// The terms of its client's request; nil if its server has not sent them.
  let terms: JobTerms?
  var id: String { claim.id }
  private let loop: any EventLoop
  private var state: State
  private var owner = Owner.none
  private var outlet: JournalOutlet?
  private let startedAt: UInt64
  /// Whether the id is claimed on disk.
  private(set) var isClaimed = false
  /// The streams that read the output, also after the end.
  private var readers: [ObjectIdentifier: any JobReader] = [:]
  /// The streams that follow the job.
  private var followers: [ObjectIdentifier: any JobFollower] = [:]
  /// The stream whose input the command gets.
  private weak var inputSource: (any JobInputSource)?
  /// What has arrived for the command before it is launched, with the stream that it came from, and
  /// whether the input has ended. The streams' windows bound it.
  private var earlyInput: [(source: ObjectIdentifier, chunk: Chunk)] = []
  private var hasEarlyEnd = false
  /// The bytes of input that the command has been given since its start.
  private(set) var acceptedInput: UInt64 = 0
  /// For each stream that sends `taken`: it needs no output before these offsets.
  private var taken: [ObjectIdentifier: JournalOffsets] = [:]
  /// Called once with the result, when the journal is complete, and when the job is gone.
  private let didEnd: (KeptJob, CloseResult) -> Void
  /// Called once if the job has ended and belongs to a stream that has ended.
  private let isUnneeded: (KeptJob) -> Void

  /// A job that is being claimed.
  init(
    _ claim: JobClaim, _ terms: JobTerms?, on loop: any EventLoop,
    didEnd: @escaping (KeptJob, CloseResult) -> Void,
    isUnneeded: @escaping (KeptJob) -> Void
  ) {
    (self.claim, self.terms) = (claim, terms)
    self.loop = loop
    self.didEnd = didEnd
    self.isUnneeded = isUnneeded
    startedAt = loop.now
    state = .claiming
  }

  /// A job of an earlier host.
  init(_ stored: StoredJob, on loop: any EventLoop) {
    (claim, terms) = (stored.claim, nil)
    self.loop = loop
    didEnd = { _, _ in }
    isUnneeded = { _ in }
    startedAt = loop.now
    isClaimed = true
    state = .ended(stored.result, atMS: stored.endedMS)
  }

  /// When it ended, in milliseconds since 1970; nil if it has not, or if nothing of it is left.
  var endedMS: Int64? { if case .ended(_, let time) = state { time } else { nil } }

  /// Whether its result is not known yet.
  var isLive: Bool {
    switch state {
    case .claiming, .starting, .running: true
    case .ended, .gone: false
    }
  }

  /// Whether the command has started. The journal exists then.
  private var hasStarted: Bool {
    switch state {
    case .running, .ended: true
    case .claiming, .starting, .gone: false
    }
  }

  /// The view of its command; nil if it has none now.
  var view: CommandView? {
    switch state {
    case .starting(let command), .running(let command): command.view
    case .claiming, .ended, .gone: nil
    }
  }

  /// The number of changes of the journal.
  var changes: UInt64 { outlet?.changes ?? 0 }

  // MARK: Its life

  /// The id is claimed on disk.
  func didClaim() { isClaimed = true }

  /// The id is claimed: launches the command.
  func start(
    _ command: CommandJob, _ writer: JournalWriter, workers: JobWorkers, of owner: ObjectIdentifier,
    noInput: Bool
  ) {
    guard case .claiming = state else { preconditionFailure("a job is claimed once") }
    let outlet = JournalOutlet(writer, workers: workers, delegate: self)
    self.outlet = outlet
    state = .starting(command)
    command.start(for: outlet, of: owner, noInput: noInput)
    guard command.readsInput else { return inputSource?.jobDidEndInput() ?? () }
    giveEarlyInput(to: command)
  }

  private func giveEarlyInput(to command: CommandJob) {
    let current = inputSource.map { ObjectIdentifier($0) }
    var source = earlyInput.first?.source
    for early in earlyInput {
      // The credit for the bytes of an earlier stream must not go to the next one.
      if early.source != source { command.replaceInput(hasEnded: false) }
      source = early.source
      command.receiveInput(early.chunk)
    }
    if source != current { command.replaceInput(hasEnded: false) }
    earlyInput = []
    if hasEarlyEnd { command.receiveEndOfInput() }
  }

  func jobDidStart() {
    guard case .starting(let command) = state else {
      preconditionFailure("a command starts once, after its launch")
    }
    state = .running(command)
    for follower in followers.values { follower.jobDidStart() }
  }

  /// The job can't be started.
  func refuse(_ result: CloseResult) {
    state = .gone(result)
    endFollowers(result)
    didEnd(self, result)
  }

  /// Whether it was never started.
  var isGone: Bool { if case .gone = state { true } else { false } }

  private func endFollowers(_ result: CloseResult) {
    let following = followers.values
    followers = [:]
    taken = [:]
    for follower in following { follower.jobDidEnd(with: result) }
  }

  // MARK: JournalOutletDelegate

  func journalDidGrow() {
    for follower in followers.values { follower.journalDidGrow() }
  }

  func journalDidEnd(with result: CloseResult) {
    var result = result
    result.job = id
    switch state {
    case .starting: refuse(result)
    case .running:
      // The followers get it once it is on disk.
      didEnd(self, result)
    case .claiming, .ended, .gone: preconditionFailure("a journal ends once, with its command")
    }
  }

  /// The result is on disk.
  func didRecord(_ result: CloseResult) {
    state = .ended(result, atMS: JobClaim.now)
    outlet = nil
    // The end of the stream that it belongs to calls `isUnneeded` itself.
    guard isAbandoned else { return endFollowers(result) }
    endFollowers(result)
    isUnneeded(self)
  }

  // MARK: The stream that it belongs to

  /// Makes the job belong to a stream that follows it: the job ends with the stream, unless the
  /// stream detaches.
  func belong(to follower: any JobFollower) { owner = .stream(ObjectIdentifier(follower)) }

  /// The stream leaves the job, which goes on. Call it before `remove`.
  func detach(_ follower: any JobFollower) {
    if isOwner(follower) { owner = .none }
  }

  private func isOwner(_ follower: any JobFollower) -> Bool {
    guard case .stream(let id) = owner else { return false }
    return id == ObjectIdentifier(follower)
  }

  /// Whether the stream that the job belongs to has ended.
  var isAbandoned: Bool { if case .lost = owner { true } else { false } }

  /// The stream that the job belongs to has ended.
  private func didLoseOwner() {
    owner = .lost
    outlet?.dropWhenFull()
    command?.end(.disconnected)
    if case .ended = state { isUnneeded(self) }
  }

  // MARK: Followers

  /// Calls `follower` for what happens from now on; at once, if that has happened.
  func add(_ follower: any JobFollower) {
    if hasStarted { follower.jobDidStart() }
    switch state {
    case .claiming, .starting, .running: followers[ObjectIdentifier(follower)] = follower
    case .ended(let result, _), .gone(let result): follower.jobDidEnd(with: result)
    }
  }

  /// A stream reads the output from now on, until it is removed.
  func addReader(_ reader: any JobReader) { readers[ObjectIdentifier(reader)] = reader }

  /// The output is removed next.
  func endReaders() {
    for reader in readers.values { reader.outputWillBeRemoved() }
  }

  /// Forgets a follower, which is over.
  func remove(_ follower: any JobFollower) {
    readers[ObjectIdentifier(follower)] = nil
    followers[ObjectIdentifier(follower)] = nil
    // The others may have taken more.
    if taken.removeValue(forKey: ObjectIdentifier(follower)) != nil { release() }
    if inputSource === follower { inputSource = nil }
    if isOwner(follower) { didLoseOwner() }
  }

  /// A follower needs nothing before these offsets any more.
  func didTake(_ offsets: JournalOffsets, by follower: any JobFollower) {
    taken[ObjectIdentifier(follower)] = offsets
    release()
  }

  private func release() {
    guard claim.settings.whenFull == .block, let first = taken.values.first else { return }
    let least = taken.values.reduce(first) { least, offsets in
      var both = least
      for channel in [JournalChannel.output, .error] {
        both[channel] = min(least[channel], offsets[channel])
      }
      return both
    }
    outlet?.release(before: least)
  }

  // MARK: Input

  /// Gives the command the input of `source` from now on, instead of that of another stream.
  func takeInput(from source: any JobInputSource) {
    let isClaiming = if case .claiming = state { true } else { false }
    guard isClaiming || command?.readsInput == true else { return source.jobDidEndInput() }
    inputSource?.jobDidEndInput()
    inputSource = source
    command?.replaceInput(hasEnded: false)
  }

  func receiveInput(_ chunk: Chunk, from source: any JobInputSource) -> Bool {
    guard inputSource === source else { return false }
    switch state {
    case .claiming where hasEarlyEnd: return false
    case .claiming: earlyInput.append((ObjectIdentifier(source), chunk.compacted()))
    case .starting(let command), .running(let command): command.receiveInput(chunk)
    case .ended, .gone: return false
    }
    acceptedInput += UInt64(chunk.count)
    return true
  }

  func receiveEndOfInput(from source: any JobInputSource) {
    guard inputSource === source else { return }
    if case .claiming = state { hasEarlyEnd = true } else { command?.receiveEndOfInput() }
  }

  // The command reports nothing of what came from earlier streams.
  func jobDidTakeInput(_ count: Int) { inputSource?.jobDidTakeInput(count) }

  func jobDidEndInput() { inputSource?.jobDidEndInput() }

  private var command: CommandJob? {
    switch state {
    case .starting(let command), .running(let command): command
    case .claiming, .ended, .gone: nil
    }
  }

  // MARK: Requests

  /// Passes a control message of a stream on to the command.
  ///
  /// - Throws: `WireError` if the signal does not exist.
  func receive(_ message: ControlMessage) throws(WireError) {
    guard let command else { return }
    if case .cancel = message { outlet?.dropWhenFull() }
    try command.receive(message)
  }

  /// Sends a signal to all processes of the job; ends it if `signal` is nil.
  func kill(_ signal: Int32?) {
    guard let command else { return }
    if let signal {
      command.signalTree(signal)
      if signal == SIGKILL { outlet?.dropWhenFull() }
    } else {
      outlet?.dropWhenFull()
      command.end(.canceled)
    }
  }

  /// The description of the job; nil if nothing of it is left.
  var record: JobRecord? {
    var record = JobRecord(
      id: id, name: claim.name, state: .starting, argv: claim.argv, createdMS: claim.createdMS)
    record.terminal = claim.terminal
    switch state {
    case .gone: return nil
    case .claiming, .starting: break
    case .running(let command):
      record.state = .running
      record.pid = command.pid
      record.runMS = Int64((loop.now - startedAt) / 1_000_000)
      record.bytes = command.counts
    case .ended(var result, _):
      record.state = result.result == .unknown ? .unknown : .finished
      record.bytes = result.bytes
      record.runMS = result.wallMS.map { Int64($0) }
      result.bytes = nil
      record.result = result
    }
    return record
  }
}

/// A stream that follows a job. All calls come on the job's loop, and none after the stream has left.
protocol JobFollower: AnyObject {
  /// The command has started, and its journal can be read.
  func jobDidStart()
  /// The journal has more.
  func journalDidGrow()
  /// The result is known; if the command was not started, why. The last call.
  func jobDidEnd(with result: CloseResult)
}

/// A stream that reads the output of a job.
protocol JobReader: JobFollower {
  /// The output is about to be removed. A stream that has not read all of it ends.
  func outputWillBeRemoved()
}

/// A stream whose bytes are the input of a job.
protocol JobInputSource: JobFollower {
  /// The command took `count` bytes of the stream's input.
  func jobDidTakeInput(_ count: Int)
  /// The command takes no more input of this stream.
  func jobDidEndInput()
}
