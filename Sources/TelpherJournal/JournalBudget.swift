internal import Synchronization
package import TelpherTransport

/// The disk space that all journals of a folder of jobs share, over any number of processes.
///
/// It is the file `journals` in that folder: 32 bytes of header, then a slot of 32 bytes for each
/// journal: the job's id (16 bytes), the bytes that its journal may use at the moment, and 1. Each
/// writer changes only its own slot, to an absolute number, so a process that is killed leaves
/// nothing to repair. Before a journal grows, its writer first publishes the new number and then adds
/// up all slots. If that is too much, it takes the number back. So two writers may both be refused,
/// but never both admitted beyond the limit.
package final class JournalBudget: Sendable {
  /// The limit in bytes.
  package let totalBytes: UInt64

  private let system: any JournalSystem
  private let jobs: SystemString
  private let file: JournalFile

  private static let magic: UInt64 = 0x0031_5344_4755_424A
  private static let slotSize = 32

  /// Opens or creates the file in the existing folder `jobs`. The folder of each job in it is named
  /// after the job's id, in 32 lowercase hexadecimal digits.
  package init(
    jobs: SystemString, totalBytes: UInt64 = JournalLimit.defaultTotalBytes,
    system: any JournalSystem = LinuxJournalSystem()
  ) throws(JournalError) {
    self.system = system
    self.jobs = jobs
    self.totalBytes = totalBytes
    do throws(ErrorNumber) {
      let folder = JournalFile(try system.openFolder(jobs), system)
      file = JournalFile(
        try system.open("journals", in: folder.descriptor, .share), system)
    } catch {
      throw JournalError(error, "open 'journals' in '\(jobs)'")
    }
    try checkHeader()
  }

  /// The bytes that all journals may use at the moment.
  package func used() throws(JournalError) -> UInt64 {
    do throws(ErrorNumber) { return Self.sum(try slots()) } catch {
      throw JournalError(error, "read 'journals' in '\(jobs)'")
    }
  }

  /// The bytes that each journal may use at the moment, by the job's id.
  package func sizes() throws(JournalError) -> [[UInt8]: UInt64] {
    do throws(ErrorNumber) {
      return try slots().reduce(into: [:]) { sizes, slot in
        if !slot.isFree { sizes[slot.name] = slot.bytes }
      }
    } catch {
      throw JournalError(error, "read 'journals' in '\(jobs)'")
    }
  }

  /// Takes `bytes` for a new journal and returns the number of its slot. Throws `noRoom` if the
  /// limit would be exceeded even after the slots of removed folders were freed.
  func claim(_ name: [UInt8], bytes: UInt64) throws(JournalError) -> Int {
    precondition(name.count == 16, "a job's id has 16 bytes")
    do throws(ErrorNumber) {
      try system.takeTurn(file.descriptor)
      defer { system.endTurn(file.descriptor) }
      var slots = try slots()
      if !fits(bytes, among: slots) { slots = try withoutRemovedJobs(slots) }
      if fits(bytes, among: slots) {
        let number = slots.firstIndex { $0.isFree } ?? slots.count
        try write(Slot(name: name, bytes: bytes), to: number)
        return number
      }
    } catch {
      throw JournalError(error, "reserve space for a journal in '\(jobs)'")
    }
    throw JournalError(
      .noRoom,
      "the journals in '\(jobs)' have reached their limit of \(totalBytes) bytes: "
        + "forget finished jobs, or raise the limit")
  }

  /// Changes what the journal may use from `bytes` to `newBytes`, if the limit allows it. Another
  /// failure counts as a refusal: the journal then makes do with what it has.
  func grow(_ slot: Int, _ name: [UInt8], from bytes: UInt64, to newBytes: UInt64) -> Bool {
    do throws(ErrorNumber) {
      try write(Slot(name: name, bytes: newBytes), to: slot)
      if Self.sum(try slots()) <= totalBytes { return true }
    } catch {}
    set(slot, name, to: bytes)
    return false
  }

  /// Lowers what the journal may use. If the write fails, too much stays counted.
  func set(_ slot: Int, _ name: [UInt8], to bytes: UInt64) {
    do throws(ErrorNumber) { try write(Slot(name: name, bytes: bytes), to: slot) } catch {}
  }

  /// Frees the slot of a journal that was removed; nothing happens if there is none.
  func release(_ name: [UInt8]) throws(ErrorNumber) {
    try system.takeTurn(file.descriptor)
    defer { system.endTurn(file.descriptor) }
    guard let number = try slots().firstIndex(where: { !$0.isFree && $0.name == name })
    else { return }
    try write(.free, to: number)
  }

  // MARK: The file

  private struct Slot {
    var name: [UInt8]
    var bytes: UInt64
    var isFree = false
    static let free = Slot(name: Array(repeating: 0, count: 16), bytes: 0, isFree: true)
  }

  private static func sum(_ slots: [Slot]) -> UInt64 {
    slots.reduce(0) { sum, slot in
      let (result, overflows) = sum.addingReportingOverflow(slot.bytes)
      return overflows ? .max : result
    }
  }

  private func fits(_ bytes: UInt64, among slots: [Slot]) -> Bool {
    let used = Self.sum(slots)
    return used <= totalBytes && bytes <= totalBytes - used
      && (slots.count < JournalLimit.journals || slots.contains { $0.isFree })
  }

  /// Frees the slots of jobs whose folders are gone: somebody removed them by hand.
  private func withoutRemovedJobs(_ slots: [Slot]) throws(ErrorNumber) -> [Slot] {
    var slots = slots
    for (number, slot) in slots.enumerated() where !slot.isFree {
      let folder = SystemString(jobs.bytes + [UInt8(ascii: "/")] + Self.digits(slot.name))
      if try system.exists(folder) { continue }
      try write(.free, to: number)
      slots[number] = .free
    }
    return slots
  }

  private static func digits(_ name: [UInt8]) -> [UInt8] {
    let digits = Array("0123456789abcdef".utf8)
    return name.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
  }

  private func checkHeader() throws(JournalError) {
    var found: UInt64?
    do throws(ErrorNumber) {
      // The process that created the file may not have written the header yet. The lock ensures that
      // one process writes it.
      try system.takeTurn(file.descriptor)
      defer { system.endTurn(file.descriptor) }
      let header = try read(at: 0, count: Self.slotSize)
      if header.isEmpty {
        var header = [UInt8](repeating: 0, count: Self.slotSize)
        header.withUnsafeMutableBytes { Layout.store(Self.magic, $0, at: 0) }
        try write(header, at: 0)
        return
      }
      found = header.count < 8 ? 0 : header.withUnsafeBytes { Layout.load(UInt64.self, $0, at: 0) }
    } catch {
      throw JournalError(error, "use 'journals' in '\(jobs)'")
    }
    if found != Self.magic {
      throw JournalError(.damaged, "'journals' in '\(jobs)' is not a file of telpher")
    }
  }

  private func slots() throws(ErrorNumber) -> [Slot] {
    let bytes = try read(at: UInt64(Self.slotSize), count: JournalLimit.journals * Self.slotSize)
    return bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / Self.slotSize).map { number in
        let start = number * Self.slotSize
        return Slot(
          name: Array(bytes[start..<start + 16]),
          bytes: Layout.load(UInt64.self, bytes, at: start + 16),
          isFree: Layout.load(UInt64.self, bytes, at: start + 24) == 0)
      }
    }
  }

  private func write(_ slot: Slot, to number: Int) throws(ErrorNumber) {
    var bytes = slot.name + [UInt8](repeating: 0, count: 16)
    bytes.withUnsafeMutableBytes {
      Layout.store(slot.bytes, $0, at: 16)
      Layout.store(UInt64(slot.isFree ? 0 : 1), $0, at: 24)
    }
    try write(bytes, at: UInt64((number + 1) * Self.slotSize))
  }

  private func write(_ bytes: [UInt8], at offset: UInt64) throws(ErrorNumber) {
    let outcome = bytes.withUnsafeBytes { bytes in
      Result { () throws(ErrorNumber) in try file.overwrite(bytes, at: offset) }
    }
    try outcome.get()
  }

  private func read(at offset: UInt64, count: Int) throws(ErrorNumber) -> [UInt8] {
    // Most files are small, so look at the size first.
    let size = try system.status(file.descriptor).size
    let count = Int(clamping: min(UInt64(count), size > offset ? size - offset : 0))
    var bytes = [UInt8](repeating: 0, count: count)
    let got = bytes.withUnsafeMutableBytes { memory in
      Result { () throws(ErrorNumber) in
        try system.read(file.descriptor, into: memory, at: offset)
      }
    }
    return Array(bytes.prefix(try got.get()))
  }
}
