internal import Glibc
internal import Synchronization
internal import TelpherJournal
internal import TelpherTransport

/// A call that can fail.
enum JournalCall: CaseIterable, Sendable {
  case createFolder, removeFolder, openFolder, exists, openToRead, openToCreate, openToShare
  case read, write, shortWrite, truncate, status, names, remove, lock, isLocked, takeTurn
}

/// The file system, with calls that fail when a test wants.
final class FailingSystem: JournalSystem {
  private struct Plan {
    var call: JournalCall?
    /// The calls of this kind that succeed before.
    var remaining = 0
    /// How many calls of this kind fail then.
    var failures = 0
    var error: Int32 = 0
    var triggered = 0
    /// A write was cut short, and the next fails.
    var writeFailsNext = false
  }

  private let real = LinuxJournalSystem()
  private let plan = Mutex(Plan())

  /// Makes `failures` calls of this kind fail with `error`, after `remaining` that succeed. Of a
  /// short write, half succeeds, and the next write fails.
  func fail(_ call: JournalCall, after remaining: Int = 0, times failures: Int = 1, _ error: Int32)
  {
    plan.withLock {
      $0 = Plan(call: call, remaining: remaining, failures: failures, error: error)
    }
  }

  func succeed() { plan.withLock { $0 = Plan() } }

  /// How many calls have failed.
  var triggered: Int { plan.withLock { $0.triggered } }

  private func pass(_ call: JournalCall) throws(ErrorNumber) {
    let error: Int32? = plan.withLock { plan in
      guard plan.call == call else { return nil }
      if plan.remaining > 0 {
        plan.remaining -= 1
        return nil
      }
      guard plan.failures > 0 else { return nil }
      plan.failures -= 1
      plan.triggered += 1
      return plan.error
    }
    if let error { throw ErrorNumber(error) }
  }

  func createFolder(_ path: SystemString) throws(ErrorNumber) -> Bool {
    try pass(.createFolder)
    return try real.createFolder(path)
  }
  func removeFolder(_ path: SystemString) throws(ErrorNumber) {
    try pass(.removeFolder)
    try real.removeFolder(path)
  }
  func openFolder(_ path: SystemString) throws(ErrorNumber) -> Int32 {
    try pass(.openFolder)
    return try real.openFolder(path)
  }
  func exists(_ path: SystemString) throws(ErrorNumber) -> Bool {
    try pass(.exists)
    return try real.exists(path)
  }
  func open(_ name: String, in folder: Int32, _ purpose: OpenPurpose) throws(ErrorNumber) -> Int32 {
    switch purpose {
    case .read: try pass(.openToRead)
    case .create: try pass(.openToCreate)
    case .share: try pass(.openToShare)
    }
    return try real.open(name, in: folder, purpose)
  }
  func close(_ descriptor: Int32) { real.close(descriptor) }
  func read(_ descriptor: Int32, into memory: UnsafeMutableRawBufferPointer, at offset: UInt64)
    throws(ErrorNumber) -> Int
  {
    try pass(.read)
    return try real.read(descriptor, into: memory, at: offset)
  }
  func write(
    _ descriptor: Int32, _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer,
    at offset: UInt64
  ) throws(ErrorNumber) -> Int {
    try pass(.write)
    let failure: Int32? = plan.withLock { plan in
      defer { plan.writeFailsNext = false }
      return plan.writeFailsNext ? plan.error : nil
    }
    if let failure { throw ErrorNumber(failure) }
    do throws(ErrorNumber) { try pass(.shortWrite) } catch {
      let all = Array(first) + Array(second)
      plan.withLock { $0.writeFailsNext = true }
      let half = Array(all.prefix(max(1, all.count / 2)))
      let done = half.withUnsafeBytes { half in
        Result { () throws(ErrorNumber) in
          try real.write(descriptor, half, .init(start: nil, count: 0), at: offset)
        }
      }
      return try done.get()
    }
    return try real.write(descriptor, first, second, at: offset)
  }
  func truncate(_ descriptor: Int32, to size: UInt64) throws(ErrorNumber) {
    try pass(.truncate)
    try real.truncate(descriptor, to: size)
  }
  func status(_ descriptor: Int32) throws(ErrorNumber) -> (size: UInt64, hasName: Bool) {
    try pass(.status)
    return try real.status(descriptor)
  }
  func names(in folder: Int32) throws(ErrorNumber) -> [String] {
    try pass(.names)
    return try real.names(in: folder)
  }
  func remove(_ name: String, in folder: Int32) throws(ErrorNumber) {
    try pass(.remove)
    try real.remove(name, in: folder)
  }
  func lock(_ descriptor: Int32) throws(ErrorNumber) -> Bool {
    try pass(.lock)
    return try real.lock(descriptor)
  }
  func isLocked(_ descriptor: Int32) throws(ErrorNumber) -> Bool {
    try pass(.isLocked)
    return try real.isLocked(descriptor)
  }
  func takeTurn(_ descriptor: Int32) throws(ErrorNumber) {
    try pass(.takeTurn)
    try real.takeTurn(descriptor)
  }
  func endTurn(_ descriptor: Int32) { real.endTurn(descriptor) }
  func now() -> Int64 { real.now() }
}
